//! Where `--output` sends documents.

use crate::config::{FileSection, KafkaSection, OutputSection};
use std::path::PathBuf;
use std::str::FromStr;

/// A far end that is not Elasticsearch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    Stdout,
    File(PathBuf),
    Kafka(String),
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if matches!(text, "stdout" | "-") => Ok(Self::Stdout),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("kafka", topic)) if !topic.is_empty() => Ok(Self::Kafka(topic.into())),
            _ => Err(format!("got {text:?}; want stdout, file:PATH or kafka:TOPIC")),
        }
    }
}

impl From<Output> for OutputSection {
    fn from(output: Output) -> Self {
        match output {
            Output::Stdout => Self::Stdout,
            Output::File(path) => Self::File(FileSection { path, rotate_bytes: None, rotate_keep: None }),
            Output::Kafka(topic) => Self::Kafka(KafkaSection { topic, broker: None, compression: None }),
        }
    }
}
