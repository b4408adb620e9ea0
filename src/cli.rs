//! The command line: what can be typed, before it is checked against the config file.

mod check;
mod dead;
mod debug;
mod demo;
#[cfg(test)]
mod documented;
mod output;
mod pipeline;
mod search;
#[cfg(feature = "search")]
mod store;
mod top;
mod whereabouts;

use crate::config::Size;
use broker::Listener;
pub use check::{CheckArgs, CompletionsArgs, ConfigCommand, ManArgs, ReloadArgs};
use clap::{Args, Parser, Subcommand, ValueEnum};
pub use dead::{DeadArgs, DeadCommand, DeadFilter, Place};
pub use debug::{BundleArgs, DebugCommand};
pub use demo::DemoArgs;
use kafka_client::Skip;
pub use output::Output;
pub use pipeline::PipelineCommand;
pub use search::{PlaceArgs, SearchArgs, TailArgs};
use std::net::SocketAddr;
use std::path::PathBuf;
#[cfg(feature = "search")]
pub use store::StoreArgs;
pub use top::TopArgs;
pub use whereabouts::{ChainArgs, ExplainArgs, FileLine, VerifyArgs};

/// Log files into documents, through Kafka's wire protocol.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// Config file; without it, sluice.yaml in the working directory or /etc/sluice is used where there is one.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Form of what the program itself says on standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// Lines for people, or for another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    /// An object a line, with the names of the Elastic Common Schema.
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Broker, agent and worker in one process: follow log files and deliver them as documents.
    #[cfg(feature = "server")]
    Up(UpArgs),
    /// The broker alone: speaks Kafka's wire protocol and keeps topics on disk.
    #[cfg(feature = "server")]
    Broker(BrokerArgs),
    /// The agent alone: tails files and produces their lines to a broker.
    Agent(AgentArgs),
    /// The worker alone: consumes lines, parses them into documents and delivers these.
    #[cfg(feature = "server")]
    Worker(WorkerArgs),
    /// Prepare Elasticsearch or OpenSearch for the worker: index template, lifecycle policy, and objects for Kibana. Doing it
    /// again is without harm, and what somebody has changed there is left alone.
    #[cfg(feature = "server")]
    Setup(SetupArgs),
    /// Search the documents in Elasticsearch or OpenSearch.
    #[cfg(feature = "server")]
    Search(SearchArgs),
    /// Follow the documents as they come into Elasticsearch or OpenSearch.
    #[cfg(feature = "server")]
    Tail(TailArgs),
    /// The way from file to index as one picture: rates, lags and what holds up the rest.
    #[cfg(feature = "server")]
    Top(TopArgs),
    /// Where a line of a file is now: not read yet, on its way, in the topic, a document, a dead letter, lost, or missing.
    #[cfg(feature = "server")]
    Explain(ExplainArgs),
    /// Compare the lines of files with the documents: which are missing, lost, doubled, rejected or on their way.
    #[cfg(feature = "server")]
    Verify(VerifyArgs),
    /// For a report of a problem: what this installation is and does, without secrets.
    #[cfg(feature = "server")]
    #[command(subcommand)]
    Debug(DebugCommand),
    /// The dead letters: records whose documents were rejected.
    #[cfg(feature = "server")]
    Dead(DeadArgs),
    /// Write the logs of a made-up shop, with a burst and an error storm, so that there is something to look at.
    #[cfg(feature = "server")]
    Demo(DemoArgs),
    /// A page to search logs, over any Elasticsearch or OpenSearch; it only reads.
    #[cfg(feature = "search")]
    Discover(DiscoverArgs),
    /// Say what is wrong with a config, where, and what to do about it.
    #[cfg(feature = "server")]
    Check(CheckArgs),
    /// The config in force, its schema, and its keys.
    #[cfg(feature = "server")]
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Have a running `sluice up`, agent or worker take over its changed config, and print what changed; as SIGHUP does.
    Reload(ReloadArgs),
    /// Print a script that completes this command line in a shell.
    Completions(CompletionsArgs),
    /// Write the manual pages of this command line.
    Man(ManArgs),
    /// Try ingest pipelines without a broker.
    #[cfg(feature = "server")]
    #[command(subcommand)]
    Pipeline(PipelineCommand),
}

#[derive(Debug, Args)]
pub struct UpArgs {
    /// Files or globs to follow, - for standard input; without any, the readable *.log under /var/log.
    #[arg(value_name = "PATHS")]
    pub paths: Vec<String>,

    /// Directory of topics, offsets and checkpoints [default: ./sluice-data].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Address of the broker [default: 127.0.0.1:9092].
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<SocketAddr>,

    /// What all topics together may take of the disk, for example 20GiB; then reading of files waits [no limit].
    #[arg(long, value_name = "SIZE")]
    pub disk_max: Option<Size>,

    /// Elasticsearch or OpenSearch to deliver to. Without it documents go to the embedded store when standard output is a
    /// terminal, and to standard output when it is piped or with --once.
    #[arg(long, value_name = "URL")]
    pub elasticsearch: Vec<String>,

    /// Where else documents go: - or stdout, file:PATH, kafka:TOPIC.
    #[arg(long, value_name = "OUTPUT", conflicts_with = "elasticsearch")]
    pub output: Option<Output>,

    #[cfg(feature = "search")]
    #[command(flatten)]
    pub store: StoreArgs,

    /// End when everything that was there at the start has been delivered.
    #[arg(long)]
    pub once: bool,

    /// Where to start in files that are seen for the first time [default: beginning].
    #[arg(long, value_enum)]
    pub from: Option<From>,

    #[command(flatten)]
    pub status: StatusArgs,
}

#[derive(Debug, Args)]
pub struct BrokerArgs {
    /// Address to listen on, with SSL, SASL_SSL or SASL_PLAINTEXT before it where it is not in the clear; may be repeated
    /// [default: 127.0.0.1:9092].
    #[arg(long, value_name = "[PROTOCOL://]ADDRESS:PORT")]
    pub listen: Vec<Listener>,

    /// Address that clients are told to connect to [default: the one that they connected to].
    #[arg(long, value_name = "[PROTOCOL://]HOST:PORT")]
    pub advertise: Option<String>,

    /// Listen in the clear on addresses that others reach.
    #[arg(long)]
    pub insecure: bool,

    /// Directory of topics and offsets [default: ./sluice-data].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// What all topics together may take of the disk, for example 20GiB; then produce is refused [no limit].
    #[arg(long, value_name = "SIZE")]
    pub disk_max: Option<Size>,

    /// A config under its name in Kafka's server.properties, for example num.partitions=4; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub set: Vec<(String, String)>,

    #[command(flatten)]
    pub status: StatusArgs,
}

/// `NAME=VALUE`.
fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("want NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct AgentArgs {
    #[command(subcommand)]
    pub command: Option<AgentCommand>,

    /// Files or globs to follow, - for standard input, with which it ends; a file called status is ./status.
    #[arg(value_name = "PATHS")]
    pub paths: Vec<String>,

    /// Broker to produce to [default: 127.0.0.1:9092].
    #[arg(long, value_name = "HOST:PORT")]
    pub broker: Vec<String>,

    /// Topic of the lines [default: logs].
    #[arg(long, value_name = "NAME")]
    pub topic: Option<String>,

    /// Directory of checkpoints and journal [default: ./sluice-data/agent].
    #[arg(long, value_name = "DIR")]
    pub checkpoints: Option<PathBuf>,

    /// Codec of the record batches: none, gzip, snappy, lz4 or zstd [default: lz4].
    #[arg(long, value_name = "CODEC")]
    pub compression: Option<String>,

    /// Where to start in files that are seen for the first time [default: beginning].
    #[arg(long, value_enum)]
    pub from: Option<From>,

    /// End when everything that was there at the start has been acknowledged. A last line without newline is sent too; what is
    /// written to it later is a line of its own.
    #[arg(long)]
    pub once: bool,

    /// List the files that match, and from where each would be read; read none, write nothing, ask no broker.
    #[arg(long)]
    pub dry_run: bool,

    /// With --dry-run: JSON instead of a table.
    #[arg(long, requires = "dry_run")]
    pub json: bool,

    #[command(flatten)]
    pub status: StatusArgs,
}

#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Show how far each file is: position, size, lag, last error. Asks the running agent (or `sluice up`), or reads its
    /// checkpoints when none answers.
    Status(AgentStatusArgs),
}

#[derive(Debug, Args)]
pub struct AgentStatusArgs {
    /// Address of the agent's status server [default: 127.0.0.1:9602, then that of `sluice up`, port 9600].
    #[arg(long, value_name = "HOST:PORT")]
    pub status_listen: Option<SocketAddr>,

    /// Directory of checkpoints, for when no agent answers [default: ./sluice-data/agent].
    #[arg(long, value_name = "DIR")]
    pub checkpoints: Option<PathBuf>,

    /// JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// Broker to consume from [default: 127.0.0.1:9092].
    #[arg(long, value_name = "HOST:PORT")]
    pub broker: Vec<String>,

    /// Topic to consume; may be repeated [default: logs].
    #[arg(long, value_name = "NAME")]
    pub topic: Vec<String>,

    /// Consumer group [default: sluice].
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,

    /// Pipeline for every line: a file, or the name of a ready-made one [default: by the kind of lines].
    #[arg(long, value_name = "FILE_OR_NAME")]
    pub pipeline: Option<String>,

    /// Elasticsearch or OpenSearch to deliver to; without it documents go to standard output.
    #[arg(long, value_name = "URL")]
    pub elasticsearch: Vec<String>,

    /// Index, in which `<dataset>`, `<yyyy.MM>` and `<yyyy.MM.dd>` are replaced; by default
    /// `sluice-<dataset>-<yyyy.MM>`.
    #[arg(long, value_name = "NAME")]
    pub index: Option<String>,

    /// Where documents go instead of Elasticsearch: stdout, file:PATH or kafka:TOPIC.
    #[arg(long, value_name = "WHERE", conflicts_with = "elasticsearch")]
    pub output: Option<Output>,

    /// Leave out these records where their batch is damaged, as the worker's alarm says; may be repeated.
    #[arg(long, value_name = "TOPIC:PARTITION:FIRST-LAST")]
    pub skip_damaged: Vec<Skip>,

    #[command(flatten)]
    pub status: StatusArgs,
}

#[derive(Debug, Args)]
pub struct SetupArgs {
    /// Elasticsearch or OpenSearch to prepare; credentials and TLS are those of worker.elasticsearch in the config file.
    #[arg(long, value_name = "URL")]
    pub elasticsearch: Vec<String>,

    /// Index that the worker writes to; by default worker.index of the config file, or `sluice-<dataset>-<yyyy.MM>`.
    #[arg(long, value_name = "NAME")]
    pub index: Option<String>,

    /// The indices are data streams, which begin a new index after 30 days or with shards of 50 GB.
    #[arg(long)]
    pub data_stream: bool,

    /// Delete indices when their last line is so old, such as 30d [default: nothing is ever deleted].
    #[arg(long, value_name = "DAYS")]
    pub retention: Option<String>,

    /// Print what would be written; write nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Replace also what somebody else has made or changed under the same name.
    #[arg(long)]
    pub overwrite: bool,

    /// Write a data view, a saved search and a dashboard to this file, for Kibana or OpenSearch Dashboards to import.
    #[arg(long, value_name = "FILE")]
    pub kibana: Option<PathBuf>,
}

#[cfg(feature = "search")]
#[derive(Debug, Args)]
pub struct DiscoverArgs {
    /// Elasticsearch or OpenSearch to search; credentials and TLS are those of worker.elasticsearch in the config file.
    #[arg(long, value_name = "URL")]
    pub elasticsearch: Vec<String>,

    /// Address of the page [default: 127.0.0.1:9280].
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<SocketAddr>,

    /// Indices that the page begins with: names and patterns, separated by commas.
    #[arg(long, value_name = "PATTERNS", default_value = "sluice-*")]
    pub index: String,

    /// Status port that the page Pipeline asks, such as http://10.0.0.7:9603; may be repeated [default: ports 9600 to 9603 of
    /// this host].
    #[arg(long, value_name = "URL")]
    pub status: Vec<String>,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Address of /health, /metrics, /files and /partitions [default: port 9600 (up), 9601 (broker), 9602 (agent), 9603 (worker)].
    #[arg(long, value_name = "HOST:PORT")]
    pub status_listen: Option<SocketAddr>,
}

/// Where reading starts in a file without a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum From {
    Beginning,
    End,
}
