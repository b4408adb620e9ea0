//! The subcommands, one file each: flags and config file become the checked configs of the parts.

pub mod agent;
pub mod broker;
mod instance;
pub mod pipeline;
pub mod up;
pub mod worker;

/// Splits a list such as `10.0.0.1:9092,10.0.0.2:9092`, Kafka's form of bootstrap servers.
fn comma_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Name of this host where the config gives none.
fn machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
