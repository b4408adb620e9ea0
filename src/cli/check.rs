//! The command lines of `sluice check`, `sluice config`, `sluice reload`, `sluice completions` and `sluice man`.

use clap::{Args, Subcommand};
use clap_complete::Shell;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing is wrong (warnings do not count), 1 a probe failed, 2 the config is wrong."
)]
pub struct CheckArgs {
    /// Config file [default: that of --config, sluice.yaml in the working directory, or /etc/sluice/sluice.yaml].
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Also ask what the config names: brokers, Elasticsearch, files and directories. Nothing is written there.
    #[arg(long)]
    pub probe: bool,

    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// The config that is in force: the file with the default of every key that it leaves out, as YAML. Secrets are shown as "...".
    Show {
        /// JSON instead of YAML.
        #[arg(long)]
        json: bool,
    },
    /// A JSON Schema of sluice.yaml, by which editors complete and check it.
    Schema,
    /// Every key with type, default, range and meaning, in Markdown (docs/config.md).
    Keys,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 what changed is in force, or waits for a new start; 1 the changed config is refused."
)]
pub struct ReloadArgs {
    /// Status port of the process [default: ports 9600, 9602 and 9603 of this host, as far as they answer].
    #[arg(long, value_name = "HOST:PORT")]
    pub status_listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell that shall complete.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Folder for the pages, which is made when it is missing.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}
