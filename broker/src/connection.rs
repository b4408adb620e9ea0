//! One client's connection: frames in, answers out in the order of the requests.
//!
//! Reading and answering go on side by side, so that a client may send ahead (pipelining). A request is carried out
//! when its turn comes; only produce appends at once and waits for its flush when its turn comes, so that the requests
//! that one producer has in flight share a flush.

mod answer;
mod incoming;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(crate) use answer::{Answer, Piece};
use incoming::Incoming;

use crate::api;
use crate::limits;
use crate::memory::Share;
use crate::node::Node;
use crate::refusals::{ConnectionRefusal, RequestRefusal};
use crate::security::sasl::Authentication;
use crate::security::stream;
use kafka_wire::frame::FrameError;

/// What becomes of a request when its turn comes.
pub(crate) enum Turn {
    Answer(Answer),
    /// The connection ends behind this answer, which refuses who is at the other end; why, for the trace.
    Last(Answer, String),
    /// Produce with acks=0 has no answer.
    Silent,
    /// The connection ends; why, for the trace.
    Close(&'static str),
}

/// A request being carried out.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Turn> + Send>>;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the client closed the connection")]
    Closed,
    #[error("nothing was asked for too long")]
    Idle,
    #[error("an answer was not taken for too long")]
    Unread,
    #[error("a frame was not finished in time: got {got} bytes")]
    PartialFrame { got: usize },
    #[error("its bytes are not Kafka's protocol")]
    Frame(#[source] FrameError),
    #[error("{1}")]
    Refused(RequestRefusal, String),
    #[error("the broker stops")]
    Stopping,
    #[error("requests of all connections have used up their memory, and this one had {got} bytes of one")]
    NoMemory { got: usize },
    #[error("no TLS connection: {0}")]
    Handshake(String),
    #[error("connection lost")]
    Lost(#[source] std::io::Error),
}

/// Serves one client until it goes, misbehaves, or the broker stops.
pub(crate) async fn serve(node: Arc<Node>, stream: TcpStream, peer: SocketAddr, listener: usize) {
    let Ok(local) = stream.local_addr() else { return };
    // Answers are whole messages: nothing is gained by waiting for more.
    drop(stream.set_nodelay(true));
    let protocol = node.config.listen[listener].protocol;
    let (reader, writer) = match &node.security.acceptor {
        Some(acceptor) if protocol.has_tls() => match shake_hands(acceptor.current(), stream).await {
            Ok(stream) => stream::tls(stream),
            Err(end) => return report(&node, peer, &end),
        },
        _ => stream::plain(stream),
    };
    let session = api::Session {
        peers: api::Peers { peer, local, listener },
        authentication: match protocol.has_sasl() {
            true => Authentication::Wanted,
            false => Authentication::NotAsked,
        },
    };
    let (turns, queue) = mpsc::channel(limits::REQUESTS_IN_FLIGHT_PER_CONNECTION_MAX);
    let mut writing = Box::pin(write_answers(&node, writer, queue));
    let end = tokio::select! {
        end = read_requests(&node, reader, turns, session) => end,
        end = &mut writing => end,
    };
    if matches!(end, End::Stopping) {
        drop(timeout(limits::STOP_DRAIN, writing).await);
    }
    report(&node, peer, &end);
}

/// A client that does not speak TLS, or has no certificate that is accepted, ends here.
async fn shake_hands(acceptor: TlsAcceptor, stream: TcpStream) -> Result<TlsStream<TcpStream>, End> {
    match timeout(limits::FRAME_TIME, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(End::Handshake(error.to_string())),
        Err(_) => Err(End::Handshake("it was not finished in time".to_owned())),
    }
}

fn report(node: &Node, peer: SocketAddr, end: &End) {
    let ended = || tracing::debug!(%peer, "connection ended: {end}");
    let ended_by = |limit| {
        node.counters.connections_refused.count(limit);
        ended();
    };
    let reason = match end {
        End::Stopping => return,
        End::Closed | End::Lost(_) => return ended(),
        End::Idle => return ended_by(ConnectionRefusal::Idle),
        End::Unread => return ended_by(ConnectionRefusal::Unread),
        End::PartialFrame { .. } => RequestRefusal::HalfRead,
        End::Frame(error) => error.into(),
        End::Refused(reason, _) => *reason,
        End::Handshake(_) => RequestRefusal::Tls,
        End::NoMemory { .. } => RequestRefusal::NoMemory,
    };
    node.counters.requests_refused.count(reason);
    node.warnings.warn(|more| {
        let source = std::error::Error::source(end).map(|source| format!(": {source}")).unwrap_or_default();
        tracing::warn!(%peer, more_since_the_last_warning = more, "connection closed: {end}{source}");
    });
}

async fn read_requests(
    node: &Arc<Node>,
    mut reader: stream::Reader,
    turns: mpsc::Sender<Pending>,
    mut session: api::Session,
) -> End {
    let mut incoming = Incoming::new(node.request_memory.share());
    let mut frame_began = Instant::now();
    loop {
        loop {
            let is_known = session.is_known();
            let bytes_max = if is_known { node.config.request_bytes_max } else { limits::UNKNOWN_REQUEST_BYTES_MAX };
            match incoming.take(bytes_max) {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    // The place in the queue first: a produce request must not be appended before there is room for
                    // its answer.
                    let place = tokio::select! {
                        place = turns.reserve() => place,
                        () = node.stop.cancelled() => return End::Stopping,
                    };
                    let Ok(place) = place else { return End::Closed };
                    frame_began = Instant::now();
                    match api::begin(node, &mut session, frame) {
                        Ok(pending) => place.send(match incoming.held_by_request() {
                            Some(held) => holding(pending, held),
                            None => pending,
                        }),
                        Err((reason, said)) => return End::Refused(reason, said),
                    }
                }
                Err(error) => return End::Frame(error),
            }
        }
        if incoming.len() == 0 {
            frame_began = Instant::now();
        }
        let patience = match incoming.len() {
            0 if incoming.is_kept() => limits::REUSED_REQUEST_MEMORY_TIME,
            0 if session.is_known() => node.config.connection_idle,
            0 => limits::FRAME_TIME,
            got => limits::FRAME_TIME + Duration::from_secs(got as u64 / limits::FRAME_BYTES_PER_SECOND_MIN),
        };
        let got = incoming.len();
        let step = tokio::select! {
            step = timeout(limits::REQUEST_MEMORY_WAIT, incoming.make_room()) => match step {
                Ok(step) => step,
                Err(_) => return End::NoMemory { got },
            },
            () = node.stop.cancelled() => return End::Stopping,
        };
        let read = tokio::select! {
            read = timeout_at(frame_began + patience, incoming.read(&mut reader, step)) => read,
            () = node.stop.cancelled() => return End::Stopping,
        };
        match read {
            Err(_) if incoming.is_kept() => incoming.give_back(),
            Err(_) if got == 0 => return End::Idle,
            Err(_) => return End::PartialFrame { got },
            Ok(Err(error)) => return End::Lost(error),
            Ok(Ok(0)) => return End::Closed,
            Ok(Ok(count)) => {
                if got == 0 {
                    frame_began = Instant::now();
                }
                node.counters.bytes_in.inc_by(count as u64);
            }
        }
    }
}

/// A request that holds its share of the memory until it is answered.
fn holding(pending: Pending, held: Share) -> Pending {
    Box::pin(async move {
        let turn = pending.await;
        drop(held);
        turn
    })
}

async fn write_answers(node: &Arc<Node>, mut writer: stream::Writer, mut queue: mpsc::Receiver<Pending>) -> End {
    while let Some(pending) = queue.recv().await {
        match pending.await {
            Turn::Silent => {}
            Turn::Close(said) => return End::Refused(RequestRefusal::Unanswerable, said.to_owned()),
            Turn::Last(answer, said) => {
                // A moment for the client to read why, and no more attempts than one in that time.
                tokio::time::sleep(limits::FAILED_AUTHENTICATION_DELAY).await;
                drop(timeout(limits::STOP_DRAIN, answer.write(&mut writer)).await);
                drop(writer.shutdown().await);
                return End::Refused(RequestRefusal::Authentication, said);
            }
            Turn::Answer(answer) => {
                node.counters.bytes_out.inc_by(answer.len() as u64);
                // A client that does not take its answers holds one of them in memory, and not for ever.
                match timeout(node.config.connection_idle, answer.write(&mut writer)).await {
                    Err(_) => return End::Unread,
                    Ok(Err(error)) => return End::Lost(error),
                    Ok(Ok(())) => {}
                }
            }
        }
    }
    drop(writer.shutdown().await);
    End::Stopping
}
