//! The command line of `sluice debug`.

use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum DebugCommand {
    /// Write an archive with versions, config, health, metrics, file states and recent logs. Secrets are taken out; names of
    /// hosts, files and topics are in it.
    Bundle(BundleArgs),
}

#[derive(Debug, Args)]
pub struct BundleArgs {
    /// The archive [default: sluice-debug-TIME.tar.gz].
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Status port of a part; may be repeated [default: ports 9600 to 9603 of this host, and those of the config file].
    #[arg(long, value_name = "HOST:PORT")]
    pub status: Vec<SocketAddr>,

    /// File with what sluice itself has said, whose end is taken; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub log: Vec<PathBuf>,

    /// Directory of the agent's checkpoints, for when no agent answers [default: that of the config file].
    #[arg(long, value_name = "DIR")]
    pub checkpoints: Option<PathBuf>,
}
