//! `sluice.yaml`: what was written (`file`), how it is found and read (`load`). The commands merge it with their flags.

mod broker;
mod file;
mod load;
mod secret;
pub mod security;
mod size;

#[cfg(test)]
pub use broker::BrokerTls;
pub use broker::{BrokerSection, Durability};
pub use file::{
    AgentSection, BulkCompression, ConfigFile, ElasticsearchSection, FileSection, Headers, Input, KafkaSection,
    MissingYearWord, MultilineSection, OutputSection, Start, SyslogProtocol, WorkerSection,
};
pub use load::load;
pub use secret::{expand, resolve};
pub use size::Size;
