//! What an agent is told: which files, where to, and its limits, checked before anything starts.

use crate::checkpoint::WriteGate;
use crate::discover::{Exclude, Pattern, PatternError, Reach};
use crate::format::{Format, FormatError, Framer};
use crate::host::HostIdentity;
use crate::labels::{LabelError, Labels};
use crate::stream::{StandardInput, Stream};
use crate::topic::{TopicError, TopicTemplate};
use kafka_client::ClientConfig;
use kafka_wire::compression::Compression;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The largest batch that a broker with Kafka's default `max.message.bytes` takes.
const MESSAGE_BYTES_MAX: usize = 1_048_588;
/// Holds the lines of one block with their headers, and stays below what brokers take even where nothing compresses.
const BATCH_BYTES_MAX: usize = 960 * 1024;
/// A line this long is still worth indexing; more is an accident.
const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Less is not even what a pipe holds.
const SPOOL_BYTES_MIN: u64 = 64 * 1024;

/// With two a backlog goes as fast as a broker on the same host takes it; the other cores belong to somebody else.
const FRAMING_THREADS_MAX: usize = 2;
/// More than one partition has in flight would wait.
const FRAMING_THREADS_MOST: usize = 16;

/// Fewer would be closed and opened all the time.
const OPEN_FILES_LEAST: usize = 16;

/// What a deleted file may hold of a disk that somebody wanted to free.
const DELETED_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// More than any log that is compressed as one file; 64 MB can decompress to as much, and would keep a host busy.
const GZIP_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;

/// Where a file without checkpoint is begun that was there when the agent started. New files begin at 0 always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum From {
    #[default]
    Beginning,
    End,
}

/// Files that are treated alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    /// Paths or globs (`*`, `?`, `[a-z]`, `{a,b}`, `**`); relative ones begin in the working directory.
    pub paths: Vec<String>,
    /// Globs of what is left out, directories too; without a slash they mean names, wherever they are.
    pub exclude: Vec<String>,
    /// Instead of [`Config::from`].
    pub from: Option<From>,
    /// Files that have not changed for so long when they are first seen are left alone until they change; then they
    /// are read from their beginning.
    pub ignore_older: Option<Duration>,
    /// Symbolic links that a glob comes upon are followed also where they lead out of the named folder, and those to
    /// directories. A link that is named in full is followed always.
    pub follow_symlinks: bool,
    /// Directories to which rotation moves or copies files, in which they are looked for beside their own; relative ones
    /// begin there.
    pub rotated_dirs: Vec<PathBuf>,
    /// `event.dataset`; detected from the first lines when absent.
    pub dataset: Option<String>,
    /// Topic for these files instead of [`Config::topic`]; a template as that one.
    pub topic: Option<String>,
    /// Fields that every document of these files gets, beside and before [`Config::labels`].
    pub labels: BTreeMap<String, String>,
    /// How bytes become records. A stream's lines are found where they come in: with one, encodings whose newline is not
    /// a byte and delimiters cannot be had.
    pub format: Format,
    /// What is read instead of files.
    pub stream: Option<Stream>,
}

/// Everything that an agent needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    pub client: ClientConfig,
    /// Topic of the records; parts of a file's path can stand in it, as `docs/sluice.yaml` says.
    pub topic: String,
    /// Fields that every document gets: names without dots, with their values.
    pub labels: BTreeMap<String, String>,
    /// Directory of checkpoints and journal; made when it is not there, and locked.
    pub checkpoints: PathBuf,
    pub inputs: Vec<Input>,
    pub from: From,
    pub compression: Compression,
    /// Whether records carry headers about their source.
    pub headers: bool,
    /// Ship what is there at the start, also a last line without newline.
    pub once: bool,
    /// Value of `host.name`.
    pub host_name: String,
    /// The machine, to recognise checkpoints that were copied from another one; looked up when absent.
    pub host_identity: Option<HostIdentity>,
    /// Where tests make the disk of the checkpoints full.
    #[doc(hidden)]
    pub write_gate: Option<WriteGate>,
    /// How often all directories are looked through, in case that a watch missed something.
    pub rescan: Duration,
    /// Files that are open at a time; of those that were read to their end the least recently written are closed. A
    /// process that may open fewer keeps a quarter of what it may for other things.
    pub open_files_max: usize,
    /// Directories that are watched; new lines in others are found by the rescan.
    pub watches_max: usize,
    /// Bytes of one read, and of one turn of a file among others.
    pub block_bytes: usize,
    /// Bytes of blocks and batches between file and acknowledgement, all files together; reading stops there.
    pub blocks_bytes_max: usize,
    /// Bytes of files that are read in a second, all files together.
    pub bytes_per_second_max: Option<u64>,
    /// CPU that the process may take, in percent of one core: reading waits while it has taken more.
    pub cpu_share_max: Option<u32>,
    /// Threads that frame and compress the lines of a file with a backlog, the agent's own included; one where
    /// [`Config::bytes_per_second_max`] or [`Config::cpu_share_max`] holds, and for what is more than plain lines.
    pub framing_threads_max: usize,
    /// How long lines may wait for others of their file.
    pub linger: Duration,
    /// Bytes of a batch, as [`kafka_wire::batch::BatchWriter::has_room`] counts them; one longer line makes a larger batch.
    pub batch_bytes_max: usize,
    /// Longer lines are cut.
    pub line_bytes_max: usize,
    /// How long a renamed or deleted file is still read for late writes.
    pub rotated_grace: Duration,
    /// How long a new file that merely repeats the content of another is taken for a copy of it that is in the making.
    pub copy_grace: Duration,
    /// Unread bytes of a deleted file that are kept while the broker takes none: more are counted as lost.
    pub deleted_bytes_max: u64,
    /// How long a deleted file is kept until it is read.
    pub deleted_time_max: Duration,
    /// Bytes that one compressed file may decompress to; a greater one is a problem, and is read no further.
    pub gzip_bytes_max: u64,
    /// How long a file that is proven to be gone is remembered.
    pub forget_after: Duration,
    /// How often positions are flushed to disk.
    pub flush_interval: Duration,
    /// Bytes of lines that came from streams and wait for acknowledgement, on disk; each stream has an equal share.
    pub spool_bytes_max: u64,
    pub stdin: StandardInput,
}

/// A setting that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("no files are named")]
    NoPaths,
    #[error("{key} is {got}; want {want}")]
    OutOfRange { key: &'static str, got: usize, want: &'static str },
    #[error("path {path:?}")]
    Pattern {
        path: String,
        #[source]
        source: PatternError,
    },
    #[error("input {path:?}")]
    Format {
        /// The first one of the input's.
        path: String,
        #[source]
        source: FormatError,
    },
    #[error(transparent)]
    Topic(#[from] TopicError),
    #[error(transparent)]
    Label(#[from] LabelError),
    #[error("an input has paths and a stream; want one of them")]
    Kinds,
    #[error("{0} is an input twice")]
    Twice(String),
    #[error("delimiter and encodings of two bytes cannot be had with {0}; want files")]
    StreamFormat(String),
    #[error("syslog on {0} never ends; leave it out where files are shipped once")]
    Endless(std::net::SocketAddr),
}

/// An input whose patterns are parsed.
#[derive(Debug, Clone)]
pub struct CheckedInput {
    pub reach: Reach,
    pub from: From,
    pub ignore_older: Option<Duration>,
    pub rotated_dirs: Vec<PathBuf>,
    pub dataset: Option<String>,
    pub topic: TopicTemplate,
    pub labels: Labels,
    pub framer: Arc<Framer>,
    /// What is read instead of files, and its name in the spool.
    pub stream: Option<(String, Stream)>,
}

impl Config {
    /// An agent with the defaults for everything that has one.
    pub fn new(client: ClientConfig, topic: impl Into<String>, checkpoints: impl Into<PathBuf>) -> Self {
        Self {
            client,
            topic: topic.into(),
            labels: BTreeMap::new(),
            checkpoints: checkpoints.into(),
            inputs: Vec::new(),
            from: From::Beginning,
            compression: Compression::Lz4,
            headers: true,
            once: false,
            host_name: host_name(),
            host_identity: None,
            write_gate: None,
            rescan: Duration::from_secs(60),
            open_files_max: 1024,
            watches_max: 1 << 20,
            block_bytes: 1536 * 1024,
            blocks_bytes_max: 32 * 1024 * 1024,
            bytes_per_second_max: None,
            cpu_share_max: None,
            framing_threads_max: framing_threads(),
            linger: Duration::from_millis(5),
            batch_bytes_max: BATCH_BYTES_MAX,
            line_bytes_max: LINE_BYTES_MAX,
            rotated_grace: Duration::from_secs(60),
            copy_grace: Duration::from_secs(10),
            deleted_bytes_max: DELETED_BYTES_MAX,
            deleted_time_max: Duration::from_secs(24 * 3600),
            gzip_bytes_max: GZIP_BYTES_MAX,
            forget_after: Duration::from_secs(24 * 3600),
            flush_interval: Duration::from_secs(1),
            spool_bytes_max: 256 * 1024 * 1024,
            stdin: StandardInput::default(),
        }
    }

    /// Checks ranges and parses patterns.
    pub fn check(&self) -> Result<Vec<CheckedInput>, ConfigError> {
        if self.inputs.iter().all(|input| input.paths.is_empty() && input.stream.is_none()) {
            return Err(ConfigError::NoPaths);
        }
        let rate = self.bytes_per_second_max.map_or(usize::MAX, |rate| usize::try_from(rate).unwrap_or(usize::MAX));
        let share = self.cpu_share_max.map_or(100, |share| share as usize);
        let ranges = [
            ("block_bytes", self.block_bytes, 512, 64 << 20, "512 bytes to 64 MiB"),
            ("batch_bytes_max", self.batch_bytes_max, 1, MESSAGE_BYTES_MAX - 64, "1 byte to just below 1 MiB"),
            ("line_bytes_max", self.line_bytes_max, 1, LINE_BYTES_MAX, "1 byte to 1 MiB"),
            ("open_files_max", self.open_files_max, OPEN_FILES_LEAST, 1 << 20, "16 to 1048576"),
            ("blocks_bytes_max", self.blocks_bytes_max, 64 * 1024, 1 << 40, "at least 64 KiB"),
            ("bytes_per_second_max", rate, 1024, usize::MAX, "at least 1024 bytes"),
            ("cpu_share_max", share, 1, 100_000, "1 percent of a core or more"),
            ("framing_threads_max", self.framing_threads_max, 1, FRAMING_THREADS_MOST, "1 to 16"),
        ];
        for (key, got, least, most, want) in ranges {
            if !(least..=most).contains(&got) {
                return Err(ConfigError::OutOfRange { key, got, want });
            }
        }
        if self.spool_bytes_max < SPOOL_BYTES_MIN {
            let got = self.spool_bytes_max as usize;
            return Err(ConfigError::OutOfRange { key: "spool_bytes_max", got, want: "at least 64 KiB" });
        }
        let mut journals = 0;
        let mut checked: Vec<CheckedInput> = Vec::new();
        for input in &self.inputs {
            let input = self.check_input(input, journals)?;
            if let Some((name, stream)) = &input.stream {
                journals += usize::from(matches!(stream, Stream::Journald(_)));
                if checked.iter().any(|other| other.stream.as_ref().is_some_and(|(other, _)| other == name)) {
                    return Err(ConfigError::Twice(name.clone()));
                }
            }
            checked.push(input);
        }
        Ok(checked)
    }

    fn check_input(&self, input: &Input, journals: usize) -> Result<CheckedInput, ConfigError> {
        let parse =
            |path: &String| Pattern::parse(path).map_err(|source| ConfigError::Pattern { path: path.clone(), source });
        let leave_out =
            |path: &String| Exclude::parse(path).map_err(|source| ConfigError::Pattern { path: path.clone(), source });
        let mut dataset = input.dataset.clone();
        let compile = |format: &Format| {
            Framer::compile(format).map_err(|source| {
                let path = input.paths.first().cloned().unwrap_or_default();
                ConfigError::Format { path, source }
            })
        };
        let mut framer = compile(&input.format)?;
        let stream = input.stream.clone().map(|stream| (stream.name(journals), stream));
        if let Some((name, stream)) = &stream {
            if !input.paths.is_empty() || !input.exclude.is_empty() {
                return Err(ConfigError::Kinds);
            }
            // Where characters have two bytes, no byte ends a line.
            let wide = framer.aligned(1) == 0;
            if input.format.delimiter.is_some() || wide {
                return Err(ConfigError::StreamFormat(name.clone()));
            }
            if let (Stream::Syslog { listen, .. }, true) = (stream, self.once) {
                return Err(ConfigError::Endless(*listen));
            }
            framer = compile(&Format { spool: true, ..input.format.clone() })?;
            dataset = dataset.or_else(|| stream.dataset().map(str::to_owned));
        }
        Ok(CheckedInput {
            reach: Reach {
                patterns: input.paths.iter().map(parse).collect::<Result<_, _>>()?,
                exclude: input.exclude.iter().map(leave_out).collect::<Result<_, _>>()?,
                follow_symlinks: input.follow_symlinks,
            },
            from: input.from.unwrap_or(self.from),
            ignore_older: input.ignore_older,
            rotated_dirs: input.rotated_dirs.clone(),
            dataset,
            topic: TopicTemplate::parse(input.topic.as_ref().unwrap_or(&self.topic))?,
            labels: Labels::check(self.labels.iter().chain(&input.labels))?,
            framer: Arc::new(framer),
            stream,
        })
    }
}

fn framing_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(FRAMING_THREADS_MAX))
}

/// This machine's name as `uname` says it.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
