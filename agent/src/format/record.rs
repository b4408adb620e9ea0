//! What framing yields: records, the safe boundaries between them, and what is skipped behind one that was cut.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::ops::BitOr;

/// What is passed over at the front of what follows: the rests of records that were cut. One bit each, so that it costs
/// a digit in the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Skip(u8);

impl Skip {
    pub const NOTHING: Self = Self(0);
    /// Up to the next delimiter.
    pub const LINE: Self = Self(1);

    /// The further pieces of a stream's line.
    pub(super) const fn pieces(stream: usize) -> Self {
        Self(1 << (1 + stream))
    }

    /// The further lines of a stream's group.
    pub(super) const fn group(stream: usize) -> Self {
        Self(1 << (4 + stream))
    }

    pub const fn is_nothing(&self) -> bool {
        self.0 == 0
    }

    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Skip {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What is known of what comes behind the bytes at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// More may come: what is not complete waits.
    More,
    /// More is there, but it is not read before something of this is used up: as [`End::More`] if anything is complete,
    /// else the oldest open record ends here.
    Full,
    /// Nothing has come for the timeout: groups of whole lines are complete, an unfinished line waits.
    Idle,
    /// Nothing will come any more: everything is complete.
    Final,
}

/// Where the bytes stand in their file, and how they are read.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Position of the first byte.
    pub base: u64,
    /// What is passed over at the front.
    pub skip: Skip,
    /// Longer values are cut.
    pub line_bytes_max: usize,
}

/// Headers that differ from record to record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras<'a> {
    /// `stream`: a container's `stdout` or `stderr`.
    pub stream: Option<Cow<'a, [u8]>>,
    /// `log.source.address`: who sent the line to a socket.
    pub source: Option<&'a [u8]>,
    /// `@timestamp`: the container runtime's time of the first line, as it wrote it.
    pub time: Option<Cow<'a, [u8]>>,
}

impl Extras<'_> {
    pub const STREAM: &'static str = "stream";
    pub const SOURCE: &'static str = "log.source.address";
    pub const TIME: &'static str = "@timestamp";

    /// Names and values of those that are there, in the order in which records have them.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let all =
            [(Self::STREAM, self.stream.as_deref()), (Self::SOURCE, self.source), (Self::TIME, self.time.as_deref())];
        all.into_iter().filter_map(|(key, value)| Some((key, value?)))
    }
}

/// A record; positions are relative to the bytes that were framed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// First byte of its first line.
    pub start: usize,
    /// Behind the delimiter of its last line.
    pub end: usize,
    /// UTF-8 where the format has an encoding.
    pub value: Cow<'a, [u8]>,
    /// Only the beginning of what there was.
    pub cut: bool,
    pub extras: Extras<'a>,
}

/// What lies between two safe boundaries: a batch may end on either side, but not within.
#[derive(Debug)]
pub struct Chunk<'c, 'a> {
    pub start: usize,
    pub end: usize,
    /// By position; none when all of it is skipped or excluded.
    pub records: &'c [Record<'a>],
    /// What is skipped at the front of what follows.
    pub skip: Skip,
    /// It ends within a line.
    pub cut: bool,
}

/// How far framing went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// End of the last chunk.
    pub end: usize,
    /// What is skipped from there.
    pub skip: Skip,
    /// Whole lines wait for more of their group: [`End::Idle`] would end it.
    pub waits: bool,
    /// A length at this place cannot be: nothing behind it can be read.
    pub damaged: Option<usize>,
}
