//! The command line of `sluice dead`.

use clap::{Args, Subcommand};
use std::str::FromStr;

#[derive(Debug, Args)]
pub struct DeadArgs {
    #[command(subcommand)]
    pub command: DeadCommand,

    /// Broker that has the topics [default: 127.0.0.1:9092].
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub broker: Vec<String>,

    /// Topic whose dead letters are meant, or their own topic [default: logs].
    #[arg(long, global = true, value_name = "NAME")]
    pub topic: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum DeadCommand {
    /// List dead letters, a line each: place, time, source, status, type, index, reason.
    List {
        #[command(flatten)]
        filter: DeadFilter,

        /// At most so many.
        #[arg(long, value_name = "N")]
        limit: Option<u64>,

        /// Also those that were sent back or dropped, and repetitions.
        #[arg(long)]
        all: bool,

        /// An object of JSON each, with the whole record.
        #[arg(long)]
        json: bool,
    },
    /// Show one dead letter with all that is in it.
    Show {
        /// Its place, as `list` says it.
        #[arg(value_name = "PARTITION:OFFSET")]
        place: Place,

        #[arg(long)]
        json: bool,
    },
    /// Send dead letters back to the topic that they came from, as the records that they were.
    Replay {
        #[command(flatten)]
        filter: DeadFilter,

        /// At most so many.
        #[arg(long, value_name = "N")]
        limit: Option<u64>,

        /// Only say how many.
        #[arg(long)]
        dry_run: bool,
    },
    /// Drop dead letters for good.
    Drop {
        #[command(flatten)]
        filter: DeadFilter,

        /// All of them.
        #[arg(long)]
        all: bool,

        /// Only say how many.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which dead letters are meant; without any of these, all.
#[derive(Debug, Args)]
pub struct DeadFilter {
    /// Elasticsearch's error type, such as document_parsing_exception.
    #[arg(long, value_name = "TYPE")]
    pub r#type: Option<String>,

    /// HTTP status of the rejection.
    #[arg(long, value_name = "N")]
    pub status: Option<u16>,

    /// A part of the reason.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// A part of the index's name.
    #[arg(long, value_name = "TEXT")]
    pub index: Option<String>,

    /// Rejected since this time, or so long ago: 2026-11-28T07:00:00Z, 90m, 2h, 3d.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,

    /// Rejected before this time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// A place in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub partition: i32,
    pub offset: i64,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (partition, offset) = text.split_once(':')?;
            Some(Self { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
        };
        read().ok_or_else(|| format!("got {text:?}; want PARTITION:OFFSET, such as 0:42"))
    }
}
