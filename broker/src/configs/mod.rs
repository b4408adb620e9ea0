//! Kafka's configs of topics and of the broker: names, types, defaults and allowed values, as Apache Kafka 4.1 has them.

mod value;

use std::sync::LazyLock;

pub(crate) use value::{Allowed, ConfigType};

/// The one config, of topics and of the broker, that Kafka does not have.
pub(crate) const OWN: &str = "validate.compressed";

/// One config of Kafka.
#[derive(Debug)]
pub(crate) struct ConfigKey {
    pub name: &'static str,
    pub kind: ConfigType,
    /// `None`: null, such as a path that is not set.
    pub default: Option<&'static str>,
    pub allowed: Allowed,
    /// Of a topic's config: those of the broker that give its default, the first one in the topic's own unit.
    pub broker_names: Vec<&'static str>,
}

/// Configs of topics, by name.
static TOPIC: LazyLock<Vec<ConfigKey>> = LazyLock::new(|| parse(include_str!("topic.txt")));
/// Configs of the broker, by name.
static BROKER: LazyLock<Vec<ConfigKey>> = LazyLock::new(|| parse(include_str!("broker.txt")));

/// All configs of topics, by name.
pub(crate) fn topic_keys() -> &'static [ConfigKey] {
    &TOPIC
}

/// All configs of a broker, by name.
pub(crate) fn broker_keys() -> &'static [ConfigKey] {
    &BROKER
}

pub(crate) fn topic_key(name: &str) -> Option<&'static ConfigKey> {
    find(&TOPIC, name)
}

pub(crate) fn broker_key(name: &str) -> Option<&'static ConfigKey> {
    find(&BROKER, name)
}

fn find(keys: &'static [ConfigKey], name: &str) -> Option<&'static ConfigKey> {
    keys.binary_search_by_key(&name, |key| key.name).ok().map(|at| &keys[at])
}

/// A line of a table: name, type, default (`-`: null, `""`: empty), allowed values (`-`: any), broker's names.
fn parse(table: &'static str) -> Vec<ConfigKey> {
    let line = |line: &'static str| {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("a line of a table has four words");
        let (name, kind, default, allowed) = (word(), word(), word(), word());
        ConfigKey {
            name,
            kind: ConfigType::named(kind).expect("a table has types that are known"),
            default: match default {
                "-" => None,
                "\"\"" => Some(""),
                default => Some(default),
            },
            allowed: Allowed::parse(allowed),
            broker_names: words.collect(),
        }
    };
    table.lines().filter(|line| !line.starts_with('#')).map(line).collect()
}

impl ConfigKey {
    /// Checks a value as Kafka does.
    ///
    /// # Errors
    /// The message that Kafka's tools show.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let value = value.trim();
        value::check(self.kind, &self.allowed, value)
            .map_err(|reason| format!("Invalid value {value} for configuration {}: {reason}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_their_defaults_are_allowed() {
        for keys in [topic_keys(), broker_keys()] {
            assert!(keys.is_sorted_by_key(|key| key.name));
            for key in keys {
                if let Some(default) = key.default {
                    assert_eq!(key.check(default), Ok(()), "{}", key.name);
                }
            }
        }
        assert_eq!((topic_keys().len(), broker_keys().len()), (34, 317));
        for name in topic_keys().iter().flat_map(|key| &key.broker_names) {
            assert!(broker_key(name).is_some(), "{name}");
        }
    }

    fn refused(key: &str, value: &str, expect: &str) {
        let error = topic_key(key).expect("a config").check(value).expect_err("a bad value");
        assert_eq!(error, format!("Invalid value {value} for configuration {key}: {expect}"));
    }

    #[test]
    fn messages_are_kafkas() {
        refused("retention.ms", "abc", "Not a number of type LONG");
        refused("retention.ms", "-2", "Value must be at least -1");
        refused("segment.index.bytes", "3", "Value must be at least 4");
        refused("segment.bytes", "2147483648", "Not a number of type INT");
        refused("min.cleanable.dirty.ratio", "2", "Value must be no more than 1");
        refused("preallocate", "yes", "Expected value to be either true or false");
        refused("message.timestamp.type", "now", "String must be one of: CreateTime, LogAppendTime");
        refused("cleanup.policy", "keep", "String must be one of: compact, delete");
        assert_eq!(topic_key("retention.ms").expect("a config").check(" 7 "), Ok(()));
    }
}
