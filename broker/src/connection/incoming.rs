//! The buffer that requests arrive in.
//!
//! It grows as bytes arrive, never because a frame announces them. It is used again for the next request as soon as nobody
//! holds the last one, since memory that is fresh costs a page fault for every page, together more than the copy into it; and
//! it is given back when nothing comes for a moment, or when the memory of all requests gets scarce.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_wire::frame::{self, FrameError};
use std::io;
use tokio::io::AsyncReadExt;

use crate::limits;
use crate::memory::Share;
use crate::security::stream::Reader;

/// What is read, at least, when nothing is known of what comes.
const FIRST_READ_BYTES: usize = 4096;

pub(super) struct Incoming {
    buffer: BytesMut,
    /// Covers what has been made room for, beyond what every connection may have.
    memory: Share,
    /// Size of a recent request that has arrived whole: for the next one there is room for as much at once.
    proven: usize,
    /// Bytes that the buffer's memory has, as far as is known.
    allocated: usize,
}

impl Incoming {
    pub fn new(memory: Share) -> Self {
        Self { buffer: BytesMut::new(), memory, proven: 0, allocated: 0 }
    }

    /// Bytes that have arrived and belong to no request yet.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Takes one whole request; `None`: more of it has to arrive.
    pub fn take(&mut self, bytes_max: usize) -> Result<Option<Bytes>, FrameError> {
        let frame = frame::take(&mut self.buffer, bytes_max)?;
        if let Some(frame) = &frame {
            let bytes = frame.len() + frame::LENGTH_BYTES;
            // Small requests among large ones do not make it forget.
            self.proven = bytes.max(self.proven / 2).min(limits::REUSED_REQUEST_BYTES_MAX);
        }
        Ok(frame)
    }

    /// What the request that was taken and begun holds of the memory until it is answered: nothing where its bytes are done
    /// with, so that the buffer can be used again.
    pub fn held_by_request(&mut self) -> Option<Share> {
        if counted(self.allocated) > 0 {
            let left = self.buffer.len();
            // Moves what is left to the front, unless somebody still holds what lay there.
            let is_free = self.buffer.try_reclaim(self.allocated.saturating_sub(left));
            let is_covered = !self.memory.is_empty() && !self.memory.is_scarce();
            if is_free && is_covered && self.allocated <= limits::REUSED_REQUEST_BYTES_MAX {
                return None;
            }
            if is_free || left <= FIRST_READ_BYTES {
                self.buffer = BytesMut::from(self.buffer.chunk());
            }
            self.allocated = self.buffer.capacity();
        }
        Some(self.memory.split_beyond(counted(self.buffer.len()))).filter(|held| !held.is_empty())
    }

    /// Whether memory is kept for a request that has not begun to arrive.
    pub fn is_kept(&self) -> bool {
        self.buffer.is_empty() && !self.memory.is_empty()
    }

    /// Gives back what is kept.
    pub fn give_back(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
            self.allocated = 0;
            drop(self.memory.split_beyond(0));
        }
    }

    /// Makes room for what comes next, when the memory of all requests allows it; gives the bytes to [`Incoming::read`].
    pub async fn make_room(&mut self) -> usize {
        let have = self.buffer.len();
        let grown = limits::READ_STEP_BYTES.min(FIRST_READ_BYTES + have);
        let step = match frame::missing(&self.buffer) {
            None => grown,
            // Not beyond its end: that would be moved to the front again.
            Some(missing) => grown.max(self.proven.saturating_sub(have)).min(missing).max(FIRST_READ_BYTES),
        };
        self.memory.grow_to(counted(have + step)).await;
        self.buffer.reserve(step);
        self.allocated = self.allocated.max(self.buffer.capacity());
        step
    }

    /// Reads at most `step` bytes, which there is room for; 0 at the end of the stream.
    pub async fn read(&mut self, reader: &mut Reader, step: usize) -> io::Result<usize> {
        reader.read_buf(&mut (&mut self.buffer).limit(step)).await
    }
}

/// What a buffer of `bytes` takes of the budget: small ones are a connection's own business, and their number is limited.
fn counted(bytes: usize) -> usize {
    if bytes <= limits::FREE_REQUEST_BYTES { 0 } else { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::RequestMemory;

    const BYTES_MAX: usize = 64 << 20;
    const BODY_BYTES: usize = 500_000;

    /// Lets a request of `body` bytes, and `more` behind it, arrive; gives its reads and the request.
    async fn arrive(incoming: &mut Incoming, body: usize, more: &[u8]) -> (usize, Bytes) {
        let mut stream = (body as i32).to_be_bytes().to_vec();
        stream.resize(frame::LENGTH_BYTES + body, 7);
        stream.extend(more);
        let (mut stream, mut reads) = (&stream[..], 0);
        loop {
            if let Some(frame) = incoming.take(BYTES_MAX).expect("a sound length") {
                assert!(frame.len() == body && frame.iter().all(|byte| *byte == 7));
                return (reads, frame);
            }
            let step = incoming.make_room().await;
            let (now, later) = stream.split_at(step.min(stream.len()));
            assert!(!now.is_empty(), "all has arrived");
            incoming.buffer.put_slice(now);
            (stream, reads) = (later, reads + 1);
        }
    }

    #[tokio::test]
    async fn a_buffer_is_used_again_and_given_back() {
        let memory = RequestMemory::new(4 << 20);
        let mut incoming = Incoming::new(memory.share());
        let (reads, frame) = arrive(&mut incoming, BODY_BYTES, &[]).await;
        assert!(reads > 5, "it grows as bytes arrive: {reads} reads");
        drop(frame);
        assert!(incoming.held_by_request().is_none() && incoming.is_kept());
        let place = incoming.allocated;
        let (reads, frame) = arrive(&mut incoming, BODY_BYTES, &[]).await;
        assert_eq!(reads, 2, "the length, and all the rest at once");
        assert_eq!(incoming.allocated, place);
        drop(frame);
        assert!(incoming.held_by_request().is_none());
        incoming.give_back();
        assert!(!incoming.is_kept() && incoming.buffer.capacity() == 0);
        memory.share().grow_to(4 << 20).await;
    }

    #[tokio::test]
    async fn a_request_that_is_still_needed_holds_its_memory() {
        let memory = RequestMemory::new(4 << 20);
        let mut incoming = Incoming::new(memory.share());
        let (_, frame) = arrive(&mut incoming, BODY_BYTES, &[]).await;
        let held = incoming.held_by_request();
        assert!(held.is_some() && !incoming.is_kept());
        let (_, other) = arrive(&mut incoming, BODY_BYTES, &[]).await;
        assert!(frame.iter().chain(&other).all(|byte| *byte == 7), "nothing is written over");
    }

    #[tokio::test]
    async fn what_came_behind_a_request_stays() {
        let memory = RequestMemory::new(4 << 20);
        let mut incoming = Incoming::new(memory.share());
        // As an eager stream would have it.
        let (_, frame) = arrive(&mut incoming, BODY_BYTES, &[]).await;
        incoming.buffer.put_slice(&[0, 0, 0, 1]);
        drop(frame);
        assert!(incoming.held_by_request().is_none() && !incoming.is_kept());
        incoming.give_back();
        incoming.buffer.put_slice(&[9]);
        assert_eq!(incoming.take(BYTES_MAX), Ok(Some(Bytes::from_static(&[9]))));
    }

    #[tokio::test]
    async fn nothing_is_kept_where_memory_is_scarce() {
        let memory = RequestMemory::new(2 << 20);
        let mut incoming = Incoming::new(memory.share());
        let mut others = memory.share();
        others.grow_to(1 << 20).await;
        let (_, frame) = arrive(&mut incoming, BODY_BYTES, &[]).await;
        drop(frame);
        drop(incoming.held_by_request());
        assert!(!incoming.is_kept() && incoming.buffer.capacity() < BODY_BYTES);
    }
}
