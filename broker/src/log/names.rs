//! Every name on disk, and which topic names may become one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// Locked by the process that owns the directory.
pub const LOCK: &str = ".lock";
/// Identity of cluster, node and directory, as Kafka writes it.
pub const META_PROPERTIES: &str = "meta.properties";
/// There after a clean stop only, as in Kafka.
pub const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// Up to where each partition is known to be on disk, as in Kafka.
pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// First kept offset of each partition, as in Kafka.
pub const LOG_STARTS: &str = "log-start-offset-checkpoint";
/// In each partition: which leader epoch began where, as in Kafka.
pub const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";
/// In each partition: the topic's id, as in Kafka.
pub const PARTITION_METADATA: &str = "partition.metadata";
/// In partition 0: partition count and configs of the topic. A form of ours; Kafka keeps these in its controller.
pub const TOPIC_PROPERTIES: &str = "topic.properties";
/// Ending of a partition's folder between deletion and removal, as in Kafka.
pub const DELETED_ENDING: &str = "-delete";
/// Ending of a file that is being written and has not got its name yet.
pub const TEMPORARY_ENDING: &str = ".tmp";

/// Ending of a segment's files between retention and removal, as in Kafka.
pub const DOOMED_ENDING: &str = ".deleted";

pub const LOG_ENDING: &str = ".log";
pub const OFFSET_INDEX_ENDING: &str = ".index";
pub const TIME_INDEX_ENDING: &str = ".timeindex";
/// Producer state before an offset, Kafka's form: the last batch of each producer.
pub const SNAPSHOT_ENDING: &str = ".snapshot";
/// Producer state before an offset, a form of ours: the last five batches of each producer.
pub const PRODUCERS_ENDING: &str = ".producers";

/// Kafka's `Topic.MAX_NAME_LENGTH`: leaves room for `-partition` in a file name of 255 bytes.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;
/// Longest file name of the usual file systems.
const FILE_NAME_BYTES_MAX: usize = 255;

/// Why a name cannot be a topic's, in Kafka's words: its tools show them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicNameError {
    #[error("Topic name is invalid: the empty string is not allowed")]
    Empty,
    #[error("Topic name is invalid: '{0}' is not allowed")]
    Dots(String),
    #[error("Topic name is invalid: its length of {0} is longer than the max allowed length {TOPIC_NAME_BYTES_MAX}")]
    TooLong(usize),
    #[error(
        "Topic name is invalid: '{}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
        .0.escape_default()
    )]
    Character(String),
}

/// Accepts what Kafka accepts; such a name cannot leave its directory.
pub fn check_topic_name(name: &str) -> Result<(), TopicNameError> {
    if name.is_empty() {
        return Err(TopicNameError::Empty);
    }
    if name == "." || name == ".." {
        return Err(TopicNameError::Dots(name.to_owned()));
    }
    if name.len() > TOPIC_NAME_BYTES_MAX {
        return Err(TopicNameError::TooLong(name.len()));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return Err(TopicNameError::Character(name.to_owned()));
    }
    Ok(())
}

/// `topic-partition`.
pub fn partition_folder(topic: &str, partition: i32) -> String {
    format!("{topic}-{partition}")
}

/// Topic and partition of a folder; `None` for anything that is not a partition's.
pub fn parse_partition_folder(folder: &str) -> Option<(&str, i32)> {
    let (topic, partition) = folder.rsplit_once('-')?;
    let number: i32 = partition.parse().ok()?;
    // "a-+1" and "a-01" parse as numbers, but nobody writes them.
    (number >= 0 && number.to_string() == partition && check_topic_name(topic).is_ok()).then_some((topic, number))
}

/// Kafka's name of a folder that is going to be removed: `topic-partition.uniqueid-delete`, cut to fit.
pub fn deleted_folder(folder: &str) -> String {
    let ending = format!(".{}{DELETED_ENDING}", Uuid::new_v4().simple());
    let kept = folder.len().min(FILE_NAME_BYTES_MAX - ending.len());
    format!("{}{ending}", &folder[..kept])
}

/// Twenty digits and an ending.
pub fn offset_file(offset: i64, ending: &str) -> String {
    format!("{offset:020}{ending}")
}

/// The offset in the name of a file with this ending.
pub fn parse_offset_file(name: &str, ending: &str) -> Option<i64> {
    let digits = name.strip_suffix(ending)?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Kafka's text form of an id: base64url without padding.
pub fn format_id(id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(id.as_bytes())
}

pub fn parse_id(text: &str) -> Option<Uuid> {
    Uuid::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// A new id whose text form does not begin with '-', which command lines would take for an option (as Kafka avoids).
pub fn new_id() -> Uuid {
    loop {
        let id = Uuid::new_v4();
        if !format_id(id).starts_with('-') {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names() {
        for good in ["a", "logs", "__consumer_offsets", "a.b-c_D9", "...", &"x".repeat(249)] {
            assert_eq!(check_topic_name(good), Ok(()), "{good:?}");
        }
        for bad in ["", ".", "..", "../x", "a/b", "a\0", "ä", "a b", &"x".repeat(250)] {
            assert!(check_topic_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn folders_round_trip() {
        for (folder, expect) in [
            ("logs-0", Some(("logs", 0))),
            ("a-b-12", Some(("a-b", 12))),
            ("logs", None),
            ("logs-", None),
            ("logs-01", None),
            ("logs--1", Some(("logs-", 1))),
            ("-1", None),
            ("logs-99999999999", None),
        ] {
            assert_eq!(parse_partition_folder(folder), expect, "{folder}");
        }
        let long = partition_folder(&"x".repeat(TOPIC_NAME_BYTES_MAX), 1000);
        assert!(deleted_folder(&long).len() <= FILE_NAME_BYTES_MAX);
        assert!(parse_partition_folder(&deleted_folder("logs-0")).is_none());
    }

    #[test]
    fn offset_files_round_trip() {
        assert_eq!(offset_file(42, LOG_ENDING), "00000000000000000042.log");
        assert_eq!(parse_offset_file("00000000000000000042.log", LOG_ENDING), Some(42));
        for other in ["42.log", "00000000000000000042.index", "99999999999999999999.log", "0000000000000000004x.log"] {
            assert_eq!(parse_offset_file(other, LOG_ENDING), None, "{other}");
        }
    }

    #[test]
    fn ids_round_trip() {
        let id = new_id();
        assert_eq!(parse_id(&format_id(id)), Some(id));
        assert_eq!(format_id(id).len(), 22);
    }
}
