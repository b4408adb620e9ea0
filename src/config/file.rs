//! The keys of `sluice.yaml`. The commented docs/sluice.yaml shows each of them with its default; a
//! test compares the two.
//!
//! Every key is optional here: flags win over keys, and defaults live where the checked config of a part is made.

use super::broker::BrokerSection;
use super::search::SearchSection;
use super::secret::Secret;
use super::security::{BrokerTlsSection, SaslSection};
use agent::format::{Container, Preset};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The whole file. The same file serves all parts, in one process or on many hosts.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigFile {
    /// Name of this host in every record [the machine's name].
    pub host_name: Option<String>,
    /// What `--config` named, so that the file is found again.
    #[serde(skip)]
    pub named: Option<PathBuf>,
    /// Files to records.
    pub agent: AgentSection,
    /// Records to segments and back.
    pub broker: BrokerSection,
    /// Records to documents.
    pub worker: WorkerSection,
    /// The embedded store of `sluice up`.
    pub search: SearchSection,
}

/// Files to records.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AgentSection {
    /// Brokers to start from, HOST:PORT, separated by commas.
    pub broker: Option<String>,
    /// TLS of the connections to them; none without it.
    pub broker_tls: Option<BrokerTlsSection>,
    /// User and password at the brokers; none without it.
    pub sasl: Option<SaslSection>,
    /// Topic of inputs that name none.
    pub topic: Option<String>,
    /// Fields that every document gets, under `labels`.
    pub labels: BTreeMap<String, String>,
    /// Whether records have headers about their source.
    pub headers: Option<Headers>,
    /// Directory of checkpoints and journal.
    pub checkpoints: Option<PathBuf>,
    /// none, gzip, snappy, lz4 or zstd.
    pub compression: Option<String>,
    /// Where to start in files that are seen for the first time.
    pub from: Option<Start>,
    /// Longest time that a line waits for others before its batch is sent.
    #[schemars(range(max = 60_000))]
    pub linger_ms: Option<u64>,
    /// Bytes of one record batch; with lz4 what is compressed already counts as such.
    #[schemars(range(min = 1, max = 1_048_524))]
    pub batch_bytes_max: Option<usize>,
    /// Bytes of a line; what is longer is cut, and marked.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub line_bytes_max: Option<usize>,
    /// Memory for blocks that were read and are not acknowledged.
    #[schemars(range(min = 65_536, max = 1_099_511_627_776u64))]
    pub blocks_bytes_max: Option<usize>,
    /// Unread bytes of a deleted file that are kept while the broker takes none.
    pub deleted_bytes_max: Option<u64>,
    /// Bytes that one compressed file may decompress to.
    pub gzip_bytes_max: Option<u64>,
    /// Bytes of files that are read in a second [no limit].
    #[schemars(range(min = 1024))]
    pub bytes_per_second_max: Option<u64>,
    /// CPU that the process may take, in percent of one core [no limit].
    #[schemars(range(min = 1, max = 100_000))]
    pub cpu_share_max: Option<u32>,
    /// Threads that frame and compress a backlog of plain lines [2, or 1 on one core].
    #[schemars(range(min = 1, max = 16))]
    pub framing_threads_max: Option<usize>,
    /// Bytes on disk for lines that are in no file and wait for acknowledgement.
    #[schemars(range(min = 65_536))]
    pub spool_bytes_max: Option<u64>,
    /// Seconds between two searches for files that no directory watch reported.
    #[schemars(range(min = 1, max = 86_400))]
    pub rescan_s: Option<u64>,
    /// Seconds that a file which was renamed or deleted is still read for late lines.
    #[schemars(range(max = 86_400))]
    pub rotated_grace_s: Option<u64>,
    /// Seconds that acknowledgements are waited for when the agent ends.
    #[schemars(range(max = 3600))]
    pub drain_s: Option<u64>,
    /// Files that are open at a time.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub open_files_max: Option<usize>,
    /// Directories that are watched.
    pub watches_max: Option<usize>,
    /// Address of /health, /metrics and /files [127.0.0.1:9602].
    pub status_listen: Option<SocketAddr>,
    /// What is read: a list of inputs, each with a form, a topic and labels of its own.
    pub inputs: Vec<Input>,
}

/// Files that have something in common.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Paths or globs; `**` matches any number of directories.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Instead of paths: standard input.
    #[serde(default)]
    pub stdin: Option<bool>,
    /// Instead of paths: syslog over the network.
    #[serde(default)]
    pub syslog: Option<SyslogSection>,
    /// Instead of paths: systemd's journal.
    #[serde(default)]
    pub journald: Option<JournaldSection>,
    /// Globs of paths to leave out, or of names when there is no slash in them.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Where to start in files that are seen for the first time [the agent's].
    #[serde(default)]
    pub from: Option<Start>,
    /// Files that have not changed for so long at first sight are left alone until they change.
    #[serde(default)]
    pub ignore_older_s: Option<u64>,
    /// Directories to which rotation moves or copies these files.
    #[serde(default)]
    pub rotated_dirs: Vec<PathBuf>,
    /// Whether links that lead out of the named folder are followed.
    #[serde(default)]
    pub follow_symlinks: Option<bool>,
    /// What kind of lines these are [detected for each file].
    #[serde(default)]
    pub dataset: Option<String>,
    /// Topic of these lines [the agent's].
    #[serde(default)]
    pub topic: Option<String>,
    /// Fields that every document of these files gets, under `labels`, beside the agent's.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Encoding of the files, by its label [utf-8].
    #[serde(default)]
    pub encoding: Option<String>,
    /// What ends a line [a newline, with or without a carriage return].
    #[serde(default)]
    pub delimiter: Option<String>,
    /// The container runtime that wrote the files: docker, cri or auto.
    #[serde(default)]
    #[schemars(schema_with = "container")]
    pub container: Option<Container>,
    /// Which lines make one record.
    #[serde(default)]
    pub multiline: Option<MultilineSection>,
    /// Regexes: only lines that match one of them are sent.
    #[serde(default)]
    pub include_lines: Vec<String>,
    /// Regexes: lines that match one of them are not sent.
    #[serde(default)]
    pub exclude_lines: Vec<String>,
}

/// Where syslog is received.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyslogSection {
    /// HOST:PORT, without a name to look up.
    pub listen: SocketAddr,
    /// udp, tcp or both, which is the default.
    #[serde(default)]
    pub protocol: Option<SyslogProtocol>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SyslogProtocol {
    Udp,
    Tcp,
    Both,
}

/// What is read of systemd's journal.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JournaldSection {
    /// Only entries of these units; without any, of all.
    pub units: Vec<String>,
    /// Folder of journal files instead of the system's.
    pub directory: Option<PathBuf>,
}

/// What records have besides their line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Headers {
    All,
    None,
}

/// Which lines make one record: one of `start`, `continuation` and `preset`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MultilineSection {
    /// Regex of lines that begin a record.
    pub start: Option<String>,
    /// Regex of lines that belong to the line before them.
    pub continuation: Option<String>,
    /// Stack traces: java, python, go, rust or dotnet.
    #[schemars(schema_with = "preset")]
    pub preset: Option<Preset>,
    /// Milliseconds after which what stands at the end of a file is sent.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub timeout_ms: Option<u64>,
}

/// Where reading starts in a file without a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    Beginning,
    End,
}

/// Records to documents.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerSection {
    /// Brokers to start from, HOST:PORT, separated by commas.
    pub broker: Option<String>,
    /// TLS of the connections to them; none without it.
    pub broker_tls: Option<BrokerTlsSection>,
    /// User and password at the brokers; none without it.
    pub sasl: Option<SaslSection>,
    /// Topics that are consumed.
    pub topics: Option<Vec<String>>,
    /// Consumer group.
    pub group: Option<String>,
    /// Name of this worker in its group; one that comes back under it gets its partitions back at once (KIP-345).
    pub instance_id: Option<String>,
    /// Pipeline by dataset: a file, the name of a ready-made one, or `detect`: the ready-made one for the dataset.
    pub pipelines: Option<BTreeMap<String, String>>,
    /// Folder of the databases (`*.mmdb`) that `geoip` in pipelines names.
    pub geoip_folder: Option<PathBuf>,
    /// How `date` in pipelines completes a time without a year.
    pub missing_year: Option<MissingYearWord>,
    /// Index, in which `<dataset>`, `<yyyy.MM>` and `<yyyy.MM.dd>` are replaced.
    pub index: Option<String>,
    /// Whether the index is a data stream, and has no date in its name.
    pub data_stream: Option<bool>,
    /// Bytes of fetched record batches and of documents made from them, over all partitions.
    #[schemars(range(min = 8_388_608))]
    pub memory_bytes_max: Option<usize>,
    /// Offsets of a partition from the first that is not done to the last that was read.
    #[schemars(range(min = 1))]
    pub open_offsets_max: Option<i64>,
    /// Seconds without a heartbeat after which the partitions go to other members.
    #[schemars(range(min = 1, max = 1800))]
    pub session_timeout_s: Option<u64>,
    /// Seconds that documents on their way may take when the worker is told to end.
    #[schemars(range(max = 3600))]
    pub drain_s: Option<u64>,
    /// Address of /health, /metrics and /partitions [127.0.0.1:9603].
    pub status_listen: Option<SocketAddr>,
    /// Where documents go instead of Elasticsearch.
    pub output: Option<OutputSection>,
    /// Where documents go [standard output].
    pub elasticsearch: Option<ElasticsearchSection>,
}

/// Which year a time without one gets.
#[derive(Debug, Clone, PartialEq, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MissingYearWord {
    Nearest,
    Current,
}

/// The other far ends.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputSection {
    Stdout,
    File(FileSection),
    Kafka(KafkaSection),
}

/// A file of NDJSON.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSection {
    /// The file; it is made when it is missing.
    pub path: PathBuf,
    /// Bytes after which the file is renamed and a new one is begun [never].
    #[schemars(range(min = 1))]
    #[serde(default)]
    pub rotate_bytes: Option<u64>,
    /// Renamed files that are kept.
    #[serde(default)]
    pub rotate_keep: Option<u32>,
}

/// A topic of parsed documents.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaSection {
    /// The topic; key is the `_id`, value the JSON of a document.
    pub topic: String,
    /// Brokers to start from [the worker's].
    #[serde(default)]
    pub broker: Option<String>,
    /// none, gzip, snappy, lz4 or zstd.
    #[serde(default)]
    pub compression: Option<String>,
}

/// Where documents go.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ElasticsearchSection {
    /// Nodes of one cluster, to which requests go in turn.
    pub urls: Vec<String>,
    /// User of basic authentication; `${NAME}` is replaced by what the environment has.
    pub username: Option<String>,
    /// Its password; `${NAME}` is replaced by what the environment has.
    pub password: Option<Secret>,
    /// A file with the password in it, and nothing else.
    pub password_file: Option<PathBuf>,
    /// API key, `id:key` or that in base64, instead of a user.
    pub api_key: Option<Secret>,
    /// A file with the API key in it.
    pub api_key_file: Option<PathBuf>,
    /// Token of an identity provider, instead of a user.
    pub bearer_token: Option<Secret>,
    /// A file with the token in it.
    pub bearer_token_file: Option<PathBuf>,
    /// For https.
    pub tls: TlsSection,
    /// Whether a missing index template is made before the first document is delivered.
    pub setup: Option<bool>,
    /// Of bulk requests.
    pub compression: Option<BulkCompression>,
    /// Bytes of one bulk request, before compression.
    #[schemars(range(min = 1024, max = 104_857_600))]
    pub bulk_bytes_max: Option<usize>,
    /// Documents of one bulk request.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub bulk_documents_max: Option<usize>,
    /// Bulk requests that wait for their answer at a time.
    #[schemars(range(min = 1, max = 64))]
    pub requests_in_flight_max: Option<usize>,
    /// Longest time that a document waits for others before its bulk request is sent.
    #[schemars(range(max = 60_000))]
    pub linger_ms: Option<u64>,
    /// Seconds from sending a request to the end of its answer.
    #[schemars(range(min = 1, max = 3600))]
    pub request_timeout_s: Option<u64>,
    /// Seconds that documents wait for one index that takes none, before they become dead letters.
    #[schemars(range(max = 604_800))]
    pub index_hold_s: Option<u64>,
}

/// Files of TLS, in PEM.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSection {
    /// Authorities that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, for servers that ask for it.
    pub certificate_file: Option<PathBuf>,
    /// Its private key.
    pub key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BulkCompression {
    Auto,
    None,
    Gzip,
}

/// The words of [`Container`], a type of another crate.
fn container(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "enum": ["docker", "cri", "auto", null] })
}

/// The words of [`Preset`].
fn preset(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "enum": ["java", "python", "go", "rust", "dotnet", null] })
}
