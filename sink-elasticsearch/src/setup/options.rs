//! What can be asked of a set-up, checked.

use std::fmt;
use std::str::FromStr;

/// Days of the longest retention: a hundred years. A longer one is a slip of the finger.
const RETENTION_DAYS_MAX: u32 = 36_500;

/// What the cluster shall be set up for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Index pattern of the template, such as `sluice-*`.
    pattern: String,
    /// Name of template and policy: what the pattern begins with.
    name: String,
    /// Days from an index's creation to its last line, when its name has a date in it. An event time may be a day ahead.
    pub(super) span_days: Option<u32>,
    /// Whether the indices are data streams.
    pub data_stream: bool,
    /// `None`: nothing is ever deleted.
    pub retention: Option<Retention>,
    /// What somebody else made or changed under our name is written over.
    pub overwrite: bool,
}

/// Why options are refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    #[error("index {index:?} begins with a placeholder, so a template for it would be one for every index")]
    NoPrefix { index: String },
    #[error("index {index:?} has no date in its name, so it is never old enough to be deleted")]
    NoDate { index: String },
    #[error("retention {text:?}: want days, such as 30d, up to {RETENTION_DAYS_MAX}d")]
    Retention { text: String },
}

impl Options {
    /// For the index that a worker was told to write to, such as `sluice-<dataset>-<yyyy.MM>`.
    ///
    /// # Errors
    /// The index may have any name.
    pub fn for_index(index: &str) -> Result<Self, OptionsError> {
        let prefix = index.split('<').next().unwrap_or_default();
        let name = prefix.trim_end_matches(['-', '.', '_']);
        if name.is_empty() {
            return Err(OptionsError::NoPrefix { index: index.to_owned() });
        }
        let pattern = match prefix == index {
            true => index.to_owned(),
            false => format!("{prefix}*"),
        };
        let span_days = match index {
            index if index.contains("<yyyy.MM.dd>") => Some(2),
            index if index.contains("<yyyy.MM>") => Some(32),
            _ => None,
        };
        let name = name.to_owned();
        Ok(Self { pattern, name, span_days, data_stream: false, retention: None, overwrite: false })
    }

    /// Checks what depends on several options.
    ///
    /// # Errors
    /// A retention for an index that all lines go to, for ever.
    pub fn check(&self) -> Result<(), OptionsError> {
        match self.retention.is_some() && self.span_days.is_none() && !self.data_stream {
            true => Err(OptionsError::NoDate { index: self.pattern.clone() }),
            false => Ok(()),
        }
    }

    /// The index pattern of the template, which Kibana's data view has too.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The name of template and policy.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// For how long lines are kept, in whole days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// At least one.
    pub days: u32,
}

impl FromStr for Retention {
    type Err = OptionsError;

    fn from_str(text: &str) -> Result<Self, OptionsError> {
        let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
        match days {
            Some(days @ 1..=RETENTION_DAYS_MAX) => Ok(Self { days }),
            _ => Err(OptionsError::Retention { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}d", self.days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_and_a_name_for_every_index() {
        let check = |index: &str, pattern: &str, name: &str| {
            let options = Options::for_index(index).expect("a pattern");
            assert_eq!((options.pattern(), options.name()), (pattern, name));
        };
        check("sluice-<dataset>-<yyyy.MM>", "sluice-*", "sluice");
        check("shop-logs-<yyyy.MM.dd>", "shop-logs-*", "shop-logs");
        check("one", "one", "one");
        for index in ["<dataset>", "-<dataset>"] {
            assert_eq!(Options::for_index(index), Err(OptionsError::NoPrefix { index: index.into() }));
        }
    }

    #[test]
    fn an_index_that_goes_on_for_ever_cannot_be_deleted_by_age() {
        let mut options = Options::for_index("shop-<dataset>").expect("a pattern");
        options.retention = Some(Retention { days: 1 });
        assert_eq!(options.check(), Err(OptionsError::NoDate { index: "shop-*".into() }));
        options.data_stream = true;
        assert_eq!(options.check(), Ok(()));
    }

    #[test]
    fn retentions() {
        assert_eq!("30d".parse(), Ok(Retention { days: 30 }));
        assert_eq!(Retention { days: 7 }.to_string(), "7d");
        for text in ["", "d", "0d", "30", "30h", "-1d", "36501d", "99999999999d"] {
            assert_eq!(text.parse::<Retention>(), Err(OptionsError::Retention { text: text.into() }));
        }
    }
}
