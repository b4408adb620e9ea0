//! Tails log files and produces their lines to Kafka as record batches, each line once.
//!
//! The way of a line: `discover` (which files there are), `fingerprint` (which file is which), `tail` (a block is
//! read), `lines` (its lines are found; `format` where they are more than lines), `batch` (they are framed into a record batch), `journal` (the batch is written
//! down), `deliver` (it is sent), `checkpoint` (its acknowledgement moves the file's position). `detect` says what kind
//! of lines they are, `engine` is the thread on which all of it happens, one file after the other.

mod agent;
mod batch;
mod checkpoint;
mod config;
mod content;
mod deliver;
mod descriptors;
mod detect;
mod discover;
mod engine;
mod fingerprint;
pub mod format;
mod host;
mod journal;
mod labels;
mod lines;
mod metrics;
mod plan;
mod pool;
mod stream;
mod tail;
mod topic;
mod whereabouts;

pub use agent::{Agent, Observer, StartError, Stopped};
pub use batch::{FILE_ID_HEADER, POSITION_HEADER};
pub use checkpoint::{Gap, OpenError, Positions, WriteGate, Written};
pub use config::{Config, ConfigError, From, Input, host_name};
pub use deliver::{Broker, Identity, KafkaBroker, Later, SendError};
pub use detect::confidence;
pub use discover::PatternError;
pub use engine::{Archive, Clock, FileState, Loss, Progress};
pub use fingerprint::FileId;
pub use host::HostIdentity;
pub use plan::{Kind, Plan, PlanError, PlannedFile, Start, checkpointed, plan};
pub use stream::{Journald, ListenError, Protocol, StandardInput, Stream};
pub use whereabouts::{FileRecordAt, Framing, InFlight, KnownFile, Owner, Whereabouts};
