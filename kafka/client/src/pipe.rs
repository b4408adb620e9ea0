//! Frames in flight on one stream: requests go out in order, responses come back in the same order.
//!
//! One task writes and one reads. Either ends the pipe at its first failure; whoever waits for a response then learns
//! the reason. Nothing is sent twice here: a pipe that has ended stays ended.

use std::collections::VecDeque;
use std::future::Future;
use std::io::IoSlice;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_wire::frame;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::ConnectionError;
use crate::lock::lock;
use crate::transport::Transport;

/// First reservation of the read buffer. It doubles while one frame fills it that is larger than any before.
const READ_BYTES: usize = 64 * 1024;
/// Bytes of queued requests that one write may gather, so that a slow stream does not collect a long queue twice.
const WRITE_BYTES: usize = 1024 * 1024;

/// A stream with requests in flight. Clones share it; it ends when the last one is dropped and nothing is in flight.
#[derive(Clone)]
pub(crate) struct Pipe {
    requests: mpsc::UnboundedSender<Outgoing>,
    state: Arc<State>,
}

struct State {
    /// Written, not yet answered, in order.
    in_flight: Mutex<VecDeque<InFlight>>,
    /// Wakes the reader's deadline when the first request goes out.
    written: Notify,
    ended: CancellationToken,
    reason: Mutex<Option<ConnectionError>>,
}

/// A request: a whole frame in parts, so that record batches are not copied into it.
struct Outgoing {
    parts: Vec<Bytes>,
    in_flight: InFlight,
}

struct InFlight {
    correlation_id: i32,
    timeout: Duration,
    deadline: Instant,
    reply: oneshot::Sender<Bytes>,
}

impl Pipe {
    /// Starts the two tasks on the current runtime.
    pub fn new(transport: Transport, response_bytes_max: usize) -> Self {
        let (requests, outgoing) = mpsc::unbounded_channel();
        let state = Arc::new(State {
            in_flight: Mutex::default(),
            written: Notify::new(),
            ended: CancellationToken::new(),
            reason: Mutex::default(),
        });
        let Transport { reader, writer } = transport;
        tokio::spawn(run_writer(writer, outgoing, Arc::clone(&state)));
        tokio::spawn(run_reader(reader, response_bytes_max, Arc::clone(&state)));
        Self { requests, state }
    }

    /// Queues a frame; the order of calls is the order on the wire. The future resolves with the response's frame,
    /// correlation id included.
    pub fn send(
        &self,
        parts: Vec<Bytes>,
        correlation_id: i32,
        timeout: Duration,
    ) -> impl Future<Output = Result<Bytes, ConnectionError>> + Send + use<> {
        let (reply, response) = oneshot::channel();
        let in_flight = InFlight { correlation_id, timeout, deadline: Instant::now() + timeout, reply };
        // When the writer has gone, the reply goes with the request, and the wait below ends.
        let _ = self.requests.send(Outgoing { parts, in_flight });
        let pipe = self.clone();
        async move { response.await.map_err(|_| pipe.state.reason()) }
    }

    /// Ends the pipe because of something that a response said.
    pub fn fail(&self, reason: ConnectionError) {
        self.state.end(reason);
    }

    pub fn is_ended(&self) -> bool {
        self.state.ended.is_cancelled()
    }
}

impl State {
    fn end(&self, reason: ConnectionError) {
        lock(&self.reason).get_or_insert(reason);
        self.ended.cancel();
        // Dropping the replies wakes everybody who waits.
        lock(&self.in_flight).clear();
    }

    fn reason(&self) -> ConnectionError {
        lock(&self.reason).clone().unwrap_or(ConnectionError::Closed)
    }

    /// Notes a request that is about to be written; false when the pipe has ended.
    fn expect(&self, request: InFlight) -> bool {
        let mut in_flight = lock(&self.in_flight);
        // Under the lock: `end` clears the queue after this flag is set, so no request is left behind in it.
        if self.ended.is_cancelled() {
            return false;
        }
        in_flight.push_back(request);
        true
    }

    /// Hands a response to the oldest request.
    fn answer(&self, response: Bytes) -> Result<(), ConnectionError> {
        let oldest = lock(&self.in_flight).pop_front().ok_or(ConnectionError::Unasked)?;
        let want = oldest.correlation_id;
        let got = response.first_chunk().map(|id| i32::from_be_bytes(*id)).ok_or(ConnectionError::Unasked)?;
        if got != want {
            return Err(ConnectionError::Correlation { got, want });
        }
        // Whoever asked may have stopped waiting.
        let _ = oldest.reply.send(response);
        Ok(())
    }

    /// Resolves when a request has waited too long.
    async fn overdue(&self) -> ConnectionError {
        loop {
            let next = lock(&self.in_flight).iter().map(|request| (request.deadline, request.timeout)).min();
            match next {
                None => self.written.notified().await,
                Some((deadline, timeout)) if deadline <= Instant::now() => {
                    return ConnectionError::RequestTimeout(timeout);
                }
                Some((deadline, _)) => tokio::select! {
                    () = tokio::time::sleep_until(deadline) => {}
                    () = self.written.notified() => {}
                },
            }
        }
    }
}

async fn run_writer(
    mut writer: Box<dyn AsyncWrite + Send + Unpin>,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    state: Arc<State>,
) {
    let write = async {
        while let Some(first) = outgoing.recv().await {
            let mut parts = Parts::default();
            let mut next = Some(first);
            while let Some(Outgoing { parts: frame, in_flight }) = next {
                // Before the write: the answer may be there before this task runs again.
                if !state.expect(in_flight) {
                    return Ok(());
                }
                parts.extend(frame);
                next = if parts.remaining() < WRITE_BYTES { outgoing.try_recv().ok() } else { None };
            }
            state.written.notify_one();
            writer.write_all_buf(&mut parts).await?;
            writer.flush().await?;
        }
        Ok::<(), std::io::Error>(())
    };
    let reason = tokio::select! {
        result = write => result.map_or_else(ConnectionError::from, |()| ConnectionError::Closed),
        () = state.ended.cancelled() => return,
    };
    state.end(reason);
}

async fn run_reader(mut reader: Box<dyn AsyncRead + Send + Unpin>, response_bytes_max: usize, state: Arc<State>) {
    let read = async {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        // The largest frame that has come.
        let mut largest = 0;
        loop {
            while let Some(response) = frame::take(&mut buffer, response_bytes_max).map_err(ConnectionError::Frame)? {
                largest = largest.max(frame::LENGTH_BYTES + response.len());
                state.answer(response)?;
            }
            if let Some(bytes) = to_reserve(&buffer, largest) {
                buffer.reserve(bytes);
            }
            if reader.read_buf(&mut buffer).await? == 0 {
                return Err::<(), _>(ConnectionError::ClosedByPeer);
            }
        }
    };
    let reason = tokio::select! {
        result = read => result.err().unwrap_or(ConnectionError::Closed),
        reason = state.overdue() => reason,
        () = state.ended.cancelled() => return,
    };
    state.end(reason);
}

/// How much more room the next read wants: all of the frame that has begun, if one as large has come before, since a buffer
/// that grows is copied, and what it has too much stays in memory with the frame. Otherwise not what the frame announces, only
/// as much again as has really come.
fn to_reserve(buffer: &BytesMut, largest: usize) -> Option<usize> {
    let free = buffer.capacity() - buffer.len();
    match frame::missing(buffer) {
        Some(missing) if buffer.len() + missing <= largest => (free < missing).then_some(missing),
        _ => (free < READ_BYTES / 2).then_some(buffer.len().max(READ_BYTES)),
    }
}

/// The bytes of several frames, written with as few system calls as vectored writes allow.
#[derive(Default)]
struct Parts {
    parts: VecDeque<Bytes>,
    remaining: usize,
}

impl Parts {
    fn extend(&mut self, frame: Vec<Bytes>) {
        for part in frame.into_iter().filter(|part| !part.is_empty()) {
            self.remaining += part.len();
            self.parts.push_back(part);
        }
    }
}

impl Buf for Parts {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map_or(&[], |part| part)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let count = self.parts.len().min(slices.len());
        for (slice, part) in slices.iter_mut().zip(&self.parts) {
            *slice = IoSlice::new(part);
        }
        count
    }

    fn advance(&mut self, mut count: usize) {
        self.remaining -= count;
        while let Some(front) = self.parts.front_mut() {
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.parts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_reserved_than_has_come_before() {
        let check = |announced: u32, come: usize, capacity: usize, largest: usize, want: Option<usize>| {
            let mut buffer = BytesMut::with_capacity(capacity);
            buffer.extend_from_slice(&announced.to_be_bytes());
            buffer.resize(come, 0);
            assert_eq!(buffer.capacity(), capacity);
            assert_eq!(
                to_reserve(&buffer, largest),
                want,
                "{announced} announced, {come} of {capacity}, {largest} before"
            );
        };
        let (frame, whole) = (8 << 20, (8 << 20) + 4);
        // As much as has come, or what fits behind it.
        check(frame, READ_BYTES, READ_BYTES, 0, Some(READ_BYTES));
        check(frame, 3 * READ_BYTES, 3 * READ_BYTES, whole - 1, Some(3 * READ_BYTES));
        check(frame, 4, READ_BYTES, 0, None);
        // As large a frame was there before.
        check(frame, 4, READ_BYTES, whole, Some(whole - 4));
        check(frame, READ_BYTES, whole, whole, None);
        check(100, 50, 104, whole, None);
        check(100, 50, 100, whole, Some(54));
        // What no frame can have is refused elsewhere.
        check(u32::MAX, READ_BYTES, READ_BYTES, whole, Some(READ_BYTES));
    }
}
