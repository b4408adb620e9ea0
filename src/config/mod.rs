//! `sluice.yaml`: what was written (`file`), how it is found and read (`load`). The commands merge it with their flags.

mod file;
mod load;
mod secret;

pub use file::{
    AgentSection, BrokerSection, BulkCompression, ConfigFile, ElasticsearchSection, Headers, Input, MultilineSection,
    Start, SyslogProtocol, WorkerSection,
};
pub use load::load;
pub use secret::{expand, resolve};
