//! Which index a document goes to: by its dataset and the time of its event.

use crate::document::{Document, Value, format_ms};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::sync::Arc;

/// The default: an index for each dataset and month.
pub const DEFAULT_PATTERN: &str = "sluice-<dataset>-<yyyy.MM>";
/// Dataset of records that say none, as it stands in names of indices.
const NO_DATASET: &str = "generic";
/// Tag of a document whose own time cannot be: it has that of its record.
pub(crate) const TIMESTAMP_REPLACED_TAG: &str = "_timestamp_replaced";
/// Bytes of a dataset in an index name; a name may have 255, and the rest of a pattern needs some.
const DATASET_BYTES_MAX: usize = 128;
/// Names of indices that one renderer keeps; more than these in one go are made again.
const NAMES_MAX: usize = 1024;

/// 2000-01-01: nothing that writes logs today was there before, but broken clocks start in 1970.
const YEAR_2000_MS: i64 = 946_684_800_000;
const DAY_MS: i64 = 86_400_000;

/// How the name of an index is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Dataset,
    Year,
    Month,
    Day,
}

/// Why a text is no [`IndexPattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexPatternError {
    #[error("index {0:?} has an unknown placeholder {1:?}; want <dataset>, <yyyy>, <yyyy.MM> or <yyyy.MM.dd>")]
    Placeholder(String, String),
    #[error("index {0:?} contains {1:?}, which no name of an index may have")]
    Character(String, char),
    #[error("index {0:?} must not be empty or begin with '-', '_' or '+'")]
    Start(String),
}

impl IndexPattern {
    /// Reads a pattern such as [`DEFAULT_PATTERN`]; a name without placeholders is one index for all.
    ///
    /// # Errors
    /// An unknown placeholder, or a name that no server would take.
    pub fn parse(text: &str) -> Result<Self, IndexPatternError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('<') {
            push_text(&mut parts, text, before)?;
            let (name, behind) = after
                .split_once('>')
                .ok_or_else(|| IndexPatternError::Placeholder(text.into(), format!("<{after}")))?;
            parts.push(match name {
                "dataset" => Part::Dataset,
                "yyyy" => Part::Year,
                "yyyy.MM" => Part::Month,
                "yyyy.MM.dd" => Part::Day,
                _ => return Err(IndexPatternError::Placeholder(text.into(), format!("<{name}>"))),
            });
            rest = behind;
        }
        push_text(&mut parts, text, rest)?;
        match parts.first() {
            None => Err(IndexPatternError::Start(text.into())),
            Some(Part::Text(first)) if first.starts_with(['-', '_', '+']) => Err(IndexPatternError::Start(text.into())),
            Some(_) => Ok(Self { parts }),
        }
    }

    fn name(&self, dataset: Option<&str>, event_ms: i64) -> String {
        let time = Timestamp::from_millisecond(event_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let date = TimeZone::UTC.to_datetime(time).date();
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Dataset => push_dataset(&mut name, dataset.unwrap_or(NO_DATASET)),
                Part::Year => name.push_str(&format!("{:04}", date.year())),
                Part::Month => name.push_str(&format!("{:04}.{:02}", date.year(), date.month())),
                Part::Day => name.push_str(&format!("{:04}.{:02}.{:02}", date.year(), date.month(), date.day())),
            }
        }
        name
    }
}

impl Default for IndexPattern {
    fn default() -> Self {
        Self::parse(DEFAULT_PATTERN).expect("the default pattern is sound")
    }
}

fn push_text(parts: &mut Vec<Part>, whole: &str, text: &str) -> Result<(), IndexPatternError> {
    if let Some(bad) = text.chars().find(|&c| is_forbidden(c) || c.is_uppercase()) {
        return Err(IndexPatternError::Character(whole.into(), bad));
    }
    if !text.is_empty() {
        parts.push(Part::Text(text.into()));
    }
    Ok(())
}

/// What no name of an index may contain.
fn is_forbidden(c: char) -> bool {
    c.is_control() || c.is_whitespace() || matches!(c, '\\' | '/' | '*' | '?' | '"' | '<' | '>' | '|' | ',' | '#' | ':')
}

/// A dataset as a part of a name: lower case, `_` for what is forbidden, cut at its limit.
fn push_dataset(name: &mut String, dataset: &str) {
    let end = name.len() + DATASET_BYTES_MAX;
    let first = name.is_empty();
    for c in dataset.chars().flat_map(char::to_lowercase) {
        let c = if is_forbidden(c) || c.is_uppercase() { '_' } else { c };
        // At the front a name must not begin with these.
        let c = if first && name.is_empty() && matches!(c, '-' | '_' | '+' | '.') { 'x' } else { c };
        if name.len() + c.len_utf8() > end {
            return;
        }
        name.push(c);
    }
}

/// The names of indices, each made once.
pub(crate) struct Indices<'a> {
    pattern: &'a IndexPattern,
    names: HashMap<(Option<Box<str>>, i64), Arc<str>>,
    /// The last one: most records are of the same dataset and day as the one before.
    last: Option<(Option<Box<str>>, i64, Arc<str>)>,
}

impl<'a> Indices<'a> {
    pub fn new(pattern: &'a IndexPattern) -> Self {
        Self { pattern, names: HashMap::new(), last: None }
    }

    pub fn name(&mut self, dataset: Option<&str>, event_ms: i64) -> Arc<str> {
        let day = event_ms.div_euclid(DAY_MS);
        if let Some((last_dataset, last_day, name)) = &self.last
            && *last_day == day
            && last_dataset.as_deref() == dataset
        {
            return name.clone();
        }
        if self.names.len() >= NAMES_MAX {
            self.names.clear();
        }
        let key: Option<Box<str>> = dataset.map(Into::into);
        let name = self.names.entry((key.clone(), day)).or_insert_with(|| self.pattern.name(dataset, event_ms).into());
        self.last = Some((key, day, name.clone()));
        name.clone()
    }
}

/// Of an event's time whether it can be, or is the record's own, which has been there from the start; then it.
pub(crate) fn sound_time(event_ms: Option<i64>, record_ms: i64) -> Option<i64> {
    // A record of another producer may have no time itself: then it is no measure.
    let latest = if record_ms < YEAR_2000_MS { i64::MAX } else { record_ms.saturating_add(DAY_MS) };
    event_ms.filter(|event_ms| (YEAR_2000_MS..=latest).contains(event_ms) || *event_ms == record_ms)
}

/// The time of the document's event. One that cannot be (before 2000, more than a day after its record, none at all)
/// is replaced in the document by the record's timestamp, which is the same whenever the record is read.
pub(crate) fn settle_time(document: &mut Document, record_ms: i64) -> i64 {
    match sound_time(document.timestamp_ms(), record_ms) {
        Some(event_ms) => event_ms,
        None => {
            let text = Value::from(format_ms(record_ms));
            document.source_mut().insert("@timestamp", text);
            add_tag(document, TIMESTAMP_REPLACED_TAG);
            record_ms
        }
    }
}

fn add_tag(document: &mut Document, tag: &str) {
    let tags = document.source_mut().get_or_insert_with("tags", || Value::List(Vec::new()));
    match tags {
        Value::List(tags) => tags.push(Value::from(tag)),
        other => {
            let before = std::mem::replace(other, Value::Null);
            *other = Value::List(vec![before, Value::from(tag)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Origin;

    const NOVEMBER_2026: i64 = 1_795_000_000_000;

    #[test]
    fn names() {
        let check = |pattern: &str, dataset: Option<&str>, want: &str| {
            let pattern = IndexPattern::parse(pattern).expect("a pattern");
            assert_eq!(&*Indices::new(&pattern).name(dataset, NOVEMBER_2026), want);
        };
        check(DEFAULT_PATTERN, Some("nginx.access"), "sluice-nginx.access-2026.11");
        check(DEFAULT_PATTERN, None, "sluice-generic-2026.11");
        check(DEFAULT_PATTERN, Some("Shop / Ümläut:\n\"x\""), "sluice-shop___ümläut___x_-2026.11");
        check("logs", Some("a"), "logs");
        check("<dataset>-<yyyy.MM.dd>", Some("_a"), "xa-2026.11.18");
        check("a-<yyyy>", Some("a"), "a-2026");
        check("<dataset>", Some(&"ä".repeat(500)), &"ä".repeat(DATASET_BYTES_MAX / 2));
    }

    #[test]
    fn patterns_that_no_server_would_take() {
        for text in ["", "Logs", "a b", "-a", "_a<dataset>", "<Dataset>", "<yyyy", "a>", "a/b", "<MM>"] {
            assert!(IndexPattern::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_are_remembered_by_dataset_and_day() {
        let pattern = IndexPattern::default();
        let mut indices = Indices::new(&pattern);
        let first = indices.name(Some("a"), NOVEMBER_2026);
        assert!(Arc::ptr_eq(&first, &indices.name(Some("a"), NOVEMBER_2026 + 1)));
        assert_eq!(&*indices.name(Some("b"), NOVEMBER_2026), "sluice-b-2026.11");
        assert_eq!(&*indices.name(Some("a"), 0), "sluice-a-1970.01");
        assert!(Arc::ptr_eq(&first, &indices.name(Some("a"), NOVEMBER_2026)));
    }

    #[test]
    fn times_that_cannot_be() {
        let check = |event: Option<&str>, record_ms: i64, want: i64, replaced: bool| {
            let origin = Origin { timestamp_ms: record_ms, ..Origin::default() };
            let mut document = Document::from_line(b"x", &origin);
            match event {
                Some(text) => document.set("@timestamp", Value::from(text)).expect("a field"),
                None => drop(document.remove("@timestamp").expect("a field")),
            }
            assert_eq!(settle_time(&mut document, record_ms), want, "{event:?}");
            assert_eq!(document.get("tags").is_some(), replaced, "{event:?}");
            if replaced {
                assert_eq!(document.timestamp_ms(), Some(want));
            }
        };
        check(Some("2026-11-18T00:00:00.000Z"), NOVEMBER_2026, 1_794_960_000_000, false);
        check(Some("2000-01-01T00:00:00.000Z"), NOVEMBER_2026, YEAR_2000_MS, false);
        check(Some("1999-12-31T23:59:59.999Z"), NOVEMBER_2026, NOVEMBER_2026, true);
        check(Some("2026-11-25T00:00:00.000Z"), NOVEMBER_2026, NOVEMBER_2026, true);
        check(Some("yesterday"), NOVEMBER_2026, NOVEMBER_2026, true);
        check(None, NOVEMBER_2026, NOVEMBER_2026, true);
        check(Some("2026-11-25T00:00:00.000Z"), -1, 1_795_564_800_000, false);
        check(None, -1, -1, true);
    }
}
