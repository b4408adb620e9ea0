//! `sluice.yaml`: what was written (`file`), how it is found and read (`load`). The commands merge it with their flags.

mod broker;
mod effective;
mod file;
pub mod keys;
mod load;
mod place;
mod problem;
mod range;
mod schema;
mod search;
mod secret;
pub mod security;
mod size;

pub use broker::{BrokerSection, BrokerTls, Durability};
pub use effective::with_defaults;
pub use file::{
    AgentSection, BulkCompression, ConfigFile, ElasticsearchSection, FileSection, Headers, Input, KafkaSection,
    MissingYearWord, MultilineSection, OutputSection, Start, SyslogProtocol, WorkerSection,
};
pub use load::{find, load, parse, read};
pub use place::Places;
pub use problem::{Level, Problem, did_you_mean};
pub use range::problems as out_of_range;
pub use schema::Schema;
#[cfg(feature = "search")]
pub use search::Age;
pub use search::SearchSection;
pub use secret::{Secret, expand, resolve};
pub use security::{BrokerTlsSection, SaslSection};
pub use size::Size;
