//! The records of files in their topics: which wait for a worker, and where a single one is.

use super::standing::Rejection;
use crate::cli::ChainArgs;
use crate::command::brokers;
use crate::command::dead::{LIMITS, Letter, SUFFIX, ScannedTopic};
use crate::command::worker::GROUP_DEFAULT;
use crate::config::{ConfigFile, security};
use agent::{FILE_ID_HEADER, FileId, KnownFile, POSITION_HEADER};
use kafka_client::{Client, ClientConfig};
use kafka_wire::batch::Record;
use pipelines::worker::{Made, REPLAYED_ID_HEADER, Trial, document_id};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A broker that is there answers sooner, and without it much can be said all the same.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// A range of so few offsets is read through: about what one fetch brings.
const LINEAR_OFFSETS: i64 = 4000;

/// Where a record is in its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Not committed by the workers.
    Waiting {
        partition: i32,
        offset: i64,
    },
    /// The workers have committed it.
    Done {
        partition: i32,
        offset: i64,
    },
    /// The first record of the file lies behind it, and nothing was removed from the partition.
    Before,
    /// It is not there, and the partition does not begin at 0.
    Removed {
        start: i64,
    },
    Nowhere,
    NoTopic,
}

/// The records of a file that no worker has committed: partition and offset, by position. `Err`: why they are not known.
pub type Waiting = Result<HashMap<u64, (i32, i64)>, String>;

/// A record of a file.
#[derive(Debug, Clone, Copy)]
struct Seen {
    offset: i64,
    position: u64,
}

pub struct Topics {
    client: ClientConfig,
    pub group: String,
}

impl Topics {
    pub fn new(args: &ChainArgs, config: &ConfigFile) -> anyhow::Result<Self> {
        let section = &config.worker;
        let named = section.broker.as_deref().or(config.agent.broker.as_deref());
        let mut client = ClientConfig::new(brokers(&args.broker, named));
        client.security = security::checked("worker", section.broker_tls.as_ref(), section.sasl.as_ref())?;
        let group = args.group.clone().or_else(|| section.group.clone());
        Ok(Self { client, group: group.unwrap_or_else(|| GROUP_DEFAULT.to_owned()) })
    }

    /// The topic, and up to where the group has committed it. `Err`: why that is not known.
    pub async fn open(&self, name: &str) -> Result<Option<Partitions>, String> {
        let client = Client::new(self.client.clone());
        let opening = async {
            let Some(topic) = ScannedTopic::open(client, name).await? else { return anyhow::Ok(None) };
            let numbers = topic.ends.keys().copied();
            let committed = topic.client.committed(&self.group, &topic.name, numbers).await?;
            Ok(Some(Partitions { topic, committed }))
        };
        match timeout(OPEN_TIMEOUT, opening).await {
            Ok(opened) => opened.map_err(|error| format!("{error:#}")),
            Err(_) => Err(format!("no broker answers at {}", self.client.bootstrap.join(", "))),
        }
    }

    /// The open dead letters of `topic`, by the id of their document. `Err`: why they are not known.
    pub async fn letters(&self, topic: &str) -> Result<HashMap<String, Rejection>, String> {
        let read = async {
            let mut letters = HashMap::new();
            let name = format!("{topic}{SUFFIX}");
            let opening = ScannedTopic::open(Client::new(self.client.clone()), &name);
            let Some(dead) = timeout(OPEN_TIMEOUT, opening).await?? else { return anyhow::Ok(letters) };
            let resolved = dead.resolved(|_| ()).await?;
            for &number in dead.ends.keys() {
                let take = |letter: Letter, _| {
                    if !resolved.contains(number, letter.offset) {
                        let place = letter.place();
                        let Letter { status, kind, reason, id, .. } = letter;
                        letters.insert(id, Rejection { place, status, kind, reason });
                    }
                    ControlFlow::Continue(())
                };
                dead.letters(number, take).await?;
            }
            Ok(letters)
        };
        read.await.map_err(|error| format!("dead letters of {topic}: {error:#}"))
    }
}

/// A topic as of one moment.
pub struct Partitions {
    topic: ScannedTopic,
    committed: BTreeMap<i32, i64>,
}

impl Partitions {
    /// Those of `files` that the group has not committed. One way through each partition; one that cannot be read makes
    /// unknown what is in it.
    async fn waiting(&self, files: &[&KnownFile]) -> HashMap<FileId, Waiting> {
        let mut waiting: HashMap<FileId, Waiting> = files.iter().map(|file| (file.id, Ok(HashMap::new()))).collect();
        for (&number, &(start, _)) in &self.topic.ends {
            let here = files.iter().filter(|file| may_be_in(file, number) && waiting[&file.id].is_ok());
            let here: HashMap<Vec<u8>, FileId> = here.map(|file| (file.id.to_string().into_bytes(), file.id)).collect();
            if here.is_empty() {
                continue;
            }
            let from = self.committed.get(&number).map_or(start, |committed| start.max(*committed));
            let take = |record: &Record<'_>| {
                if let Some(id) = file_of(record).and_then(|id| here.get(id))
                    && let Some(position) = position(record)
                    && let Some(Ok(of_file)) = waiting.get_mut(id)
                {
                    of_file.insert(position, (number, record.offset));
                }
                ControlFlow::Continue(())
            };
            if let Err(error) = self.topic.each(number, from, take).await {
                waiting.extend(here.into_values().map(|id| (id, Err(format!("{error:#}")))));
            }
        }
        waiting
    }

    /// The partitions that records of `file` may be in, each with its start and end.
    fn partitions_of(&self, file: &KnownFile) -> impl Iterator<Item = (i32, i64, i64)> {
        let ends = self.topic.ends.iter().map(|(&number, &(start, end))| (number, start, end));
        ends.filter(|&(number, ..)| may_be_in(file, number))
    }

    /// The record of `file` that begins at `position`.
    pub async fn find(&self, file: &KnownFile, position: u64) -> anyhow::Result<Found> {
        let mut found = self.find_all(file, &BTreeSet::from([position])).await?;
        Ok(found.remove(&position).unwrap_or(Found::Nowhere))
    }

    /// The records of `file` that begin at `positions`: what is not in the answer is [`Found::Nowhere`]. One way through the
    /// records between the first and the last of them.
    pub async fn find_all(&self, file: &KnownFile, positions: &BTreeSet<u64>) -> anyhow::Result<HashMap<u64, Found>> {
        let mut found = HashMap::new();
        let (Some(&least), Some(&most)) = (positions.first(), positions.last()) else { return Ok(found) };
        let id = file.id.to_string();
        for (partition, start, end) in self.partitions_of(file) {
            let committed = self.committed.get(&partition).copied();
            let from = self.behind_earlier(partition, start, end, &id, least).await?;
            let mut earliest = None;
            let take = |record: &Record<'_>| {
                let offset = record.offset;
                let Some(position) = position_in_order(record, &id) else {
                    return ControlFlow::Continue(());
                };
                earliest.get_or_insert(position);
                if position > most {
                    return ControlFlow::Break(());
                }
                if positions.contains(&position) {
                    // A batch that is there twice counts where it is first.
                    found.entry(position).or_insert(match committed.is_some_and(|committed| offset < committed) {
                        true => Found::Done { partition, offset },
                        false => Found::Waiting { partition, offset },
                    });
                }
                ControlFlow::Continue(())
            };
            self.topic.each(partition, from, take).await?;
            // Only from the beginning of the partition on it is known what lies before the file's records there.
            if from == start && (start > 0 || earliest.is_some()) {
                for &position in positions.range(..earliest.unwrap_or(u64::MAX)) {
                    let behind = if start == 0 { Found::Before } else { Found::Removed { start } };
                    found.entry(position).or_insert(behind);
                }
            }
        }
        Ok(found)
    }

    /// The record of `file` that the line at `position` is in, as far as the topic knows: its position, and the id of its
    /// document.
    pub async fn around(&self, file: &KnownFile, position: u64) -> anyhow::Result<Option<(u64, String)>> {
        let id = file.id.to_string();
        let mut around = None;
        for (partition, start, end) in self.partitions_of(file) {
            let from = self.behind_earlier(partition, start, end, &id, position).await?;
            let take = |record: &Record<'_>| {
                let Some(begins) = position_in_order(record, &id) else {
                    return ControlFlow::Continue(());
                };
                if begins > position {
                    return ControlFlow::Break(());
                }
                let value = record.value.unwrap_or_default();
                if begins == position || position - begins < value.len() as u64 {
                    around = document_id(file.id.0, begins, value).map(|id| (begins, id));
                }
                ControlFlow::Continue(())
            };
            self.topic.each(partition, from, take).await?;
        }
        Ok(around)
    }

    /// What a worker with the pipelines of `trial` makes of the records at `offsets`, all of one partition.
    pub async fn made(
        &self,
        partition: i32,
        offsets: &BTreeSet<i64>,
        trial: &Trial,
    ) -> anyhow::Result<HashMap<i64, Made>> {
        let name = self.topic.partition(partition);
        let mut made = HashMap::new();
        let mut wanted = offsets.iter().copied().peekable();
        while let (Some(&first), Some(&last)) = (wanted.peek(), offsets.last()) {
            let fetched = self.topic.client.fetch(&name, first, LIMITS).await?;
            let part = trial.of(&name, &fetched.records, first, last.saturating_add(1));
            if part.is_empty() {
                break;
            }
            while wanted.next_if(|offset| part.contains_key(offset)).is_some() {}
            made.extend(part.into_iter().filter(|(offset, _)| offsets.contains(offset)));
            // An offset without a record is passed over, not asked for again and again.
            wanted.next_if_eq(&first);
        }
        Ok(made)
    }

    /// An offset behind records of the file with earlier positions than `position`, as far as there are many. A file's
    /// records stand in the order of their positions, so the place is found by halves.
    async fn behind_earlier(&self, number: i32, start: i64, end: i64, id: &str, position: u64) -> anyhow::Result<i64> {
        let (mut low, mut high) = (start, end);
        while high - low > LINEAR_OFFSETS {
            let middle = low + (high - low) / 2;
            match self.first(number, middle, high, id).await? {
                Some(seen) if seen.position <= position => low = seen.offset,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// The first record of a file in a range of offsets.
    async fn first(&self, number: i32, from: i64, to: i64, id: &str) -> anyhow::Result<Option<Seen>> {
        let mut found = None;
        let take = |record: &Record<'_>| {
            if record.offset >= to {
                return ControlFlow::Break(());
            }
            match position_in_order(record, id) {
                Some(position) => {
                    found = Some(Seen { offset: record.offset, position });
                    ControlFlow::Break(())
                }
                None => ControlFlow::Continue(()),
            }
        };
        if from < to {
            self.topic.each(number, from, take).await?;
        }
        Ok(found)
    }
}

/// A file keeps its partition; a letter that was sent back goes there too.
fn may_be_in(file: &KnownFile, partition: i32) -> bool {
    file.partition.is_none_or(|of_file| of_file == partition)
}

/// The id of the file that a record is of.
fn file_of<'a>(record: &Record<'a>) -> Option<&'a [u8]> {
    record.headers.last_value(FILE_ID_HEADER)
}

/// The position that a record has in its file.
fn position(record: &Record<'_>) -> Option<u64> {
    std::str::from_utf8(record.headers.last_value(POSITION_HEADER)?).ok()?.parse().ok()
}

/// The position that a record has in the file `id`, if it is of that file and was not sent back from the dead letters: such a
/// one stands out of order.
fn position_in_order(record: &Record<'_>, id: &str) -> Option<u64> {
    let is_in_order = file_of(record)? == id.as_bytes() && record.headers.last_value(REPLAYED_ID_HEADER).is_none();
    is_in_order.then(|| position(record))?
}

/// Topics that were opened, or why not, by name.
#[derive(Default)]
pub struct Opened {
    topics: HashMap<String, Result<Option<Arc<Partitions>>, String>>,
    letters: HashMap<String, Result<Arc<HashMap<String, Rejection>>, String>>,
}

impl Opened {
    /// Looks once at each topic.
    pub async fn topic(&mut self, topics: &Topics, name: &str) -> Result<Option<Arc<Partitions>>, String> {
        if !self.topics.contains_key(name) {
            let opened = topics.open(name).await.map(|opened| opened.map(Arc::new));
            self.topics.insert(name.to_owned(), opened);
        }
        self.topics[name].clone()
    }

    /// What waits of each of `files`: one way through each of their topics.
    pub async fn waiting<'a>(
        &mut self,
        topics: &Topics,
        files: impl Iterator<Item = &'a KnownFile>,
    ) -> HashMap<FileId, Waiting> {
        let mut by_topic: BTreeMap<&str, Vec<&KnownFile>> = BTreeMap::new();
        for file in files {
            by_topic.entry(&file.topic).or_default().push(file);
        }
        let mut waiting = HashMap::new();
        for (name, files) in by_topic {
            match self.topic(topics, name).await {
                Ok(Some(topic)) => waiting.extend(topic.waiting(&files).await),
                Ok(None) => waiting.extend(files.iter().map(|file| (file.id, Ok(HashMap::new())))),
                Err(why) => waiting.extend(files.iter().map(|file| (file.id, Err(why.clone())))),
            }
        }
        waiting
    }

    /// Reads the dead letters of a topic once.
    pub async fn letters(&mut self, topics: &Topics, name: &str) -> Result<Arc<HashMap<String, Rejection>>, String> {
        if !self.letters.contains_key(name) {
            let letters = topics.letters(name).await.map(Arc::new);
            self.letters.insert(name.to_owned(), letters);
        }
        self.letters[name].clone()
    }
}
