//! The spool's segments: read one after the other as their streams write them, and deleted when they are acknowledged.

use super::Engine;
use super::follow::{BEGINNING, Terms};
use crate::content::Content;
use crate::fingerprint::{FileId, FileKey};
use crate::format::{Format, Framer};
use crate::journal::Entry;
use crate::labels::Labels;
use crate::stream::{self, Segment, Spool};
use crate::tail::{self, Tail, Veto};
use crate::topic::TopicTemplate;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the engine knows of the spool.
#[derive(Debug)]
pub(super) struct Spooled {
    spool: Arc<Spool>,
    /// The segments that are followed.
    ids: BTreeMap<Arc<Path>, FileId>,
    /// What the lines of a run were taken for, by the name that its segments share: they all are of one kind.
    datasets: BTreeMap<PathBuf, String>,
    /// Those that are acknowledged, and the flush with which that is on disk.
    acknowledged: BTreeMap<Arc<Path>, u64>,
    /// What is wrong with segments.
    problems: BTreeMap<Arc<Path>, String>,
}

impl Spooled {
    pub fn new(spool: Arc<Spool>) -> Self {
        Self {
            spool,
            ids: BTreeMap::new(),
            datasets: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            problems: BTreeMap::new(),
        }
    }

    /// Whether a file is a segment.
    pub fn has(&self, id: FileId) -> bool {
        self.ids.values().any(|&segment| segment == id)
    }

    pub fn problems(&self) -> Vec<String> {
        let segments = self.problems.iter().map(|(path, problem)| format!("{path:?} {problem}"));
        self.spool.problems().into_iter().chain(segments).collect()
    }

    /// Of what is not read, and why.
    pub fn failures(&self) -> Vec<String> {
        let segments = self.problems.iter().map(|(path, problem)| format!("{path:?} {problem}"));
        self.spool.failures().into_iter().chain(segments).collect()
    }

    /// Bytes of segments that are not followed yet.
    pub fn unread_bytes(&self) -> u64 {
        let segments = self.spool.segments();
        segments.iter().filter(|segment| !self.ids.contains_key(&segment.path)).map(|segment| segment.written).sum()
    }
}

impl Engine {
    /// Has the oldest segment of each stream read that is not read yet.
    pub(super) fn follow_segments(&mut self) {
        self.spooled.spool.heard();
        let mut done_with: Option<Arc<str>> = None;
        for segment in self.spooled.spool.segments() {
            if done_with.as_ref() == Some(&segment.stream) {
                continue;
            }
            let id = match self.spooled.ids.get(&segment.path) {
                Some(&id) => Ok(id),
                None => self.follow_segment(&segment),
            };
            match id {
                Ok(id) if self.has_read(id, &segment) => {}
                Ok(_) => done_with = Some(segment.stream),
                // The others do not wait for it.
                Err(error) => self.segment_problem(&segment, format!("cannot be followed: {error}")),
            }
        }
    }

    fn segment_problem(&mut self, segment: &Segment, problem: String) {
        if self.spooled.problems.get(&segment.path) != Some(&problem) {
            tracing::warn!(path = ?segment.path, "{problem}");
        }
        self.spooled.problems.insert(Arc::clone(&segment.path), problem);
    }

    /// Whether nothing of a segment is left to be read, or cannot be. If there is, it gets a turn.
    fn has_read(&mut self, id: FileId, segment: &Segment) -> bool {
        let Some(tail) = self.files.tails.get_mut(&id) else { return true };
        let just_sealed = segment.sealed && tail.whole.is_none();
        if just_sealed {
            tail.whole = Some(segment.written);
        }
        let (position, held) = (tail.position, tail.held.is_some());
        // What has been read and is not in a batch waits for more of its group.
        if segment.written > tail.size || (just_sealed && position < segment.written) {
            self.schedule(id);
        }
        segment.sealed && (position >= segment.written || held)
    }

    fn follow_segment(&mut self, segment: &Segment) -> io::Result<FileId> {
        let siblings: Vec<FileId> = self.spooled.ids.values().copied().collect();
        siblings.into_iter().for_each(|id| self.note_dataset(id));
        let (mut content, metadata) = Content::open(&segment.path)?;
        let (key, size) = (FileKey::of(&metadata), metadata.len());
        let input =
            self.inputs.iter().find(|input| input.stream.as_ref().is_some_and(|(name, _)| **name == *segment.stream));
        let framer = match input {
            Some(input) => Arc::clone(&input.framer),
            // Its input is gone: without what it was told, lines are sent as they are.
            None => Arc::new(Framer::compile(&Format::spool()).map_err(io::Error::other)?),
        };
        let run = segment.path.with_extension("");
        let given = match input {
            Some(input) => input.dataset.clone(),
            None => stream::dataset_of(&segment.stream).map(str::to_owned),
        };
        let terms = Terms {
            topic: match input {
                Some(input) => input.topic.name(Path::new(stream::kind_of(&segment.stream))),
                None => TopicTemplate::parse(&self.config.topic)
                    .map_err(io::Error::other)?
                    .name(Path::new(stream::kind_of(&segment.stream))),
            },
            dataset: given.or_else(|| self.spooled.datasets.get(&run).cloned()),
            labels: match input {
                Some(input) => input.labels.clone(),
                None => Labels::check(self.config.labels.iter()).map_err(io::Error::other)?,
            },
        };
        let known = self.delivery.state().by_key(&key).filter(|record| record.path_now == *segment.path).cloned();
        let id = match known {
            Some(record) => {
                let place = self.place_of(&record);
                let path = segment.path.to_path_buf();
                match tail::recognise(&mut content, &record, &place) {
                    Ok(found) => self.enter(Tail::known(&record, content, path, place, found, size), &record),
                    // A power cut took what had been sent already: there is nothing more to read.
                    Err(veto @ Veto::Shorter { .. }) => tracing::warn!(path = ?segment.path, "{veto}"),
                    Err(Veto::Io(error)) => return Err(error),
                    Err(veto) => return Err(io::Error::other(veto)),
                }
                record.id
            }
            None => {
                let stream = Path::new(&*segment.stream);
                self.begin(stream, &segment.path, content, key, size, BEGINNING, terms)?
            }
        };
        if let Some(tail) = self.files.tails.get_mut(&id) {
            tail.framer = Some(framer);
        }
        self.spooled.ids.insert(Arc::clone(&segment.path), id);
        Ok(id)
    }

    /// A file was read to its end: if it is a segment, the next one may follow.
    pub(super) fn end_of_segment(&mut self, id: FileId) {
        if self.spooled.has(id) {
            self.follow_segments();
        }
    }

    /// Keeps in mind what a stream's lines were taken for.
    fn note_dataset(&mut self, id: FileId) {
        let Some(record) = self.delivery.state().files.get(&id) else { return };
        if let (true, Some(dataset)) = (record.path.is_relative(), &record.dataset) {
            self.spooled.datasets.insert(record.path_now.with_extension(""), dataset.clone());
        }
    }

    /// Whether the broker has all of a segment that will ever be in it.
    fn is_acknowledged(&self, segment: &Segment) -> bool {
        let Some(id) = self.spooled.ids.get(&segment.path) else { return segment.written == 0 };
        let state = self.delivery.state();
        let position = state.files.get(id).map(|record| record.position);
        position.is_some_and(|position| position >= segment.written) && !self.delivery.in_flight(*id)
    }

    /// Deletes the segments that are not needed any more.
    pub(super) fn drop_segments(&mut self) {
        let spool = Arc::clone(&self.spooled.spool);
        // Without the acknowledgements on disk, a machine that goes down would look for them again.
        let next = self.delivery.next_flush();
        let mut done = spool.segments();
        done.retain(|segment| segment.sealed && self.is_acknowledged(segment));
        done.retain(|segment| {
            let flush = *self.spooled.acknowledged.entry(Arc::clone(&segment.path)).or_insert(next);
            self.delivery.is_flushed(flush)
        });
        self.metrics.spool_bytes.set(spool.bytes() as i64);
        for segment in done {
            if let Some(id) = self.spooled.ids.get(&segment.path).copied() {
                self.note_dataset(id);
                if self.delivery.record(Entry::Forget { file: id }).is_err() {
                    return;
                }
                self.queue.rest(id);
                self.files.remove(id);
            }
            self.spooled.ids.remove(&segment.path);
            self.spooled.acknowledged.remove(&segment.path);
            match spool.remove(&segment) {
                Ok(()) => drop(self.spooled.problems.remove(&segment.path)),
                Err(error) => self.segment_problem(&segment, format!("cannot be deleted: {error}")),
            }
        }
        self.metrics.spool_bytes.set(spool.bytes() as i64);
    }

    /// Whether the streams have nothing left that [`Engine::check_caught_up`] waits for: what earlier runs have left,
    /// and once, everything.
    pub(super) fn streams_met(&self) -> bool {
        let (spool, once) = (&self.spooled.spool, self.config.once);
        if once && !spool.ended() {
            return false;
        }
        let given_up = |segment: &Segment| {
            let id = self.spooled.ids.get(&segment.path);
            let tail = id.and_then(|id| self.files.tails.get(id));
            let unreadable = id.is_none() && self.spooled.problems.contains_key(&segment.path);
            once && (unreadable
                || tail.is_some_and(|tail| tail.held.is_some() || self.delivery.stuck(tail.id).is_some()))
        };
        spool
            .segments()
            .iter()
            .filter(|segment| once || segment.leftover)
            .all(|segment| self.is_acknowledged(segment) || given_up(segment))
    }
}
