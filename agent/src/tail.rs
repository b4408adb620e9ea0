//! One open file: where reading stands, and whether it still is the file that was read before.

use crate::batch::Dress;
use crate::content::{Content, Size};
use crate::engine::Vetting;
use crate::fingerprint::{FileId, FileKey, Print};
use crate::format::{Framer, Skip};
use crate::journal::{FileRecord, Form};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// First bytes that are kept to tell most files apart without reading them.
const LEAD_BYTES: usize = 16;

/// Whether a file still has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    Here,
    /// Renamed or deleted: read on through the open descriptor, until nothing has come for a while.
    Gone {
        quiet_at: Instant,
    },
}

/// What has to be acknowledged before everything that was there at the start is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// This many bytes were there.
    Read(u64),
    /// Everything before this position is to be acknowledged.
    Acknowledge(u64),
    Met,
}

/// A file that is read. The acknowledged position is in its [`FileRecord`].
#[derive(Debug)]
pub struct Tail {
    pub id: FileId,
    pub content: Content,
    pub key: FileKey,
    /// Under which it was last seen.
    pub path: PathBuf,
    pub name: Name,
    /// Everything before it is framed.
    pub position: u64,
    /// The position lies in the rest of a cut line.
    pub skipping: Skip,
    /// The bytes just before the position, compared before each read: they change when the file was truncated and has
    /// grown again.
    pub marker: Vec<u8>,
    /// When it was last looked at.
    pub size: u64,
    pub goal: Goal,
    pub lane: Option<usize>,
    pub dress: Option<Dress>,
    /// How its bytes become records; settled at its first turn.
    pub framer: Option<Arc<Framer>>,
    /// A group of whole lines waits for more of them.
    pub waits: bool,
    /// It is known when the group will have waited long enough.
    pub waits_in_line: bool,
    /// The bytes before the position are in no batch, and the journal does not know yet that they have no records.
    pub passed: bool,
    /// How far the file went when it was last read, and since when it goes no further.
    pub read_end: Option<u64>,
    pub grown_at: Option<Instant>,
    /// The next line is longer than a block: read as much as the longest line needs.
    pub wide: bool,
    /// Why nothing is read from it.
    pub held: Option<String>,
    /// In the queue of files that have something to read, or set to be.
    pub scheduled: bool,
    /// Nothing will be read any more; kept while batches are in flight.
    pub finished: bool,
    pub read_at: Option<Instant>,
    /// Where it comes from; see [`crate::journal::FileRecord::generation`].
    pub origin: u64,
    pub generation: u32,
    /// It was read to its end since a file came that is to be read after it.
    pub ended: bool,
    /// Something else was read under its key before: it may begin with the hole that a truncation leaves.
    pub replaces: bool,
    /// The position lies in the hole that the content begins with.
    pub in_hole: bool,
    /// When it was first seen deleted.
    pub deleted_at: Option<Instant>,
    /// It is new, and was not compared with what is known.
    pub vetting: Option<Vetting>,
    /// An earlier run knew it.
    pub earlier: bool,
    /// Its first bytes.
    pub lead: Vec<u8>,
    /// What is wrong with its content, although it is read.
    pub problem: Option<String>,
    /// An archive of this many bytes, all of which were read: nothing more comes before it changes.
    pub settled: Option<u64>,
    /// A segment of the spool that nothing will be added to, and its bytes.
    pub whole: Option<u64>,
    /// The bytes before the position, to be compared when reading gets there: a compressed content begins at 0.
    pub unverified: Option<Print>,
}

/// Where reading goes on in a file that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub position: u64,
    pub skipping: Skip,
    pub marker: Print,
}

impl Place {
    pub fn acknowledged(record: &FileRecord) -> Self {
        Self { position: record.position, skipping: record.skipping, marker: record.marker }
    }
}

/// Why a file is not the one that a record tells about, although the file system says so.
#[derive(Debug, thiserror::Error)]
pub enum Veto {
    #[error("it is shorter than what was read: {size} bytes, position {position}")]
    Shorter { size: u64, position: u64 },
    #[error("it begins with other bytes")]
    Head,
    #[error("the bytes before position {0} are others")]
    Marker(u64),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a known file has at its beginning and before the place where reading goes on.
#[derive(Debug)]
pub struct Recognised {
    pub head: Vec<u8>,
    /// `None` in a compressed content, where the place is far away: compared when reading gets there.
    pub marker: Option<Vec<u8>>,
}

/// Checks that `content` is what `record` tells about, up to `place`.
pub fn recognise(content: &mut Content, record: &FileRecord, place: &Place) -> Result<Recognised, Veto> {
    if let Size::Known(size) = content.size()?
        && size < place.position
    {
        return Err(Veto::Shorter { size, position: place.position });
    }
    let head = content.head()?;
    if !record.head.begins(&head) {
        return Err(Veto::Head);
    }
    if content.gzip().is_some() {
        return Ok(Recognised { head, marker: None });
    }
    let marker = content.before(place.position)?;
    if !place.marker.ends(&marker) {
        return Err(Veto::Marker(place.position));
    }
    Ok(Recognised { head, marker: Some(marker) })
}

impl Tail {
    pub fn new(
        id: FileId,
        content: Content,
        key: FileKey,
        path: PathBuf,
        place: Place,
        marker: Vec<u8>,
        size: u64,
    ) -> Self {
        Self {
            id,
            content,
            key,
            path,
            name: Name::Here,
            position: place.position,
            skipping: place.skipping,
            marker,
            size,
            goal: Goal::Met,
            lane: None,
            dress: None,
            framer: None,
            waits: false,
            waits_in_line: false,
            passed: false,
            read_end: None,
            grown_at: None,
            wide: false,
            held: None,
            scheduled: false,
            finished: false,
            read_at: None,
            origin: 0,
            generation: 0,
            ended: false,
            replaces: false,
            in_hole: false,
            deleted_at: None,
            vetting: None,
            earlier: false,
            lead: Vec::new(),
            problem: None,
            settled: None,
            unverified: None,
            whole: None,
        }
    }

    /// A file that is known. `bytes` are in the file.
    pub fn known(
        record: &FileRecord,
        content: Content,
        path: PathBuf,
        place: Place,
        found: Recognised,
        bytes: u64,
    ) -> Self {
        let Recognised { head, marker } = found;
        let unverified = marker.is_none().then_some(place.marker);
        let size = if unverified.is_some() { place.position } else { bytes };
        let mut tail = Self::new(record.id, content, record.key, path, place, marker.unwrap_or_default(), size);
        tail.settled = match record.form {
            Form::Archive { bytes: then, end } if then == bytes && place.position >= end => Some(bytes),
            _ => None,
        };
        tail.unverified = unverified;
        tail.set_lead(&head);
        tail.earlier = true;
        tail
    }

    /// Notes the content's first bytes.
    pub fn set_lead(&mut self, head: &[u8]) {
        self.lead.clear();
        self.lead.extend_from_slice(&head[..head.len().min(LEAD_BYTES)]);
    }

    /// Whether a content that begins with `head` may begin as this one: `false` is certain.
    pub fn begins_alike(&self, head: &[u8]) -> bool {
        let bytes = self.lead.len().min(head.len());
        self.lead[..bytes] == head[..bytes]
    }

    /// Goes back to `place`.
    pub fn go_to(&mut self, place: Place) -> io::Result<()> {
        self.settled = None;
        self.marker = self.content.before(place.position)?;
        self.position = place.position;
        self.skipping = place.skipping;
        self.passed = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(head: &[u8]) -> FileRecord {
        FileRecord {
            id: FileId(1),
            key: FileKey { device: 1, inode: 1, birth_nanos: None },
            path: "a".into(),
            path_now: "a".into(),
            topic: "logs".into(),
            partition: None,
            dataset: None,
            dataset_detected: false,
            labels: Default::default(),
            head: Print::of(head),
            position: 0,
            skipping: Skip::NOTHING,
            marker: Print::of(b""),
            seen_secs: 0,
            gone: false,
            generation: 0,
            form: Form::Open,
        }
    }

    #[test]
    fn content_vetoes_what_the_inode_says() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a");
        let check = |content: &[u8]| {
            std::fs::write(&path, content).expect("written");
            let (mut content, _) = Content::open(&path).expect("opened");
            let place = Place { position: 8, skipping: Skip::NOTHING, marker: Print::of(b"two\n") };
            recognise(&mut content, &record(b"one\n"), &place)
        };
        assert_eq!(check(b"one\ntwo\nthree").expect("the same").marker.as_deref(), Some(&b"one\ntwo\n"[..]));
        assert!(matches!(check(b"one\ntw"), Err(Veto::Shorter { .. })));
        assert!(matches!(check(b"0ne\ntwo\n"), Err(Veto::Head)));
        assert!(matches!(check(b"one\nTWO\nthree"), Err(Veto::Marker(8))));
    }
}
