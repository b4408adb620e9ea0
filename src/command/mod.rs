//! The subcommands, one file each: flags and config file become the checked configs of the parts.

pub mod agent;
mod bar;
pub mod broker;
pub mod check;
pub mod config;
pub mod dead;
pub mod debug;
pub mod demo;
#[cfg(feature = "search")]
pub mod discover;
pub mod elasticsearch;
pub mod explain;
mod format;
mod index;
mod instance;
pub mod manual;
mod paint;
pub mod pipeline;
mod reload;
pub mod renew;
pub mod search;
pub mod setup;
mod status_port;
pub mod tail;
pub mod top;
pub mod up;
pub mod verify;
mod whereabouts;
pub mod worker;

pub use format::TIMEOUT_MS as MULTILINE_TIMEOUT_MS;
pub use index::DATA_STREAM_DEFAULT;
pub use setup::INDEX_DEFAULT;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Broker of parts that run alone, when nothing else is said.
pub const BROKER_DEFAULT: &str = "127.0.0.1:9092";
/// How long each step of an end waits: for acknowledgements, for documents on their way. Nothing is lost when it is
/// over: the next run goes on from the checkpoints and the committed offsets.
pub const DRAIN: Duration = Duration::from_secs(10);
/// Between two looks at the counters.
const TICK: Duration = Duration::from_millis(200);

/// A port on loopback, where parts answer unless they are told otherwise.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
}

/// Where a listener of this host is reached: one on all addresses is reached over loopback.
fn reachable(mut listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    listen
}

/// Brokers to start from: those of the flags, else the config file's, else [`BROKER_DEFAULT`].
fn brokers(flags: &[String], section: Option<&str>) -> Vec<String> {
    match flags {
        [] => comma_list(section.unwrap_or(BROKER_DEFAULT)),
        flags => comma_lists(flags),
    }
}

/// The parts of all the lists, as of a flag that may be repeated.
fn comma_lists(texts: &[String]) -> Vec<String> {
    texts.iter().flat_map(|text| comma_list(text)).collect()
}

/// Splits a list such as `10.0.0.1:9092,10.0.0.2:9092`, Kafka's form of bootstrap servers.
fn comma_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
