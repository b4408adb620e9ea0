//! One broker, as the producer sees it: its connection, the lanes that wait for it, the requests it has not answered.

use std::collections::VecDeque;
use std::pin::Pin;

use bytes::Bytes;
use kafka_wire::protocol::messages::{ProduceRequest, ProduceResponse};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::IN_FLIGHT_MAX;
use crate::connection::Connection;
use crate::error::{ClientError, ConnectionError};

/// What happens outside of the dispatcher.
pub(super) enum Event {
    Connected { node: i32, result: Result<Connection, ClientError> },
    Answered { node: i32, batches: Vec<InFlight>, result: Result<ProduceResponse, ConnectionError> },
    Refreshed(Result<(), ClientError>),
}

/// A batch in a request: its lane, and which of the lane's batches it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    pub lane: usize,
    pub ordinal: u64,
}

/// A request that was sent.
pub(super) struct Sent {
    pub version: i16,
    pub batches: Vec<InFlight>,
    pub response: Pin<Box<dyn Future<Output = Result<Bytes, ConnectionError>> + Send>>,
}

#[derive(Default)]
pub(super) struct Node {
    line: Option<Line>,
    /// An attempt to connect is on its way.
    pub connecting: bool,
    /// Requests without an answer, on this connection and on lost ones.
    pub in_flight: usize,
    /// Lanes with something to send, each once.
    pub ready: VecDeque<usize>,
    /// The broker asked for a pause (KIP-219).
    pub muted_until: Option<Instant>,
}

struct Line {
    connection: Connection,
    sent: mpsc::UnboundedSender<Sent>,
}

impl Node {
    pub fn has_room(&self, now: Instant) -> bool {
        self.in_flight < IN_FLIGHT_MAX && self.muted_until.is_none_or(|until| until <= now)
    }

    /// The connection, unless it has ended.
    pub fn connection(&self) -> Option<Connection> {
        self.line.as_ref().map(|line| line.connection.clone()).filter(|connection| !connection.is_ended())
    }

    /// Takes a new connection into use. Answers are handed on in the order of the requests.
    pub fn connected(&mut self, node: i32, connection: Connection, events: mpsc::UnboundedSender<Event>) {
        let (sent, queue) = mpsc::unbounded_channel();
        tokio::spawn(collect(node, connection.clone(), queue, events));
        self.line = Some(Line { connection, sent });
    }

    /// Notes a request that was sent on the current connection.
    pub fn sent(&mut self, sent: Sent) {
        self.in_flight += 1;
        if let Some(line) = &self.line {
            // The collector ends only after this sender.
            let _ = line.sent.send(sent);
        }
    }
}

/// Waits for the responses of one connection, in order.
async fn collect(
    node: i32,
    connection: Connection,
    mut queue: mpsc::UnboundedReceiver<Sent>,
    events: mpsc::UnboundedSender<Event>,
) {
    while let Some(Sent { version, batches, response }) = queue.recv().await {
        let result = response.await.and_then(|frame| connection.decode::<ProduceRequest>(frame, version));
        if events.send(Event::Answered { node, batches, result }).is_err() {
            return;
        }
    }
}
