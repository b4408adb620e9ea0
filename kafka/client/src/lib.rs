//! A thin Kafka client that moves whole record batches: producer and group consumer.
//!
//! The way of a request, from the bottom up: `transport` (a stream of bytes to one broker), `pipe` (frames in flight on
//! it, answered in order), `connection` (a pipe whose broker has told its API versions), `link` (a connection that comes
//! back after it was lost), `cluster` (the links by node id), [`Client`] (typed calls, metadata, topics, offsets, fetch),
//! [`Producer`] (lanes of batches on top of it).

mod authenticate;
mod backoff;
mod call;
mod client;
mod cluster;
mod code;
mod config;
mod connection;
mod counters;
mod error;
mod fetch;
mod group;
mod link;
mod lock;
mod metadata;
mod offsets;
mod outage;
mod pipe;
mod producer;
mod retry;
pub mod security;
mod topic_configs;
mod topic_partition;
mod topics;
mod transport;
mod versions;

pub use backoff::Backoff;
pub use call::Call;
pub use client::Client;
pub use code::ErrorCode;
pub use config::ClientConfig;
pub use error::{ClientError, ConnectionError, chain};
pub use fetch::{FetchLimits, Fetched};
pub use group::{
    Assignment, Assignor, CommitError, Event, GroupConfig, GroupConsumer, GroupError, OffsetReset, Skip, SkipError,
};
pub use metadata::{Leader, Metadata, Topic};
pub use offsets::OffsetSpec;
pub use producer::{
    Acknowledged, Names, PatientProducer, ProduceError, Producer, ProducerConfig, ProducerIdentity, Sequencer,
};
pub use topic_partition::TopicPartition;
