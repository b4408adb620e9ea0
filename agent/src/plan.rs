//! What an agent would do if it were started now: which files it would read, and from where. Takes no lock, writes
//! nothing, and asks no broker.

use crate::checkpoint::{Positions, State};
use crate::config::{CheckedInput, Config, ConfigError, From};
use crate::content::Content;
use crate::detect;
use crate::discover::Scope;
use crate::engine::{FileState, Places, place_in};
use crate::fingerprint::{FileId, FileKey};
use crate::host::HostIdentity;
use crate::journal::{Entry, FileRecord, Form};
use crate::tail::{Veto, recognise};
use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Everything that would be read, and what would be left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// By path; then those that have a name outside of the globs by now, and are read on.
    pub files: Vec<PlannedFile>,
    /// What was named and leads to nothing, as it was written.
    pub unmatched: Vec<String>,
    /// Names of what is read as it comes: standard input, syslog, the journal.
    pub streams: Vec<String>,
    /// Why the checkpoints are taken for another machine's: identities would be new, and nothing be sent again.
    pub copied: Option<&'static str>,
}

/// What holds a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Gzip,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFile {
    pub path: PathBuf,
    /// `None` when there is nothing to read: a directory, or no permission.
    pub kind: Option<Kind>,
    /// `None`: it would get one.
    pub id: Option<FileId>,
    /// Bytes on the disk; those of a compressed file are compressed.
    pub size: u64,
    /// Empty when it is not read.
    pub topic: String,
    /// Guessed from the first lines where nothing is said; `None` while there is none.
    pub dataset: Option<String>,
    pub start: Start,
}

/// From where a file would be read. Positions are those of the uncompressed content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// It is new, or its content is.
    Beginning { why: String },
    /// It is new, and asked for from its end.
    End { position: u64 },
    /// It is known. Everything before `acknowledged` is in the topic; what is between the two is sent again first.
    Checkpoint { position: u64, acknowledged: u64 },
    /// Not at all.
    Never { why: String },
}

impl Start {
    /// Where reading would begin.
    pub fn position(&self) -> Option<u64> {
        match self {
            Self::Beginning { .. } => Some(0),
            Self::End { position } | Self::Checkpoint { position, .. } => Some(*position),
            Self::Never { .. } => None,
        }
    }
}

/// Looks at the files that `config` names, and at its checkpoints.
///
/// # Errors
/// A setting cannot work, or the checkpoints cannot be read.
pub fn plan(config: &Config, now: SystemTime) -> Result<Plan, PlanError> {
    let inputs = config.check()?;
    let folder = config.checkpoints.clone();
    let positions = Positions::read(&folder).map_err(|source| PlanError::Checkpoints { folder, source })?;
    let scope = Scope::new(inputs.iter().map(|input| input.reach.clone()).collect());
    Ok(plan_of(config, &inputs, &scope, &positions, now))
}

/// The same, of what was read and checked before: `inputs` and `scope` are those of `config`.
pub(crate) fn plan_of(
    config: &Config,
    inputs: &[CheckedInput],
    scope: &Scope,
    positions: &Positions,
    now: SystemTime,
) -> Plan {
    let walk = scope.walk();
    let host = config.host_identity.clone().unwrap_or_else(|| HostIdentity::look(&config.checkpoints));
    let copied = positions.state().host.as_ref().and_then(|known| known.differs(&host));
    let mut state = positions.state().clone();
    if copied.is_some() {
        state.apply(Entry::Copied { uuid: String::new(), host });
    }
    let places = Places::of(inputs);
    let is_copied = copied.is_some();
    let mut planner = Planner { state: &state, inputs, scope, places, now, is_copied, seen: HashMap::new() };
    let mut files: Vec<PlannedFile> = walk.found.iter().map(|found| planner.found(&found.path, found.input)).collect();
    let link = "a link out of the folder that was named; follow_symlinks is off";
    files.extend(walk.skipped.iter().map(|path| never(path, 0, link)));
    files.extend(walk.unreadable.iter().map(|(path, why)| never(path, 0, &format!("cannot be read: {why}"))));
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files.extend(planner.renamed());
    let streams = config.inputs.iter().filter_map(|input| input.stream.as_ref());
    let streams = streams.enumerate().map(|(before, stream)| stream.name(before)).collect();
    Plan { files, unmatched: walk.unmatched, streams, copied }
}

/// What the checkpoints in `folder` say about files, with the sizes that these have now. For a look when no agent runs.
///
/// # Errors
/// The checkpoints cannot be read.
pub fn checkpointed(folder: &Path) -> io::Result<Vec<FileState>> {
    let positions = Positions::read(folder)?;
    let places = Places::default();
    let records = positions.state().files.values().filter(|record| !record.gone);
    Ok(records
        .map(|record| {
            let path = places.find(record).ok().flatten();
            let on_disk = path.as_ref().and_then(|path| fs::metadata(path).ok()).map(|metadata| metadata.len());
            let is_gzip =
                path.as_ref().and_then(|path| Content::open(path).ok()).is_some_and(|it| it.0.gzip().is_some());
            let size = match (record.form, on_disk) {
                (Form::Archive { end, .. }, _) => end,
                (Form::Open | Form::Finished, Some(size)) if !is_gzip => size,
                _ => record.position,
            };
            FileState {
                id: record.id,
                nameless: path.as_ref().is_none_or(|path| *path != record.path_now),
                path: record.path_now.clone(),
                dataset: record.dataset.clone(),
                detected: record.dataset_detected,
                size,
                position: record.position,
                acknowledged: record.position,
                archive: None,
                lag_seconds: 0,
                problem: path.is_none().then(|| "is not found under its last name, nor beside it".to_owned()),
                last_error: None,
            }
        })
        .collect())
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("read checkpoints {folder:?}")]
    Checkpoints {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
}

struct Planner<'a> {
    state: &'a State,
    inputs: &'a [CheckedInput],
    scope: &'a Scope,
    places: Places,
    now: SystemTime,
    /// What would be given new identities.
    is_copied: bool,
    /// The name under which each file was found first: it has one reader.
    seen: HashMap<FileKey, PathBuf>,
}

impl Planner<'_> {
    fn found(&mut self, path: &Path, input: usize) -> PlannedFile {
        self.look(path, input).unwrap_or_else(|error| never(path, 0, &format!("cannot be read: {error}")))
    }

    fn look(&mut self, path: &Path, input: usize) -> io::Result<PlannedFile> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            return Ok(never(path, 0, "not a regular file"));
        }
        let (key, size) = (FileKey::of(&metadata), metadata.len());
        if let Some(first) = self.seen.get(&key) {
            return Ok(never(path, size, &format!("the same file as {first:?}")));
        }
        let input = &self.inputs[input];
        let known = self.state.by_key(&key);
        if known.is_none() && self.is_old(input, &metadata) {
            return Ok(never(path, size, "has not changed for longer than ignore_older_s; is read when it changes"));
        }
        let (mut content, _) = Content::open(path)?;
        self.seen.insert(key, path.to_owned());
        let head = content.head()?;
        let kind = kind_of(&content);
        let mut why = "new".to_owned();
        if let Some(record) = known {
            match self.known(record, &mut content, path, size) {
                Ok(file) => return Ok(file),
                Err(Veto::Io(error)) => return Err(error),
                Err(veto) => why = format!("not the file that the checkpoint tells of: {veto}"),
            }
        }
        if let Some(original) = self.original(path, &head) {
            why.push_str(&format!("; begins as {original:?}, and is read on from there if it is a copy"));
        }
        let at_end = input.from == From::End && !self.state.files.is_named(path);
        let start = match (at_end, kind) {
            (false, _) => Start::Beginning { why },
            (true, Kind::Plain) => Start::End { position: size },
            (true, Kind::Gzip) => Start::Never { why: "compressed, and asked for from its end".to_owned() },
        };
        let first_lines = (input.framer.is_plain() && head.contains(&b'\n')).then_some(&head);
        let guessed = || first_lines.map(|head| detect::dataset(path, head).to_owned());
        Ok(PlannedFile {
            path: path.to_owned(),
            kind: Some(kind),
            id: None,
            size,
            topic: input.topic.name(path),
            dataset: input.dataset.clone().or_else(guessed),
            start,
        })
    }

    /// A known file of another name that begins as this one does: copytruncate and compression leave such copies.
    fn original(&self, path: &Path, head: &[u8]) -> Option<&Path> {
        let is_alike = |record: &&FileRecord| record.head.bytes > 0 && record.path != path && record.head.begins(head);
        self.state.files.values().find(is_alike).map(|record| record.path_now.as_path())
    }

    fn known(&self, record: &FileRecord, content: &mut Content, path: &Path, size: u64) -> Result<PlannedFile, Veto> {
        let (place, kind) = (place_in(self.state, record), kind_of(content));
        recognise(content, record, &place)?;
        Ok(PlannedFile {
            path: path.to_owned(),
            kind: Some(kind),
            id: Some(record.id).filter(|_| !self.is_copied),
            size,
            topic: record.topic.clone(),
            dataset: record.dataset.clone(),
            start: Start::Checkpoint { position: place.position, acknowledged: record.position },
        })
    }

    /// Files that were renamed while no agent was there, out of the globs too: they are read to their end.
    fn renamed(&self) -> Vec<PlannedFile> {
        let records = self.state.files.values();
        // Segments of the spool have no path of their own, and are no files that anybody named.
        let is_named = |record: &&FileRecord| record.path.is_absolute() && self.scope.input_of(&record.path).is_some();
        let named = records.filter(|record| !record.gone).filter(is_named);
        let missing = named.filter(|record| !self.seen.contains_key(&record.key));
        let found = missing.filter_map(|record| {
            let path = self.places.find(record).ok().flatten()?;
            let (mut content, metadata) = Content::open(&path).ok()?;
            if record.form == Form::Finished && metadata.len() == place_in(self.state, record).position {
                return None;
            }
            self.known(record, &mut content, &path, metadata.len()).ok()
        });
        found.collect()
    }

    fn is_old(&self, input: &CheckedInput, metadata: &Metadata) -> bool {
        let age = metadata.modified().ok().and_then(|at| self.now.duration_since(at).ok()).unwrap_or_default();
        input.ignore_older.is_some_and(|ignore_older| age > ignore_older)
    }
}

fn kind_of(content: &Content) -> Kind {
    if content.gzip().is_some() { Kind::Gzip } else { Kind::Plain }
}

fn never(path: &Path, size: u64, why: &str) -> PlannedFile {
    let (path, start) = (path.to_owned(), Start::Never { why: why.to_owned() });
    PlannedFile { path, kind: None, id: None, size, topic: String::new(), dataset: None, start }
}
