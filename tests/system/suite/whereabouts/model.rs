//! The model: what becomes of lines, how far they are, and what may be said of them.

use std::path::PathBuf;

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Good,
    /// The index refuses it.
    Rejected,
    /// The pipeline drops it.
    Dropped,
    /// The pipeline gives its document an `_id` of its own.
    Own,
    /// The input's filter leaves it out.
    Filtered,
}

/// How far a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Written,
    /// Read by an agent whose broker is away.
    Held,
    InTopic,
    /// Removed from the topic before a worker came.
    Lost,
    Done,
    /// Done, and its record removed from the topic since.
    Forgotten,
}

pub struct Line {
    pub kind: Kind,
    pub stage: Stage,
    /// It begins a record.
    pub begins: bool,
    /// The file has one group where the agent sent several: without the topic nobody knows their ids.
    pub is_parted: bool,
}

pub struct File {
    pub path: PathBuf,
    pub lines: Vec<Line>,
    pub is_grouped: bool,
    /// An agent has seen it.
    pub known: bool,
    pub rotations: usize,
    /// That its lines make, in all.
    pub records: u64,
}

impl File {
    /// What may be said of a line. `away`: there is no broker to ask.
    pub fn expected(&self, number: usize, away: bool) -> &'static [&'static str] {
        let Line { kind, stage, is_parted, .. } = &self.lines[number];
        match (kind, stage) {
            (Kind::Good, Stage::Done | Stage::Forgotten) if *is_parted && away => &["indexed", "unknown"],
            (Kind::Good, Stage::Forgotten) if *is_parted => &["indexed", "missing"],
            (Kind::Rejected, Stage::Forgotten) if *is_parted && !away => &["rejected", "missing"],
            (Kind::Filtered, _) if self.known => &["left_out"],
            // Nobody has looked whether the agent has seen a file of which nothing is sent.
            (Kind::Filtered, _) => &["unread", "left_out"],
            // Whether it has framed the line into a batch is its own to decide.
            (_, Stage::Held) => &["unread", "in_flight"],
            (_, Stage::Written) => &["unread"],
            (Kind::Good, Stage::Done | Stage::Forgotten) => &["indexed"],
            // An acknowledgement may not be written down yet.
            (_, Stage::InTopic) if away => &["unknown", "in_flight", "unread"],
            _ if away => &["unknown"],
            (_, Stage::InTopic) => &["waiting"],
            (_, Stage::Lost) => &["missing"],
            // Without the record nobody knows what its pipeline made of it.
            (Kind::Dropped | Kind::Own, Stage::Forgotten) => &["missing"],
            (Kind::Rejected, Stage::Done | Stage::Forgotten) => &["rejected"],
            (Kind::Dropped, Stage::Done) => &["dropped"],
            (Kind::Own, Stage::Done) => &["indexed"],
        }
    }
}
