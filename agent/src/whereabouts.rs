//! Where the lines of a file are as far as an agent knows: whose they are, and up to where they were read, sent and
//! acknowledged. Takes no lock and writes nothing, so that it can be asked beside a running agent.

use crate::checkpoint::{Gap, Positions};
use crate::config::{CheckedInput, Config};
use crate::content::Content;
use crate::discover::Scope;
use crate::engine::place_in;
use crate::fingerprint::{FileId, FileKey};
use crate::format::{End, Format, Framer, Span};
use crate::journal::FileRecord;
use crate::plan::{Plan, PlanError, Start, plan_of};
use crate::tail::recognise;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// Bytes that are read from a file at once; a longer line makes the window grow up to what its format needs.
const WINDOW_BYTES: usize = 1024 * 1024;

/// What checkpoints and config say, as of one moment.
pub struct Whereabouts {
    config: Config,
    inputs: Vec<CheckedInput>,
    scope: Scope,
    positions: Positions,
    /// Made for the first file that is not known: it looks at everything that the inputs name.
    plan: OnceLock<Plan>,
}

/// A file as the agent knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    pub id: FileId,
    /// The name under which it was first seen, which documents have.
    pub path: PathBuf,
    pub topic: String,
    /// `None`: nothing of it was sent yet.
    pub partition: Option<i32>,
    /// Everything before it is acknowledged.
    pub acknowledged: u64,
    /// Ranges that were written down to be sent and have no acknowledgement.
    pub in_flight: Vec<InFlight>,
    /// Ranges that were reported as lost, as far as they are remembered.
    pub gaps: Vec<Gap>,
    /// The name was given to a copy of the file; the lines are the same ones.
    pub is_copy: bool,
}

impl KnownFile {
    /// What was reported as lost at `position`.
    pub fn gap_at(&self, position: u64) -> Option<&Gap> {
        self.gaps.iter().find(|gap| gap.covers(position))
    }
}

/// A batch without acknowledgement, as far as it is of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    pub topic: String,
    pub partition: i32,
    /// Counts the batches of the agent.
    pub number: u64,
    pub start: u64,
    pub end: u64,
}

/// Whose the content of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    Known(KnownFile),
    /// Reading would begin at this position.
    New {
        from: u64,
        why: String,
    },
    /// It would not be read at all.
    Never {
        why: String,
    },
}

/// A record that a file's bytes make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecordAt<'a> {
    /// Of its first byte: what documents have as `log.offset`.
    pub position: u64,
    /// Behind its delimiter.
    pub end: u64,
    pub value: &'a [u8],
}

/// How far the records of a file go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    /// The position behind the last whole one.
    pub behind: u64,
    /// The content goes on there, with what is no whole record; `false` where not all records were wanted.
    pub is_unfinished: bool,
}

impl Whereabouts {
    /// # Errors
    /// A setting cannot work, or the checkpoints cannot be read.
    pub fn read(config: Config) -> Result<Self, PlanError> {
        let inputs = config.check()?;
        let scope = Scope::new(inputs.iter().map(|input| input.reach.clone()).collect());
        let folder = config.checkpoints.clone();
        let positions = Positions::read(&folder).map_err(|source| PlanError::Checkpoints { folder, source })?;
        Ok(Self { config, inputs, scope, positions, plan: OnceLock::new() })
    }

    /// Whether there are checkpoints at all.
    pub fn knows_files(&self) -> bool {
        !self.positions.state().files.is_empty()
    }

    /// Whether each line of `path` is a record of its own.
    pub fn is_plain(&self, path: &Path, known: Option<&KnownFile>) -> bool {
        self.framer(path, known).is_plain()
    }

    /// Whose the content of `path` is now.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn owner(&self, path: &Path) -> Result<Owner, io::Error> {
        let path = &std::path::absolute(path)?;
        let (mut content, metadata) = Content::open(path)?;
        let state = self.positions.state();
        if let Some(record) = state.by_key(&FileKey::of(&metadata))
            && recognise(&mut content, record, &place_in(state, record)).is_ok()
        {
            return Ok(Owner::Known(self.known(record, false)));
        }
        // A file that was truncated or compressed is known by its content.
        let head = content.head()?;
        let same = state.files.begun_as(&head).into_iter().filter_map(|id| state.files.get(&id));
        let forgotten = state.gaps.forgotten().filter(|record| record.head.bytes > 0 && record.head.begins(&head));
        let same = same.chain(forgotten);
        let mut same: Vec<&FileRecord> =
            same.filter(|record| recognise(&mut content, record, &place_in(state, record)).is_ok()).collect();
        // Of several, the one that was read furthest: shorter heads are those of younger files.
        same.sort_by_key(|record| (record.head.bytes, record.position));
        if let Some(record) = same.last() {
            return Ok(Owner::Known(self.known(record, true)));
        }
        Ok(self.unknown(path))
    }

    fn known(&self, record: &FileRecord, is_copy: bool) -> KnownFile {
        let mut in_flight = Vec::new();
        for sent in self.positions.state().unresolved.values() {
            for source in sent.sources.iter().filter(|source| source.file == record.id) {
                let (topic, partition, number) = (sent.topic.clone(), sent.partition, sent.number);
                in_flight.push(InFlight { topic, partition, number, start: source.start, end: source.end });
            }
        }
        let (id, path, topic) = (record.id, record.path.clone(), record.topic.clone());
        let (partition, acknowledged) = (record.partition, record.position);
        let gaps = self.positions.state().gaps.of(id).cloned().collect();
        KnownFile { id, path, topic, partition, acknowledged, in_flight, gaps, is_copy }
    }

    /// Why an unknown file is not read, or from where it would be.
    fn unknown(&self, path: &Path) -> Owner {
        let Self { config, inputs, scope, positions, plan } = self;
        let plan = plan.get_or_init(|| plan_of(config, inputs, scope, positions, SystemTime::now()));
        match plan.files.iter().find(|file| file.path == path).map(|file| &file.start) {
            Some(Start::Never { why }) => Owner::Never { why: why.clone() },
            Some(start) => {
                let from = start.position().unwrap_or(0);
                let why = match start {
                    Start::Beginning { why } if why != "new" => why,
                    _ => "the agent has not seen the file yet",
                };
                Owner::New { from, why: why.to_owned() }
            }
            None if scope.leaves_out(path) => Owner::Never { why: "left out by exclude of its input".to_owned() },
            None => Owner::Never { why: "no path of agent.inputs leads to it".to_owned() },
        }
    }

    /// How the lines of `path` become records: as its input says; plain lines where no input takes it.
    fn framer(&self, path: &Path, known: Option<&KnownFile>) -> Arc<Framer> {
        let first = known.map(|known| known.path.clone());
        let here = std::path::absolute(path).ok();
        let input = [first, here].into_iter().flatten().find_map(|path| self.scope.input_of(&path));
        match input {
            Some(input) => Arc::clone(&self.inputs[input].framer),
            None => Arc::new(Framer::compile(&Format::default()).expect("plain lines need nothing")),
        }
    }

    /// Gives every record that the content of `path` makes to `take`, until that has enough. What has no end yet is no
    /// record.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn records(
        &self,
        path: &Path,
        known: Option<&KnownFile>,
        take: impl FnMut(FileRecordAt<'_>) -> ControlFlow<()>,
    ) -> io::Result<Framing> {
        frame(path, &self.framer(path, known), self.config.line_bytes_max, take)
    }

    /// Position and end of a line, counted from 1; `None`: the file has not so many.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn line(&self, path: &Path, known: Option<&KnownFile>, number: u64) -> io::Result<Option<(u64, u64)>> {
        let format = self.framer(path, known).journaled().map(|format| *format).unwrap_or_default();
        // One line, one record: without what groups, takes apart and filters.
        let lines = Format { encoding: format.encoding, delimiter: format.delimiter, ..Format::default() };
        let framer = Arc::new(Framer::compile(&lines).expect("a part of what was compiled before"));
        let (mut count, mut found) = (0, None);
        let Framing { behind, is_unfinished } = frame(path, &framer, self.config.line_bytes_max, |record| {
            count += 1;
            if count == number {
                found = Some((record.position, record.end));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        if found.is_none() && count + 1 == number {
            // A last line without its end.
            found = is_unfinished.then_some((behind, behind));
        }
        Ok(found)
    }
}

fn frame(
    path: &Path,
    framer: &Arc<Framer>,
    line_bytes_max: usize,
    mut take: impl FnMut(FileRecordAt<'_>) -> ControlFlow<()>,
) -> io::Result<Framing> {
    let (mut content, _) = Content::open(path)?;
    let framer = framer.for_head(&content.head()?);
    let window_max = framer.window_bytes(line_bytes_max).max(WINDOW_BYTES);
    let mut span = Span { base: 0, skip: crate::format::Skip::NOTHING, line_bytes_max };
    let mut data = Vec::new();
    let mut is_at_end = false;
    loop {
        if !is_at_end {
            let wanted = if data.len() < WINDOW_BYTES { WINDOW_BYTES } else { window_max };
            let more = wanted.saturating_sub(data.len()).max(1);
            let read = content.read_up_to(span.base + data.len() as u64, more)?;
            // A compressed content gives less than was asked for before its end, but never nothing.
            is_at_end = read.is_empty();
            data.extend_from_slice(&read);
        }
        let end = match is_at_end {
            true => End::Idle,
            false if data.len() >= window_max => End::Full,
            false => End::More,
        };
        let mut enough = false;
        let outcome = framer.frame(&data, span, end, |chunk| {
            for record in chunk.records {
                let (position, end) = (span.base + record.start as u64, span.base + record.end as u64);
                enough = enough || take(FileRecordAt { position, end, value: &record.value }).is_break();
            }
            !enough
        });
        let nothing = outcome.end == 0;
        span = Span { base: span.base + outcome.end as u64, skip: outcome.skip, ..span };
        data.drain(..outcome.end);
        if enough || outcome.damaged.is_some() || (is_at_end && nothing) {
            return Ok(Framing { behind: span.base, is_unfinished: !enough && !data.is_empty() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Input;
    use crate::format::{Multiline, Rule};
    use kafka_client::ClientConfig;
    use std::fs;

    fn whereabouts(folder: &Path, format: Format, exclude: &[&str]) -> Whereabouts {
        let mut config = Config::new(ClientConfig::new(vec![]), "logs", folder.join("checkpoints"));
        let paths = vec![folder.join("*.log").to_string_lossy().into_owned()];
        let exclude = exclude.iter().map(|text| (*text).to_owned()).collect();
        config.inputs = vec![Input { paths, exclude, format, ..Input::default() }];
        Whereabouts::read(config).expect("a config that works")
    }

    fn check(format: Format, content: &[u8], records: &[(u64, u64, &str)], behind: u64) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.log");
        fs::write(&path, content).expect("written");
        let mut got = Vec::new();
        let framing = whereabouts(folder.path(), format, &[]).records(&path, None, |record| {
            got.push((record.position, record.end, String::from_utf8_lossy(record.value).into_owned()));
            ControlFlow::Continue(())
        });
        let got: Vec<_> = got.iter().map(|(position, end, value)| (*position, *end, value.as_str())).collect();
        let is_unfinished = behind < content.len() as u64;
        assert_eq!((got.as_slice(), framing.expect("read")), (records, Framing { behind, is_unfinished }));
    }

    #[test]
    fn records_are_those_that_the_agent_would_make() {
        check(Format::default(), b"", &[], 0);
        check(Format::default(), b"one\ntwo\r\nrest", &[(0, 4, "one"), (4, 9, "two")], 9);
        let exclude = Format { exclude_lines: vec!["^o".to_owned()], ..Format::default() };
        check(exclude, b"one\ntwo\n", &[(4, 8, "two")], 8);
        let rule = Rule::Continuation("^ ".to_owned());
        let groups = Format { multiline: Some(Multiline { rule, timeout_millis: 1 }), ..Format::default() };
        check(groups, b"a\n b\nc\n", &[(0, 5, "a\n b"), (5, 7, "c")], 7);
    }

    #[test]
    fn lines_are_counted_across_windows_and_groups() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.log");
        let line = format!("{}\n", "x".repeat(999));
        fs::write(&path, format!("{}rest", line.repeat(3000))).expect("written");
        let rule = Rule::Start("^y".to_owned());
        let groups = Format { multiline: Some(Multiline { rule, timeout_millis: 1 }), ..Format::default() };
        let whereabouts = whereabouts(folder.path(), groups, &[]);
        let line = |number| whereabouts.line(&path, None, number).expect("read");
        assert_eq!(line(1), Some((0, 1000)));
        assert_eq!(line(2500), Some((2_499_000, 2_500_000)));
        assert_eq!(line(3001), Some((3_000_000, 3_000_000)));
        assert_eq!(line(3002), None);
        assert_eq!(line(0), None);
    }

    #[test]
    fn what_is_not_known_is_said_with_its_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let whereabouts = whereabouts(folder.path(), Format::default(), &["b.log"]);
        let owner = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, "line\n").expect("written");
            whereabouts.owner(&path).expect("read")
        };
        assert_eq!(owner("a.log"), Owner::New { from: 0, why: "the agent has not seen the file yet".to_owned() });
        assert_eq!(owner("b.log"), Owner::Never { why: "left out by exclude of its input".to_owned() });
        assert_eq!(owner("c.txt"), Owner::Never { why: "no path of agent.inputs leads to it".to_owned() });
    }
}
