//! The small text files: properties (Java's form, as far as our keys need it) and Kafka's checkpoint files.

use std::collections::BTreeMap;
use std::fmt::Write;

/// A text file that does not have the form that its name promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("it is not UTF-8")]
    Utf8,
    #[error("line {line} is malformed: {text:?}")]
    Line { line: usize, text: String },
    #[error("version {0:?} is unknown")]
    Version(String),
    #[error("it announces {announced} entries but has {got}")]
    Count { announced: usize, got: usize },
}

/// `key=value` lines; lines that begin with '#' are comments.
pub fn parse_properties(contents: &[u8]) -> Result<BTreeMap<String, String>, TextError> {
    let text = std::str::from_utf8(contents).map_err(|_| TextError::Utf8)?;
    let mut properties = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) =
            line.split_once('=').ok_or_else(|| TextError::Line { line: index + 1, text: line.to_owned() })?;
        properties.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    Ok(properties)
}

pub fn format_properties<'a>(properties: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::from("#\n");
    for (key, value) in properties {
        let _ = writeln!(text, "{key}={value}");
    }
    text
}

/// A checkpoint file of version 0: the version, the number of entries, then one entry a line.
pub fn parse_checkpoint<T>(contents: &[u8], entry: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, TextError> {
    let text = std::str::from_utf8(contents).map_err(|_| TextError::Utf8)?;
    let mut lines = text.lines().enumerate();
    let version = lines.next().map_or("", |(_, line)| line.trim());
    if version != "0" {
        return Err(TextError::Version(version.to_owned()));
    }
    let malformed = |index: usize, line: &str| TextError::Line { line: index + 1, text: line.to_owned() };
    let (index, count) = lines.next().unwrap_or((1, ""));
    let announced: usize = count.trim().parse().map_err(|_| malformed(index, count))?;
    let entries: Vec<T> =
        lines.map(|(index, line)| entry(line).ok_or_else(|| malformed(index, line))).collect::<Result<_, _>>()?;
    if entries.len() != announced {
        return Err(TextError::Count { announced, got: entries.len() });
    }
    Ok(entries)
}

pub fn format_checkpoint(entries: &[impl std::fmt::Display]) -> String {
    let mut text = format!("0\n{}\n", entries.len());
    for entry in entries {
        let _ = writeln!(text, "{entry}");
    }
    text
}

/// Offsets by topic and partition, lines `topic partition offset`.
pub type OffsetCheckpoint = BTreeMap<(String, i32), i64>;

pub fn parse_offsets(contents: &[u8]) -> Result<OffsetCheckpoint, TextError> {
    let entries = parse_checkpoint(contents, |line| {
        let mut words = line.split(' ');
        let entry = ((words.next()?.to_owned(), words.next()?.parse().ok()?), words.next()?.parse().ok()?);
        words.next().is_none().then_some(entry)
    })?;
    Ok(entries.into_iter().collect())
}

pub fn format_offsets(offsets: &OffsetCheckpoint) -> String {
    let lines: Vec<String> =
        offsets.iter().map(|((topic, partition), offset)| format!("{topic} {partition} {offset}")).collect();
    format_checkpoint(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints() {
        let offsets: OffsetCheckpoint = [(("a".into(), 0), 5), (("a-b".into(), 11), 0)].into();
        let text = format_offsets(&offsets);
        assert_eq!(text, "0\n2\na 0 5\na-b 11 0\n");
        assert_eq!(parse_offsets(text.as_bytes()), Ok(offsets));
        for bad in ["", "1\n0\n", "0\n", "0\n2\na 0 5\n", "0\n1\na 0\n", "0\n1\na 0 5 6\n", "0\n-1\n"] {
            assert!(parse_offsets(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn properties() {
        let parsed = parse_properties(b"#\n#Mon Nov 23\nnode.id=0\n\n cluster.id = x=y \n").expect("sound");
        assert_eq!(parsed, [("cluster.id".into(), "x=y".into()), ("node.id".into(), "0".into())].into());
        assert!(parse_properties(b"node.id 0").is_err());
        assert_eq!(parse_properties(format_properties([("a", "b")]).as_bytes()), Ok([("a".into(), "b".into())].into()));
    }
}
