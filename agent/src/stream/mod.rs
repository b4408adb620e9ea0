//! Inputs that are no files: standard input, syslog over the network, systemd's journal. What they bring goes to the
//! [`spool`], whose segments the engine reads as it reads files. So a killed agent loses nothing that is in the spool,
//! and a broker that does not take lines makes the spool fill up and then the sources wait: standard input and TCP are
//! not read, the journal is not asked. Only datagrams cannot wait; those that find no room are counted.
//!
//! All of it runs outside of the engine's thread. Each stream has one writer.

mod disk;
mod export;
mod frames;
mod journald;
mod kernel;
mod spool;
mod stdin;
mod syslog;
mod writer;

pub use journald::Journald;
pub use spool::{Segment, Spool};
pub use stdin::StandardInput;
pub use syslog::Protocol;

use crate::config::{CheckedInput, Config};
use crate::metrics::Metrics;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use syslog::Sockets;
use tokio_util::sync::CancellationToken;
use writer::Writer;

/// What an input reads that has no paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stream {
    Stdin,
    Syslog { listen: SocketAddr, protocol: Protocol },
    Journald(Journald),
}

impl Stream {
    /// The dataset of its lines when none is given; `None`: detected from the first ones.
    pub fn dataset(&self) -> Option<&'static str> {
        match self {
            Self::Stdin => None,
            Self::Syslog { .. } => Some("syslog"),
            Self::Journald(_) => Some("journald"),
        }
    }

    /// Its name in the spool; `before` are the streams of the inputs in front of it. The journal's has no unit in it:
    /// another choice of units goes on where reading stood.
    pub fn name(&self, before: usize) -> String {
        match self {
            Self::Stdin => "stdin".to_owned(),
            Self::Syslog { listen, .. } => format!("syslog-{listen}"),
            Self::Journald(_) if before == 0 => journald::STREAM.to_owned(),
            Self::Journald(_) => format!("{}{}", journald::STREAM, before + 1),
        }
    }
}

/// What kind of stream has this name.
pub fn kind_of(name: &str) -> &'static str {
    ["syslog", journald::STREAM].into_iter().find(|kind| name.starts_with(kind)).unwrap_or("stdin")
}

/// The dataset of a stream of an earlier run, of which only the name is left.
pub fn dataset_of(name: &str) -> Option<&'static str> {
    Some(kind_of(name)).filter(|kind| *kind != "stdin")
}

/// How far a source was read, by the last entry of its stream.
fn mark_of(stream: &str, value: &[u8]) -> Option<String> {
    if stream.starts_with(journald::STREAM) { journald::cursor_of(value) } else { None }
}

/// A socket that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("listen for syslog on {address}")]
pub struct ListenError {
    pub address: SocketAddr,
    #[source]
    pub source: io::Error,
}

/// Opens the spool of an agent. `wake` is called when there is something in it.
pub fn open_spool(
    config: &Config,
    inputs: &[CheckedInput],
    wake: impl Fn() + Send + Sync + 'static,
) -> io::Result<Arc<Spool>> {
    let streams = inputs.iter().filter(|input| input.stream.is_some()).count();
    Spool::open(&config.checkpoints, streams, config.spool_bytes_max, mark_of, wake).map(Arc::new)
}

/// The sources of a running agent.
#[derive(Debug)]
pub struct Streams {
    spool: Arc<Spool>,
    writers: Vec<Arc<Writer>>,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    /// Where syslog is received, by input.
    pub addresses: Vec<SocketAddr>,
}

/// Sockets that are bound before anything starts, so that an address in use is an error of the start.
pub fn bind(inputs: &[CheckedInput]) -> Result<Vec<Sockets>, ListenError> {
    let listens = inputs.iter().filter_map(|input| match &input.stream {
        Some((_, Stream::Syslog { listen, protocol })) => Some((*listen, *protocol)),
        _ => None,
    });
    listens
        .map(|(address, protocol)| Sockets::bind(address, protocol).map_err(|source| ListenError { address, source }))
        .collect()
}

impl Streams {
    /// Begins to read all sources. `sockets` are those of [`bind`].
    pub fn start(
        config: &Config,
        inputs: &[CheckedInput],
        sockets: Vec<Sockets>,
        spool: Arc<Spool>,
        metrics: &Metrics,
    ) -> io::Result<Self> {
        let addresses = sockets.iter().map(|sockets| sockets.address).collect();
        let mut sockets = sockets.into_iter();
        let mut streams =
            Self { spool, writers: Vec::new(), stop: CancellationToken::new(), tasks: Vec::new(), addresses };
        let line_bytes_max = config.line_bytes_max;
        for input in inputs {
            let Some((name, stream)) = &input.stream else { continue };
            let writer = Arc::new(Writer::new(Arc::clone(&streams.spool), name)?);
            streams.writers.push(Arc::clone(&writer));
            let stop = streams.stop.clone();
            match stream {
                Stream::Stdin => {
                    let open = config.stdin.clone();
                    // It may wait for input for ever: nobody waits for this thread.
                    std::thread::Builder::new()
                        .name("stdin".to_owned())
                        .spawn(move || stdin::run((open.0)(), &writer, line_bytes_max))?;
                }
                Stream::Syslog { .. } => {
                    let Some(sockets) = sockets.next() else { continue };
                    let metrics = metrics.clone();
                    streams.tasks.push(tokio::spawn(async move {
                        syslog::run(sockets, writer, metrics, line_bytes_max, stop).await;
                    }));
                }
                Stream::Journald(journal) => {
                    let wanted = journald::Wanted {
                        journal: journal.clone(),
                        from: input.from,
                        once: config.once,
                        line_bytes_max,
                    };
                    streams.tasks.push(tokio::spawn(async move { journald::run(wanted, &writer, stop).await }));
                }
            }
        }
        Ok(streams)
    }

    /// Reads no more, and waits until the sockets are closed.
    pub async fn stop(mut self) {
        self.stop.cancel();
        for task in std::mem::take(&mut self.tasks) {
            // It has no more to say, whatever happened to it.
            let _ = task.await;
        }
    }
}

impl Drop for Streams {
    /// As after a kill: not one more write, and none that is under way afterwards.
    fn drop(&mut self) {
        self.stop.cancel();
        self.spool.close();
        self.writers.iter().for_each(|writer| writer.release());
    }
}

#[cfg(test)]
mod tests {
    use crate::format::spool::{Front, front};

    /// The values of entries, and whether they are cut.
    pub fn values(mut entries: &[u8]) -> Vec<(String, bool)> {
        let mut values = Vec::new();
        while let Front::Whole(entry) = front(entries) {
            values.push((String::from_utf8_lossy(entry.value).into_owned(), entry.cut));
            entries = &entries[entry.bytes..];
        }
        assert!(entries.is_empty());
        values
    }
}
