//! What is wrong with a config: file, line and column, an excerpt of the source, the cause, and a way out.

use super::place::Place;
use crate::failure::Failure;
use std::fmt;

/// Names that differ more than this from a known one are not offered instead.
const SIMILARITY_MIN: f64 = 0.75;
/// What other programs call some of our keys.
const ALIASES: [(&str, &str); 8] = [
    ("hosts", "urls"),
    ("url", "urls"),
    ("begin", "start"),
    ("pattern", "start"),
    ("address", "listen"),
    ("user", "username"),
    ("brokers", "broker"),
    ("files", "paths"),
];
/// Characters of a line that are shown: more would wrap in a terminal, and tell nothing.
const EXCERPT_CHARACTERS_MAX: usize = 100;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It works, but hardly as it is meant.
    Warning,
    /// The part that reads this does not start.
    Error,
}

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Problem {
    pub level: Level,
    /// The file as it was named.
    pub file: String,
    pub place: Option<Place>,
    /// Path of the key, where it is one key's fault: `agent.inputs.0.topic`.
    pub key: Option<String>,
    pub cause: String,
    pub hint: String,
    /// The line of the file, without what may be a secret.
    excerpt: Option<String>,
}

impl Problem {
    /// An error at a place of `text`, the content of `file`.
    pub fn new(
        file: &str,
        text: &str,
        place: Option<Place>,
        cause: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let line = place.and_then(|place| text.lines().nth(place.line - 1));
        Self {
            level: Level::Error,
            file: file.to_owned(),
            place,
            key: None,
            cause: cause.into(),
            hint: hint.into(),
            excerpt: line.map(|line| excerpt(line, text, place.map_or(1, |place| place.line))),
        }
    }
}

impl fmt::Display for Problem {
    /// `file:line:column: cause`, and the line with a mark under the column.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.cause)?;
        let (Some(place), Some(excerpt)) = (self.place, &self.excerpt) else { return Ok(()) };
        write!(f, "\n{:>5} | {excerpt}", place.line)?;
        match place.column <= excerpt.chars().count() {
            true => write!(f, "\n      | {:>1$}", "^", place.column),
            false => Ok(()),
        }
    }
}

impl From<Box<Problem>> for Failure {
    fn from(problem: Box<Problem>) -> Self {
        Self::new(problem.to_string(), problem.hint)
    }
}

/// The line as it may be shown: without its value where that may be a secret, also under a misspelt key and where the value
/// stands on a line below its key.
fn excerpt(line: &str, text: &str, number: usize) -> String {
    let suspicious = ["pas", "key", "token", "bearer", "secret", "auth", "elastic", "://"];
    let has_one = |line: &str| {
        let lower = line.to_lowercase();
        suspicious.iter().any(|word| lower.contains(word))
    };
    let above = text.lines().take(number.saturating_sub(1)).filter(|line| !line.trim().is_empty()).last();
    let belongs_to_it = above.is_some_and(|above| has_one(above) && above.trim_end().ends_with([':', '|', '>', '-']));
    let shown = match line.find(':') {
        Some(end) if has_one(line) => &line[..=end],
        _ if belongs_to_it || has_one(line) => "...",
        _ => line,
    };
    // A tab would move the mark, and other control characters could steer a terminal.
    shown.chars().take(EXCERPT_CHARACTERS_MAX).map(|one| if one.is_control() { ' ' } else { one }).collect()
}

/// The hint at a known name that is like `wrong`.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    let alias = ALIASES.iter().find(|(other, ours)| *other == wrong && known.contains(ours));
    if let Some((_, ours)) = alias {
        return Some(format!("did you mean {ours:?}?"));
    }
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(wrong, name), name))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("did you mean {name:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_show_no_secret() {
        let check = |text: &str, number: usize, want: &str| {
            let line = text.lines().nth(number - 1).expect("the line is there");
            assert_eq!(excerpt(line, text, number), want, "{text:?}");
        };
        check("topic: logs", 1, "topic: logs");
        check("\ttopic: logs", 1, " topic: logs");
        check("password: s3cret", 1, "password:");
        check("pasword = s3cret", 1, "...");
        check("password:\n  s3cret\ntopic: x", 2, "...");
        check("password:\n  s3cret\ntopic: x", 3, "topic: x");
        check("urls: [http://u:s3cret@h]", 1, "urls:");
    }
}
