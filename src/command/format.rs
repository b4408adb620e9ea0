//! What the keys of an input say about the bytes of its files.

use crate::config::{Input, MultilineSection};
use crate::failure::Failure;
use agent::format::{Format, Multiline, Rule};

/// How long a group of lines waits for another one when nothing else is said: longer than any application takes to write
/// a stack trace, shorter than anybody waits for it.
pub const TIMEOUT_MS: u64 = 5000;

/// Checks only what the keys must be together; [`agent::format::Framer`] checks each of them.
pub fn format(written: &Input) -> Result<Format, Failure> {
    Ok(Format {
        encoding: written.encoding.clone(),
        delimiter: written.delimiter.clone(),
        container: written.container,
        multiline: written.multiline.as_ref().map(multiline).transpose()?,
        include_lines: written.include_lines.clone(),
        exclude_lines: written.exclude_lines.clone(),
        ..Format::default()
    })
}

fn multiline(written: &MultilineSection) -> Result<Multiline, Failure> {
    let rule = match (&written.start, &written.continuation, written.preset) {
        (Some(start), None, None) => Rule::Start(start.clone()),
        (None, Some(continuation), None) => Rule::Continuation(continuation.clone()),
        (None, None, Some(preset)) => Rule::Preset(preset),
        _ => {
            return Err(Failure::new(
                "multiline has to name one of start, continuation and preset",
                "for example: multiline: {start: '^\\d{4}-'}, or multiline: {preset: java}",
            ));
        }
    };
    Ok(Multiline { rule, timeout_millis: written.timeout_ms.unwrap_or(TIMEOUT_MS) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent::format::{Container, Preset};

    #[test]
    fn keys_become_a_format() {
        let read = |text: &str| format(&serde_saphyr::from_str::<Input>(text).expect("sound"));
        assert!(read("paths: [a]").expect("plain").is_plain());
        let text = "{paths: [a], encoding: gbk, delimiter: \"\\0\", container: auto, include_lines: [a], exclude_lines: [b], \
                    multiline: {preset: java}}";
        let want = Format {
            encoding: Some("gbk".into()),
            delimiter: Some("\0".into()),
            container: Some(Container::Auto),
            multiline: Some(Multiline { rule: Rule::Preset(Preset::Java), timeout_millis: 5000 }),
            include_lines: vec!["a".into()],
            exclude_lines: vec!["b".into()],
            spool: false,
        };
        assert_eq!(read(text).expect("sound"), want);
        let start = read("{paths: [a], multiline: {start: '^\\d', timeout_ms: 7}}").expect("sound").multiline;
        assert_eq!(start, Some(Multiline { rule: Rule::Start("^\\d".into()), timeout_millis: 7 }));
        for wrong in ["{}", "{timeout_ms: 1}", "{start: a, continuation: b}", "{start: a, preset: go}"] {
            assert!(read(&format!("{{paths: [a], multiline: {wrong}}}")).is_err(), "{wrong}");
        }
    }
}
