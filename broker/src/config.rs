//! What a broker is told at its start.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::configs;
use crate::limits;
use crate::log::TopicConfig;
use crate::security::{Listener, Security, SecurityError, TlsFiles};

/// A checked configuration; names in parentheses are Kafka's.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses to listen on (`listeners`); port 0 takes a free one.
    pub listen: Vec<Listener>,
    /// Certificate and key for the listeners with TLS.
    pub tls: Option<TlsFiles>,
    /// File of users for the listeners with SASL.
    pub users: Option<PathBuf>,
    /// Listeners may be in the clear on addresses that others reach.
    pub insecure: bool,
    /// Data directory (`log.dirs`), made when it is missing.
    pub data: PathBuf,
    /// Whether an acknowledgement waits for the disk.
    pub durability: Durability,
    /// (`node.id`)
    pub node_id: i32,
    /// Partitions of a topic that is created without a count (`num.partitions`).
    pub num_partitions: i32,
    /// A topic that a client asks for comes into being (`auto.create.topics.enable`).
    pub auto_create_topics: bool,
    /// Topics can be deleted (`delete.topic.enable`).
    pub delete_topics: bool,
    /// Partitions of `__consumer_offsets` (`offsets.topic.num.partitions`); one suffices one node, where no load is to
    /// be spread over brokers.
    pub offsets_topic_partitions: i32,
    /// (`group.initial.rebalance.delay.ms`)
    pub initial_rebalance_delay: Duration,
    /// Session timeouts that a member may ask for (`group.min.session.timeout.ms`, `group.max.session.timeout.ms`).
    pub session_timeout_ms: std::ops::RangeInclusive<i32>,
    /// Largest request (`socket.request.max.bytes`).
    pub request_bytes_max: usize,
    /// Memory of all requests together (`queued.max.request.bytes`).
    pub request_memory_bytes_max: usize,
    /// Open connections in all (`max.connections`).
    pub connections_max: usize,
    /// Open connections of one address (`max.connections.per.ip`).
    pub connections_per_address_max: usize,
    /// A connection without a request for this long is closed (`connections.max.idle.ms`).
    pub connection_idle: Duration,
    /// Bytes that all segments together may take; what clients produce beyond is refused.
    pub disk_bytes_max: Option<u64>,
    /// Time between two looks at what retention no longer keeps (`log.retention.check.interval.ms`).
    pub retention_check_interval: Duration,
    /// Groups that retention waits for: of the topics that they read, nothing goes that they have not committed.
    pub guarded_groups: Vec<String>,
    /// What a topic has that sets nothing (`log.retention.ms` and its kin).
    pub topic_defaults: TopicConfig,
    /// What was set under Kafka's names, as it was set.
    set: BTreeMap<String, String>,
}

/// When an acknowledgement with acks=all is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// After the flush: it survives a power cut.
    Disk,
    /// After the write, as Apache Kafka does: it survives the process, and a power cut takes what no flush has covered.
    PageCache,
}

/// Why a config of Kafka's was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("unknown config {0:?}: Kafka's broker has none of that name")]
    Unknown(String),
    #[error("{0}")]
    Value(String),
    #[error("config {name:?} is said otherwise here: {instead}")]
    Elsewhere { name: String, instead: &'static str },
    #[error("config {name:?} has no effect here: leave it out, or at its default {default:?}")]
    NoEffect { name: String, default: &'static str },
}

impl Config {
    /// Whether the listeners have what they need: reads the certificates and the users, and listens nowhere.
    ///
    /// # Errors
    /// As [`Broker::start`](crate::Broker::start) would say it.
    pub fn check_security(&self) -> Result<(), SecurityError> {
        Security::open(self).map(drop)
    }

    /// Defaults, on loopback, with its files under `data`.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 9092)).into()],
            tls: None,
            users: None,
            insecure: false,
            data: data.into(),
            durability: Durability::Disk,
            node_id: 0,
            num_partitions: 4,
            auto_create_topics: true,
            delete_topics: true,
            offsets_topic_partitions: 1,
            initial_rebalance_delay: limits::INITIAL_REBALANCE_DELAY,
            session_timeout_ms: limits::SESSION_TIMEOUT_MS,
            request_bytes_max: kafka_wire::frame::REQUEST_BYTES_MAX,
            request_memory_bytes_max: limits::REQUEST_MEMORY_BYTES_MAX,
            connections_max: limits::CONNECTIONS_MAX,
            connections_per_address_max: limits::CONNECTIONS_PER_ADDRESS_MAX,
            connection_idle: limits::CONNECTION_IDLE,
            retention_check_interval: limits::RETENTION_CHECK_INTERVAL,
            disk_bytes_max: None,
            guarded_groups: Vec::new(),
            topic_defaults: TopicConfig::default(),
            set: BTreeMap::new(),
        }
    }

    /// Sets a config under Kafka's name.
    ///
    /// # Errors
    /// Kafka has no such config, the value is none of it, or it would have no effect here.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let key = configs::broker_key(name).ok_or_else(|| ConfigError::Unknown(name.to_owned()))?;
        key.check(value).map_err(ConfigError::Value)?;
        let value = value.trim();
        // Checked above: what is no number here is no number at all.
        let number = || value.parse::<i64>().unwrap_or_default();
        let int = || i32::try_from(number()).unwrap_or(i32::MAX);
        let size = || usize::try_from(number()).unwrap_or_default();
        let time = || Duration::from_millis(u64::try_from(number()).unwrap_or_default());
        let flag = || value.eq_ignore_ascii_case("true");
        let elsewhere = |instead| Err(ConfigError::Elsewhere { name: name.to_owned(), instead });
        match name {
            "node.id" | "broker.id" => self.node_id = int(),
            "num.partitions" => self.num_partitions = int(),
            "auto.create.topics.enable" => self.auto_create_topics = flag(),
            "delete.topic.enable" => self.delete_topics = flag(),
            "offsets.topic.num.partitions" => self.offsets_topic_partitions = int(),
            "group.initial.rebalance.delay.ms" => self.initial_rebalance_delay = time(),
            "group.min.session.timeout.ms" => self.session_timeout_ms = int()..=*self.session_timeout_ms.end(),
            "group.max.session.timeout.ms" => self.session_timeout_ms = *self.session_timeout_ms.start()..=int(),
            "socket.request.max.bytes" => self.request_bytes_max = size(),
            "queued.max.request.bytes" if number() < 1 => {}
            "queued.max.request.bytes" => {
                // Less than the largest request could never be read.
                self.request_memory_bytes_max = size().max(2 * self.request_bytes_max);
            }
            "max.connections" => self.connections_max = size(),
            "max.connections.per.ip" => self.connections_per_address_max = size(),
            "connections.max.idle.ms" => self.connection_idle = time(),
            "log.retention.check.interval.ms" => self.retention_check_interval = time(),
            "listeners" => return elsewhere("--listen, or listen in sluice.yaml"),
            "advertised.listeners" => return elsewhere("--advertise, or advertise in sluice.yaml"),
            "log.dirs" | "log.dir" => return elsewhere("--data, or data in sluice.yaml"),
            _ => {
                let topic_key = configs::topic_keys().iter().find(|topic| topic.broker_names.contains(&name));
                if topic_key.is_none() && key.default != Some(value) {
                    let default = key.default.unwrap_or("null");
                    return Err(ConfigError::NoEffect { name: name.to_owned(), default });
                }
            }
        }
        let before = self.set.insert(name.to_owned(), value.to_owned());
        match self.topic_defaults() {
            Ok(defaults) => self.topic_defaults = defaults,
            Err(error) => {
                self.set.remove(name);
                self.set.extend(before.map(|before| (name.to_owned(), before)));
                return Err(error);
            }
        }
        Ok(())
    }

    /// What was set under Kafka's names, as it was set.
    pub fn set_values(&self) -> &BTreeMap<String, String> {
        &self.set
    }

    /// The value that the broker gives a topic's config, where one was set: of several units the finest wins.
    pub(crate) fn topic_default(&self, key: &configs::ConfigKey) -> Option<String> {
        let (name, value) = key.broker_names.iter().find_map(|name| Some((*name, self.set.get(*name)?)))?;
        let unit_ms = match name.rsplit_once('.') {
            Some((_, "hours")) => 60 * 60 * 1000,
            Some((_, "minutes")) => 60 * 1000,
            _ => return Some(value.clone()),
        };
        let count = value.parse::<i64>().unwrap_or_default();
        Some(if count < 0 { "-1".to_owned() } else { count.saturating_mul(unit_ms).to_string() })
    }

    fn topic_defaults(&self) -> Result<TopicConfig, ConfigError> {
        let mut defaults = TopicConfig::default();
        for key in configs::topic_keys() {
            if let Some(value) = self.topic_default(key) {
                defaults.set(key.name, &value).map_err(|error| ConfigError::Value(error.to_string()))?;
            }
        }
        Ok(defaults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_names_set_values() {
        let mut config = Config::new("data");
        for (name, value) in [
            ("num.partitions", "7"),
            ("log.retention.hours", "2"),
            ("log.segment.bytes", "1048576"),
            ("auto.create.topics.enable", "false"),
        ] {
            config.set(name, value).expect("a config of Kafka's");
        }
        assert_eq!((config.num_partitions, config.auto_create_topics), (7, false));
        assert_eq!((config.topic_defaults.retention_ms, config.topic_defaults.segment_bytes), (7_200_000, 1 << 20));
        config.set("log.retention.minutes", "3").expect("a finer unit");
        assert_eq!(config.topic_defaults.retention_ms, 180_000);
        config.set("log.retention.ms", "-1").expect("the finest unit");
        assert_eq!(config.topic_defaults.retention_ms, -1);
    }

    fn refused(name: &str, value: &str) -> ConfigError {
        Config::new("data").set(name, value).expect_err("a bad config")
    }

    #[test]
    fn what_has_no_effect_is_refused() {
        assert!(matches!(refused("num.partition", "7"), ConfigError::Unknown(_)));
        assert!(matches!(refused("num.partitions", "0"), ConfigError::Value(_)));
        assert!(matches!(refused("num.io.threads", "3"), ConfigError::NoEffect { default: "8", .. }));
        assert!(matches!(refused("log.dirs", "/x"), ConfigError::Elsewhere { .. }));
        assert!(matches!(refused("log.cleanup.policy", "compact"), ConfigError::Value(_)));
        assert_eq!(Config::new("data").set("num.io.threads", "8"), Ok(()));
    }
}
