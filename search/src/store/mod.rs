//! Documents on disk: a journal, and a folder of tantivy segments for each index and day.
//!
//! ```text
//! <folder>/lock, templates.json
//!          journal/<number>.journal          what is in no flushed segment yet
//!          indices/<index>/mapping.json
//!          indices/<index>/<yyyy-mm-dd>/     tantivy's files; "none" for documents without a time
//! ```
//!
//! A bulk request's documents are parsed by whoever calls [`Store::bulk`]; one thread (`writer`) does the rest. What is
//! answered is in the journal, flushed; after a kill the next start writes what no segment has.

mod document;
mod dynamic;
mod error;
mod filter;
#[cfg(test)]
pub(crate) mod for_tests;
mod ids;
mod index;
mod indexed;
mod indexer;
mod journal;
mod known;
pub mod limits;
mod mapping;
mod merges;
pub mod name;
mod node;
mod partition;
mod rebuild;
mod retention;
pub mod schema;
mod template;
mod times;
mod writer;

pub use document::Refused;
pub use dynamic::DynamicTemplate;
pub use error::StoreError;
pub(crate) use error::with_causes;
pub use index::{Index, Snapshot};
pub use mapping::{FieldEntry, Kind, Mapping, Seen};
pub use node::Node;
pub use partition::Day;
pub use retention::Retention;
pub use template::Definitions;
pub use writer::Written;

use crate::query::Refusal;
use limits::{INDICES_MAX, JOBS_MAX};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, RwLock};
use tokio::sync::oneshot;
use writer::{Job, Write, Writer};

/// How a store is opened.
#[derive(Clone)]
pub struct Config {
    pub folder: PathBuf,
    pub retention: Retention,
    /// Milliseconds since 1970.
    pub now: fn() -> i64,
}

/// A document of a bulk request.
pub struct BulkItem {
    pub index: Arc<str>,
    /// `None`: the store makes one.
    pub id: Option<String>,
    /// `index` takes the place of what is there, `create` does not.
    pub overwrites: bool,
    pub source: bytes::Bytes,
}

/// What became of a [`BulkItem`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkOutcome {
    pub id: String,
    pub result: Result<Written, ItemError>,
}

/// Why a document was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemError {
    Document(Refused),
    Index(Refusal),
}

/// The store. Dropped, it commits and ends.
pub struct Store {
    shared: Arc<Shared>,
    jobs: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    ids: IdSource,
    /// Why the writer ended.
    failure: Arc<Mutex<Option<StoreError>>>,
    /// Held as long as the store is open.
    _lock: File,
}

/// What readers and the writer both see.
struct Shared {
    folder: PathBuf,
    indices: RwLock<BTreeMap<String, Arc<Index>>>,
    definitions: RwLock<Definitions>,
    /// Bytes of documents that no segment has yet; written by the writer alone.
    uncommitted_bytes: AtomicUsize,
}

impl Store {
    /// Opens the store, and writes what its journal has beyond its segments.
    pub fn open(config: Config) -> Result<Self, StoreError> {
        let folder = &config.folder;
        std::fs::create_dir_all(folder).map_err(|error| StoreError::io("create", folder, error))?;
        let lock = lock(folder)?;
        let shared = Arc::new(Shared {
            folder: folder.clone(),
            indices: RwLock::default(),
            definitions: RwLock::new(read_definitions(&folder.join(TEMPLATES_FILE))?),
            uncommitted_bytes: AtomicUsize::new(0),
        });
        let mut sequence = 0;
        let indices = folder.join(INDICES_FOLDER);
        std::fs::create_dir_all(&indices).map_err(|error| StoreError::io("create", &indices, error))?;
        for entry in std::fs::read_dir(&indices).map_err(|error| StoreError::io("list", &indices, error))?.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !entry.path().is_dir() || name::check(&name).is_err() {
                continue;
            }
            let index = Index::open(&entry.path(), &name)?;
            for partition in index.partitions() {
                let last = partition.last_sequence();
                let last = last.map_err(|error| StoreError::tantivy("read", &partition.folder, error))?;
                sequence = sequence.max(last.unwrap_or(0));
            }
            shared.indices.write().expect("no panic while it is held").insert(name, Arc::new(index));
        }
        let journal_folder = folder.join("journal");
        let journal = journal::Journal::open(&journal_folder);
        let journal = journal.map_err(|error| StoreError::io("open the journal in", &journal_folder, error))?;
        let mut writer = Writer::new(shared.clone(), config.clone(), journal, sequence);
        journal::replay(&journal_folder, |operation| {
            let index = shared.index_for(operation.index).map_err(Failed::Store)?;
            let Ok(index) = index else { return Ok(()) };
            writer.replay(&index, &operation).map_err(Failed::Store)
        })
        .map_err(|failed: Failed| match failed {
            Failed::Store(error) => error,
            Failed::Io(error) => StoreError::io("read the journal in", &journal_folder, error),
        })?;
        writer.end_replay()?;
        let (jobs, queue) = std::sync::mpsc::sync_channel(JOBS_MAX);
        let failure: Arc<Mutex<Option<StoreError>>> = Arc::default();
        let failed = failure.clone();
        let thread = std::thread::Builder::new().name("search-writer".to_owned()).spawn(move || {
            if let Err(error) = writer.run(queue) {
                tracing::error!("the embedded store takes no more documents: {}", with_causes(&error));
                *failed.lock().expect("no panic while it is held") = Some(error);
            }
        });
        let thread = thread.map_err(|error| StoreError::io("start the writer of", folder, error))?;
        Ok(Self {
            shared,
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
            ids: IdSource::new((config.now)()),
            failure,
            _lock: lock,
        })
    }

    /// Writes documents; one outcome for each, in their order. What is told as written is durable. Blocks: parsing is done
    /// here.
    pub fn bulk(&self, items: Vec<BulkItem>) -> Result<Vec<BulkOutcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(items.len());
        let mut writes = Vec::with_capacity(items.len());
        // Most documents go where the one before went.
        let mut last: Option<(Arc<Index>, known::Fields)> = None;
        for item in items {
            let id = item.id.unwrap_or_else(|| self.ids.next());
            if last.as_ref().is_none_or(|(index, _)| *index.name != *item.index) {
                last = None;
                match self.shared.index_for(&item.index)? {
                    Ok(index) => last = Some((index, known::Fields::default())),
                    Err(refusal) => {
                        outcomes.push(BulkOutcome { id, result: Err(ItemError::Index(refusal)) });
                        continue;
                    }
                }
            }
            let (index, fields) = last.as_mut().expect("it was made");
            let result = match document::parse(&item.source, &index.mapping, fields) {
                Err(refused) => Err(ItemError::Document(refused)),
                Ok(document::Parsed { mut document, time }) => {
                    document.id = id.as_str().into();
                    writes.push(Write { index: index.clone(), overwrites: item.overwrites, document, time });
                    // Its place is kept until the writer has said.
                    Ok(Written::Conflict)
                }
            };
            outcomes.push(BulkOutcome { id, result });
        }
        if writes.is_empty() {
            return Ok(outcomes);
        }
        let mut written = self.ask(|answer| Job::Bulk { writes, answer })?.into_iter();
        for result in outcomes.iter_mut().filter_map(|outcome| outcome.result.as_mut().ok()) {
            *result = written.next().ok_or(StoreError::Ended)?;
        }
        Ok(outcomes)
    }

    /// Until everything that was answered before is seen by searches. Blocks.
    pub fn refresh(&self) -> Result<(), StoreError> {
        self.ask(|answer| Job::Refresh { answer })
    }

    /// Takes the indices that `names` means away; returns how many. Blocks.
    pub fn delete(&self, names: &name::Names) -> Result<usize, StoreError> {
        let found: Vec<Arc<Index>> =
            self.shared.indices().into_iter().filter(|index| names.means(&index.name)).collect();
        let number = found.len();
        for index in found {
            self.ask(|answer| Job::Delete { index, answer })?;
        }
        Ok(number)
    }

    fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let jobs = self.jobs.lock().expect("no panic while it is held").clone().ok_or(StoreError::Ended)?;
        let failed = || self.failure.lock().expect("no panic while it is held").clone().unwrap_or(StoreError::Ended);
        jobs.send(job(answer)).map_err(|_| failed())?;
        drop(jobs);
        answered.blocking_recv().map_err(|_| failed())?
    }

    /// What searches see of the indices that `names` means, ascending by name.
    pub fn select(&self, names: &name::Names) -> Vec<Snapshot> {
        let found = self.shared.indices();
        found.iter().filter(|index| names.means(&index.name)).map(|index| index.snapshot()).collect()
    }

    /// The indices, ascending by name.
    pub fn indices(&self) -> Vec<Arc<Index>> {
        self.shared.indices()
    }

    /// The index `name`, made if there is none.
    pub fn index_for(&self, name: &str) -> Result<Result<Arc<Index>, Refusal>, StoreError> {
        self.shared.index_for(name)
    }

    pub fn definitions(&self) -> Definitions {
        self.shared.definitions.read().expect("no panic while it is held").clone()
    }

    /// Changes templates or policies, and keeps them.
    pub fn define<T>(
        &self,
        change: impl FnOnce(&mut Definitions) -> Result<T, Refusal>,
    ) -> Result<Result<T, Refusal>, StoreError> {
        let mut held = self.shared.definitions.write().expect("no panic while it is held");
        let mut changed = held.clone();
        let answer = match change(&mut changed) {
            Ok(answer) => answer,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let path = self.shared.folder.join(TEMPLATES_FILE);
        let bytes = serde_json::to_vec(&changed).expect("definitions are JSON");
        write_whole(&path, &bytes).map_err(|error| StoreError::io("write", &path, error))?;
        *held = changed;
        Ok(Ok(answer))
    }

    /// Bytes of documents that wait in memory for the next commit.
    pub fn uncommitted_bytes(&self) -> usize {
        self.shared.uncommitted_bytes.load(Ordering::Relaxed)
    }

    /// Why the store takes no more documents.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().expect("no panic while it is held").as_ref().map(|error| with_causes(error))
    }

    /// Commits and ends; what is asked afterwards is refused.
    pub fn stop(&self) {
        self.jobs.lock().expect("no panic while it is held").take();
        if let Some(thread) = self.thread.lock().expect("no panic while it is held").take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.stop();
    }
}

const TEMPLATES_FILE: &str = "templates.json";
const INDICES_FOLDER: &str = "indices";

enum Failed {
    Store(StoreError),
    Io(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Shared {
    fn indices(&self) -> Vec<Arc<Index>> {
        self.indices.read().expect("no panic while it is held").values().cloned().collect()
    }

    fn partitions(&self) -> usize {
        self.indices().iter().map(|index| index.partitions().len()).sum()
    }

    fn remove(&self, name: &str) {
        self.indices.write().expect("no panic while it is held").remove(name);
    }

    fn index_for(&self, name: &str) -> Result<Result<Arc<Index>, Refusal>, StoreError> {
        if let Some(index) = self.indices.read().expect("no panic while it is held").get(name) {
            return Ok(Ok(index.clone()));
        }
        if let Err(refusal) = name::check(name) {
            return Ok(Err(refusal));
        }
        let mut indices = self.indices.write().expect("no panic while it is held");
        if let Some(index) = indices.get(name) {
            return Ok(Ok(index.clone()));
        }
        if indices.len() >= INDICES_MAX {
            let reason = format!("this action would add an index, but there are [{INDICES_MAX}] already");
            return Ok(Err(Refusal::new("validation_exception", reason)));
        }
        let mapping = self.definitions.read().expect("no panic while it is held").mapping_for(name);
        let index = Arc::new(Index::create(&self.folder.join(INDICES_FOLDER).join(name), name, mapping)?);
        indices.insert(name.to_owned(), index.clone());
        Ok(Ok(index))
    }
}

/// Ids for documents without one: the start of the process, a random number, and a counter.
struct IdSource {
    prefix: String,
    counter: std::sync::atomic::AtomicU64,
}

impl IdSource {
    fn new(now: i64) -> Self {
        use std::hash::{BuildHasher, Hasher};
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        Self { prefix: format!("{now:012x}{:08x}", random as u32), counter: Default::default() }
    }

    fn next(&self) -> String {
        format!("{}{:08x}", self.prefix, self.counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(|error| StoreError::io("create", &path, error))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_) => Err(StoreError::Locked { folder: folder.display().to_string() }),
    }
}

fn read_definitions(path: &Path) -> Result<Definitions, StoreError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| StoreError::io("read", path, error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Definitions::default()),
        Err(error) => Err(StoreError::io("read", path, error)),
    }
}

/// Writes a small file so that the old or the new content is there, whatever happens.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write;
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
