//! The command line of `sluice top`.

use clap::Args;
use std::net::SocketAddr;

#[derive(Debug, Args)]
pub struct TopArgs {
    /// Status port of a part; may be repeated [default: ports 9600 to 9603 of this host, and those of the config file].
    #[arg(long, value_name = "HOST:PORT")]
    pub status: Vec<SocketAddr>,

    /// Print one picture, over the seconds of --every, and end.
    #[arg(long)]
    pub once: bool,

    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub every: u64,
}
