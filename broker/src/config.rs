//! What a broker is told at its start.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::limits;

/// A checked configuration; names in parentheses are Kafka's.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses to listen on (`listeners`); port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Host and port that clients are told to connect to (`advertised.listeners`); `None`: the address that the client
    /// already uses.
    pub advertise: Option<(String, u16)>,
    /// Data directory (`log.dirs`), made when it is missing.
    pub data: PathBuf,
    /// (`node.id`)
    pub node_id: i32,
    /// Partitions of a topic that is created without a count (`num.partitions`).
    pub num_partitions: i32,
    /// A topic that a client asks for comes into being (`auto.create.topics.enable`).
    pub auto_create_topics: bool,
    /// Partitions of `__consumer_offsets` (`offsets.topic.num.partitions`); one suffices one node, where no load is to
    /// be spread over brokers.
    pub offsets_topic_partitions: i32,
    /// (`group.initial.rebalance.delay.ms`)
    pub initial_rebalance_delay: Duration,
    /// Largest request (`socket.request.max.bytes`).
    pub request_bytes_max: usize,
    /// Open connections in all (`max.connections`).
    pub connections_max: usize,
}

impl Config {
    /// Defaults, on loopback, with its files under `data`.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 9092))],
            advertise: None,
            data: data.into(),
            node_id: 0,
            num_partitions: 4,
            auto_create_topics: true,
            offsets_topic_partitions: 1,
            initial_rebalance_delay: limits::INITIAL_REBALANCE_DELAY,
            request_bytes_max: kafka_wire::frame::REQUEST_BYTES_MAX,
            connections_max: limits::CONNECTIONS_MAX,
        }
    }
}
