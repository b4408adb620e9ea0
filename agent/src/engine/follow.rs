//! Beginning to follow a file: a known one where its checkpoint says, a new one under an identity of its own.

use super::Engine;
use super::order;
use super::vet::Vetting;
use crate::checkpoint::State;
use crate::config::{CheckedInput, From};
use crate::content::Content;
use crate::fingerprint::{FileId, FileKey, Print};
use crate::format::{Framer, Skip};
use crate::journal::{Entry, FileRecord, Form};
use crate::labels::Labels;
use crate::tail::{self, Goal, Place, Tail};
use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What the input that names a file first says about its records, for good.
pub(super) struct Terms {
    pub topic: String,
    pub dataset: Option<String>,
    pub labels: Labels,
}

impl Terms {
    fn of(input: &CheckedInput, path: &Path) -> Self {
        Self { topic: input.topic.name(path), dataset: input.dataset.clone(), labels: input.labels.clone() }
    }

    /// Those of the content that `record` had under the same name.
    pub(super) fn inherited(record: FileRecord) -> Self {
        let dataset = record.dataset.filter(|_| !record.dataset_detected);
        Self { topic: record.topic, dataset, labels: record.labels }
    }
}

impl Engine {
    /// Begins to read a file that was not followed: where its checkpoint says, if it is the same file, or anew.
    pub(super) fn follow(
        &mut self,
        path: &Path,
        input: usize,
        initial: bool,
        mut content: Content,
        metadata: &Metadata,
    ) -> io::Result<FileId> {
        let (key, size) = (FileKey::of(metadata), metadata.len());
        let goal = if initial { Goal::Read(size) } else { Goal::Met };
        let known = self.delivery.state().by_key(&key).cloned();
        let replaces = known.is_some();
        if let Some(record) = known {
            let place = self.place_of(&record);
            let id = record.id;
            match tail::recognise(&mut content, &record, &place) {
                Ok(found) => {
                    let mut tail = Tail::known(&record, content, path.to_owned(), place, found, size);
                    tail.goal = goal;
                    tail.vet_if_unread(initial);
                    self.enter(tail, &record);
                    if record.path_now != path {
                        self.note_name(id, path);
                    }
                    return Ok(id);
                }
                Err(tail::Veto::Io(error)) => return Err(error),
                Err(veto) => {
                    content = content.renewed()?;
                    tracing::info!(path = ?path, file = %record.id, "{veto}: it is read as a new file");
                    let seen_secs = self.now_secs();
                    self.delivery.record(Entry::File(FileRecord { gone: true, seen_secs, ..record }))?;
                    self.replaced.push(id);
                }
            }
        }
        let from = self.inputs[input].from;
        let at_end = initial && from == From::End && !self.delivery.state().files.is_named(path);
        let place = if at_end && content.gzip().is_none() {
            end_of(&mut content, size, &self.inputs[input].framer)?
        } else {
            BEGINNING
        };
        let terms = Terms::of(&self.inputs[input], path);
        let id = self.begin(path, path, content, key, size, place, terms)?;
        if let Some(tail) = self.files.tails.get_mut(&id) {
            tail.goal = goal;
            tail.vetting = (!at_end).then(|| Vetting::new(initial));
            tail.replaces = replaces;
            if at_end && tail.content.gzip().is_some() {
                // Its end is not known without reading it, and nothing of it is wanted.
                tail.settled = Some(size);
            }
        }
        Ok(id)
    }

    /// Gives a file a new identity and reads it from `place`. `origin` is the path that its records wear, or the name of
    /// its stream.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn begin(
        &mut self,
        origin: &Path,
        path: &Path,
        mut content: Content,
        key: FileKey,
        size: u64,
        place: Place,
        terms: Terms,
    ) -> io::Result<FileId> {
        let nonce = uuid::Uuid::new_v4().as_u128();
        let id = FileId::assign(&self.delivery.state().agent, &key, self.clock.now_millis(), nonce);
        let head = content.head()?;
        let record = FileRecord {
            id,
            key,
            path: origin.to_owned(),
            path_now: path.to_owned(),
            topic: terms.topic,
            partition: None,
            dataset_detected: terms.dataset.is_none(),
            dataset: terms.dataset,
            labels: terms.labels,
            head: Print::of(&head),
            position: place.position,
            skipping: place.skipping,
            marker: place.marker,
            seen_secs: self.now_secs(),
            gone: false,
            generation: self.files.next_generation(order::origin(&self.config.host_name, origin)),
            form: Form::Open,
        };
        let marker = content.before(place.position)?;
        let size = if content.gzip().is_some() { place.position } else { size };
        self.delivery.record(Entry::File(record.clone()))?;
        let mut tail = Tail::new(id, content, key, path.to_owned(), place, marker, size);
        tail.set_lead(&head);
        self.enter(tail, &record);
        Ok(id)
    }

    /// Where reading goes on: behind what is acknowledged and what the journal will send again.
    pub(super) fn place_of(&self, record: &FileRecord) -> Place {
        place_in(self.delivery.state(), record)
    }

    pub(super) fn note_name(&mut self, id: FileId, path: &Path) {
        if let Some(record) = self.delivery.state().files.get(&id) {
            let record = FileRecord { path_now: path.to_owned(), seen_secs: self.now_secs(), ..record.clone() };
            // Without it on disk the file is looked for in its directory by inode.
            let _ = self.delivery.record(Entry::File(record));
        }
    }

    pub(super) fn now_secs(&self) -> u64 {
        u64::try_from(self.clock.now_millis() / 1000).unwrap_or(0)
    }
}

/// Where reading goes on in a known file.
pub fn place_in(state: &State, record: &FileRecord) -> Place {
    let sources = state.unresolved.values().flat_map(|sent| &sent.sources);
    sources
        .filter(|source| source.file == record.id && source.end > record.position)
        .max_by_key(|source| source.end)
        .map_or(Place::acknowledged(record), |source| Place {
            position: source.end,
            skipping: source.after,
            marker: source.marker,
        })
}

pub(super) const BEGINNING: Place =
    Place { position: 0, skipping: Skip::NOTHING, marker: Print { bytes: 0, hash: 0x2d06_8005_38d3_94c2 } };

/// The end of a file; the rest of a line that is being written there is not a line.
fn end_of(content: &mut Content, size: u64, framer: &Arc<Framer>) -> io::Result<Place> {
    let framer = framer.for_head(&content.head()?);
    let size = framer.aligned(size);
    let marker = content.before(size)?;
    let skipping = if framer.begins_line(&marker, size) { Skip::NOTHING } else { Skip::LINE };
    Ok(Place { position: size, skipping, marker: Print::of(&marker) })
}
