//! A response frame in pieces, so that fetched records go from the page cache to the socket without a copy of ours.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use tokio::io::AsyncWriteExt;

use crate::log::ReadRange;
use crate::security::stream::Writer;

/// A part of an answer.
#[derive(Clone)]
pub(crate) enum Piece {
    Bytes(Bytes),
    /// Batches that are read when they are sent.
    File(ReadRange),
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl Piece {
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(range) => range.len(),
        }
    }
}

/// A response frame: its length, and the pieces behind it.
pub(crate) struct Answer {
    pieces: Vec<Piece>,
    bytes: usize,
}

impl Answer {
    /// Puts the frame's length in front of `pieces`; `None`: longer than a length can say.
    pub fn frame(pieces: impl IntoIterator<Item = Piece>) -> Option<Self> {
        let mut all = vec![Piece::Bytes(Bytes::new())];
        all.extend(pieces.into_iter().filter(|piece| piece.len() > 0));
        let length = all.iter().map(Piece::len).sum::<usize>();
        all[0] = Bytes::copy_from_slice(&i32::try_from(length).ok()?.to_be_bytes()).into();
        let bytes = length + size_of::<i32>();
        Some(Self { pieces: all, bytes })
    }

    /// With the frame's length.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Writes all of it.
    pub async fn write(self, writer: &mut Writer) -> io::Result<()> {
        let mut slices = Slices::default();
        for piece in self.pieces {
            match piece {
                Piece::Bytes(bytes) => slices.0.push_back(bytes),
                Piece::File(range) => {
                    writer.write_ahead(&mut slices).await?;
                    writer.send_file(range).await?;
                }
            }
        }
        writer.write_all_buf(&mut slices).await?;
        writer.flush().await
    }
}

/// Bytes that go out with as few system calls as possible.
#[derive(Debug, Default)]
struct Slices(VecDeque<Bytes>);

impl Buf for Slices {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map(Bytes::as_ref).unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let count = self.0.len().min(slices.len());
        for (slice, piece) in slices.iter_mut().zip(&self.0) {
            *slice = IoSlice::new(piece);
        }
        count
    }

    fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let front = self.0.front_mut().expect("advanced within what remains");
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_passed_in_any_steps() {
        let pieces = [&b"head"[..], b"records", b"t"].map(Bytes::from_static);
        for step in 1..=12 {
            let mut slices = Slices(pieces.clone().into());
            let mut seen = Vec::new();
            while slices.has_remaining() {
                let take = step.min(slices.chunk().len());
                seen.extend_from_slice(&slices.chunk()[..take]);
                slices.advance(take);
            }
            assert_eq!(seen, b"headrecordst");
        }
        let mut slices = Slices(pieces.into());
        slices.advance(11);
        assert_eq!(slices.chunk(), b"t");
    }

    #[test]
    fn an_answer_begins_with_its_length() {
        let answer = Answer::frame([Bytes::from_static(b"head").into(), Bytes::new().into()]).expect("short");
        assert_eq!((answer.len(), answer.pieces.len()), (8, 2));
        assert!(matches!(&answer.pieces[0], Piece::Bytes(length) if length[..] == [0, 0, 0, 4]));
    }
}
