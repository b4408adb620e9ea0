//! Static labels: fields that every document of an input gets, as headers of its records.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the header of a label begins with; ECS has custom keywords under `labels`.
pub const LABEL_PREFIX: &str = "labels.";
/// Labels of one input: each goes with every record.
const LABELS_MAX: usize = 32;
/// Bytes of a name or a value: what Elasticsearch indexes as keyword by default is 1,024 characters at most.
const LABEL_BYTES_MAX: usize = 1024;

/// Why a label cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    #[error("labels: name {0:?} has a dot or is empty; ECS keeps labels flat, so write _ instead")]
    Name(String),
    #[error("labels: name or value of {0:?} is longer than {LABEL_BYTES_MAX} bytes")]
    TooLong(String),
    #[error("labels: got {0}; want at most {LABELS_MAX}")]
    TooMany(usize),
}

/// Checked labels, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Of several with the same name the last one counts.
    pub fn check<'a>(labels: impl Iterator<Item = (&'a String, &'a String)>) -> Result<Self, LabelError> {
        let mut checked = BTreeMap::new();
        for (name, value) in labels {
            if name.is_empty() || name.contains('.') {
                return Err(LabelError::Name(name.clone()));
            }
            if name.len().max(value.len()) > LABEL_BYTES_MAX {
                return Err(LabelError::TooLong(name.clone()));
            }
            checked.insert(name.clone(), value.clone());
        }
        if checked.len() > LABELS_MAX {
            return Err(LabelError::TooMany(checked.len()));
        }
        Ok(Self(checked))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(labels: &[(&str, &str)]) -> Result<Vec<(String, String)>, LabelError> {
        let owned: Vec<(String, String)> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let labels = Labels::check(owned.iter().map(|(name, value)| (name, value)))?;
        Ok(labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn the_last_one_of_a_name_counts() {
        let got = check(&[("team", "a"), ("env", "prod"), ("team", "b")]).expect("sound");
        assert_eq!(got, [("env".to_owned(), "prod".to_owned()), ("team".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn names_are_flat_and_everything_has_a_limit() {
        assert_eq!(check(&[("a.b", "x")]), Err(LabelError::Name("a.b".to_owned())));
        assert_eq!(check(&[("", "x")]), Err(LabelError::Name(String::new())));
        assert_eq!(check(&[("a", &"x".repeat(1025))]), Err(LabelError::TooLong("a".to_owned())));
        let names: Vec<String> = (0..33).map(|number| format!("n{number}")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        assert_eq!(check(&many), Err(LabelError::TooMany(33)));
    }
}
