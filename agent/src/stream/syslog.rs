//! Syslog over UDP and TCP: messages of RFC 3164 and RFC 5424 go to the spool as they are, with their sender's address.

use super::frames::{Frames, put_message};
use super::kernel;
use super::writer::{Closed, Refused, Writer};
use crate::metrics::Metrics;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Longer messages are cut: no datagram is longer, and what connections hold stays below 32 MiB.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Senders that are connected at a time; more are turned away, so that descriptors and memory are bounded.
const CONNECTIONS_MAX: usize = 512;
/// A connection that has been quiet for so long is closed: its sender is gone, or will connect again. Syslog daemons keep
/// theirs open for hours without a message, and lose what they write into a closed one.
const IDLE_MAX: Duration = Duration::from_secs(3600);
/// Bytes of one read from a connection.
const READ_BYTES: usize = 16 * 1024;
/// What datagrams wait in while the agent is busy: a second of 8 MB/s.
const RECEIVE_BUFFER_BYTES: usize = 8 * 1024 * 1024;
/// Entries of datagrams that are written at once.
const DATAGRAMS_BYTES_MAX: usize = 256 * 1024;
/// How often the kernel is asked for datagrams that it had no room for.
const DROPS_INTERVAL: Duration = Duration::from_secs(1);
/// Least time between two messages about datagrams that were lost.
const LOST_INTERVAL: Duration = Duration::from_secs(10);
/// Pause after an accept that failed: descriptors may be free again by then.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Over what syslog comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    Udp,
    Tcp,
    #[default]
    Both,
}

/// Sockets that are bound and listen.
#[derive(Debug)]
pub struct Sockets {
    udp: Option<UdpSocket>,
    tcp: Option<TcpListener>,
    pub address: SocketAddr,
}

impl Sockets {
    /// With port 0, both protocols get the same free one.
    pub fn bind(listen: SocketAddr, protocol: Protocol) -> io::Result<Self> {
        let tcp = if protocol == Protocol::Udp { None } else { Some(TcpListener::bind(listen)?) };
        let address = tcp.as_ref().map_or(Ok(listen), TcpListener::local_addr)?;
        let udp = if protocol == Protocol::Tcp { None } else { Some(UdpSocket::bind(address)?) };
        let address = udp.as_ref().map_or(Ok(address), UdpSocket::local_addr)?;
        if let Some(udp) = &udp {
            kernel::enlarge_receive_buffer(udp, RECEIVE_BUFFER_BYTES);
            udp.set_nonblocking(true)?;
        }
        if let Some(tcp) = &tcp {
            tcp.set_nonblocking(true)?;
        }
        Ok(Self { udp, tcp, address })
    }
}

/// Receives until `stop`.
pub async fn run(
    sockets: Sockets,
    writer: Arc<Writer>,
    metrics: Metrics,
    message_bytes_max: usize,
    stop: CancellationToken,
) {
    let bytes_max = message_bytes_max.min(MESSAGE_BYTES_MAX);
    let udp = async {
        match sockets.udp.map(tokio::net::UdpSocket::from_std) {
            Some(Ok(socket)) => receive(socket, &writer, &metrics, bytes_max).await,
            Some(Err(error)) => writer.set_problem(Some(format!("cannot receive: {error}"))),
            None => {}
        }
        std::future::pending::<()>().await;
    };
    let tcp = async {
        match sockets.tcp.map(tokio::net::TcpListener::from_std) {
            Some(Ok(listener)) => accept(listener, &writer, &metrics, bytes_max, &stop).await,
            Some(Err(error)) => writer.set_problem(Some(format!("cannot listen: {error}"))),
            None => {}
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = udp => {}
        () = tcp => {}
    }
    writer.end(None);
}

/// Every datagram is a message (RFC 5426). What the spool has no room for is lost, and counted.
async fn receive(socket: tokio::net::UdpSocket, writer: &Writer, metrics: &Metrics, bytes_max: usize) {
    let mut datagram = vec![0; MESSAGE_BYTES_MAX];
    let mut entries = Vec::new();
    let mut drops = kernel::Drops::of(&socket);
    let mut asked_at = Instant::now();
    let mut lost = Lost::default();
    loop {
        let wait = DROPS_INTERVAL.saturating_sub(asked_at.elapsed());
        let readable = tokio::time::timeout(wait, socket.readable()).await;
        if asked_at.elapsed() >= DROPS_INTERVAL {
            asked_at = Instant::now();
            metrics.datagrams_overrun.inc_by(lost.note(writer, drops.since()));
        }
        if readable.is_err() {
            continue;
        }
        entries.clear();
        let mut messages = 0;
        while entries.len() < DATAGRAMS_BYTES_MAX {
            match socket.try_recv_from(&mut datagram) {
                Ok((bytes, sender)) => {
                    messages += 1;
                    let cut = put_message(&datagram[..bytes], &text(sender), bytes_max, false, &mut entries);
                    metrics.messages_cut.inc_by(u64::from(cut));
                }
                // An answer to nothing (ICMP) shows here too; the socket goes on.
                Err(_) => break,
            }
        }
        if entries.is_empty() {
            continue;
        }
        match writer.try_append(&entries, None) {
            Ok(()) => {
                metrics.messages_received.inc_by(messages);
            }
            Err(Refused::Closed) => return,
            Err(Refused::Full | Refused::Io(_)) => {
                metrics.datagrams_refused.inc_by(lost.note(writer, messages));
            }
        }
    }
}

/// Datagrams that nobody was told of yet.
#[derive(Default)]
struct Lost {
    count: u64,
    said_at: Option<Instant>,
}

impl Lost {
    /// Says from time to time how many were lost; returns `more`.
    fn note(&mut self, writer: &Writer, more: u64) -> u64 {
        self.count += more;
        if self.count > 0 && self.said_at.is_none_or(|said_at| said_at.elapsed() >= LOST_INTERVAL) {
            tracing::warn!("{}: {} datagrams are lost: there was no room for them", writer.name(), self.count);
            *self = Self { count: 0, said_at: Some(Instant::now()) };
        }
        more
    }
}

async fn accept(
    listener: tokio::net::TcpListener,
    writer: &Arc<Writer>,
    metrics: &Metrics,
    bytes_max: usize,
    stop: &CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let (stream, sender) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("{}: cannot accept a connection: {error}", writer.name());
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            metrics.connections_refused.inc();
            tracing::warn!("{}: {sender} is turned away: {CONNECTIONS_MAX} senders are connected", writer.name());
            continue;
        };
        let (writer, metrics, stop) = (Arc::clone(writer), metrics.clone(), stop.clone());
        tokio::spawn(async move {
            metrics.connections.inc();
            let source = text(sender);
            tokio::select! {
                () = stop.cancelled() => {}
                outcome = connection(stream, &source, &writer, &metrics, bytes_max) => {
                    if let Err(error) = outcome {
                        tracing::debug!("{}: the connection of {source} ended: {error}", writer.name());
                    }
                }
            }
            metrics.connections.dec();
            drop(place);
        });
    }
}

/// Reads until the sender has nothing more to say. While the spool is full, nothing is read.
async fn connection(
    mut stream: tokio::net::TcpStream,
    source: &str,
    writer: &Writer,
    metrics: &Metrics,
    bytes_max: usize,
) -> io::Result<()> {
    let mut frames = Frames::new(bytes_max);
    let mut buffer = vec![0; READ_BYTES];
    let mut entries = Vec::new();
    let ended = loop {
        let read = match tokio::time::timeout(IDLE_MAX, stream.read(&mut buffer)).await {
            Ok(Ok(0)) => break Ok(()),
            Ok(Ok(read)) => read,
            Ok(Err(error)) => break Err(error),
            Err(_) => break Err(io::ErrorKind::TimedOut.into()),
        };
        entries.clear();
        metrics.messages_cut.inc_by(frames.take(&buffer[..read], source, &mut entries));
        if put(writer, metrics, &entries).await.is_err() {
            return Ok(());
        }
    };
    entries.clear();
    metrics.messages_cut.inc_by(frames.finish(source, &mut entries));
    let _ = put(writer, metrics, &entries).await;
    ended
}

async fn put(writer: &Writer, metrics: &Metrics, entries: &[u8]) -> Result<(), Closed> {
    if !entries.is_empty() {
        writer.append(entries, None).await?;
        metrics.messages_received.inc_by(crate::format::spool::count(entries));
    }
    Ok(())
}

/// An address as people write it, also when it came to a socket of the other family.
fn text(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}
