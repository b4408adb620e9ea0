//! `sluice dead replay`: sends dead letters back to the topic that they came from.
//!
//! Each goes as the record that it was: key, value, headers and timestamp, to its partition; so its document has the
//! `_id` and the index that it had. A letter is marked only when its topic has acknowledged the record. Interrupted in
//! between, the next run sends it again: nothing is lost, the topic has the record twice, and the index has the document
//! once.

use super::drop::delete_resolved;
use super::filter::Filter;
use super::letter::Letter;
use super::mark::{Resolution, Resolved};
use super::scan::ScannedTopic;
use crate::command::bar::Bar;
use crate::files::count;
use crate::screen::Screen;
use anyhow::bail;
use bytes::Bytes;
use jiff::Timestamp;
use kafka_client::{Client, Producer, ProducerConfig, Sequencer, TopicPartition};
use kafka_wire::batch::BatchWriter;
use kafka_wire::compression::Compression;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::process::ExitCode;

/// Plain bytes of letters that are sent and then marked together.
const ROUND_BYTES: usize = 4 * 1024 * 1024;
/// Plain bytes of a batch: half of what a topic takes by default.
const BATCH_BYTES: usize = 512 * 1024;

pub async fn replay(topic: &ScannedTopic, filter: &Filter, dry_run: bool, screen: &Screen) -> anyhow::Result<ExitCode> {
    let mut bar = Bar::new(screen);
    let mut resolved = topic.resolved_behind(&mut bar).await?;
    let (mut sent, mut unsendable) = (0u64, 0u64);
    let mut sender = Sender::new(topic.client.clone()).await?;
    for (&number, &(start, end)) in &topic.ends {
        let mut from = start;
        while from < end {
            let round = next_round(topic, number, from, filter, &resolved, sent).await?;
            from = round.next;
            unsendable += round.unsendable;
            bar.show(topic.before(number, from), topic.records(), || format!("sent back {}", count(sent)));
            if round.letters.is_empty() {
                continue;
            }
            sent += round.letters.len() as u64;
            if !dry_run {
                sender.send_back(&round.letters).await?;
                sender.mark(topic, &round.taken, Resolution::Replayed, &mut resolved).await?;
            }
        }
    }
    bar.end();
    if unsendable > 0 {
        eprintln!("note: {unsendable} dead letters are batches that cannot be read, and no records to be sent back");
    }
    let what = if dry_run { "would be sent back" } else { "were sent back" };
    println!("{sent} dead letters of topic {:?} {what}", topic.name);
    if !dry_run {
        delete_resolved(topic, &resolved).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Letters that are sent and marked together.
struct Round {
    letters: Vec<Letter>,
    /// Their offsets, and those of their repetitions.
    taken: Resolved,
    unsendable: u64,
    /// Where the next round begins.
    next: i64,
}

async fn next_round(
    topic: &ScannedTopic,
    number: i32,
    from: i64,
    filter: &Filter,
    resolved: &Resolved,
    sent: u64,
) -> anyhow::Result<Round> {
    let (_, end) = topic.ends[&number];
    let mut round = Round { letters: Vec::new(), taken: Resolved::default(), unsendable: 0, next: end };
    let (mut bytes, mut seen) = (0, HashMap::new());
    topic
        .each(number, from, |record| {
            let is_full =
                bytes >= ROUND_BYTES || filter.limit.is_some_and(|limit| sent + round.letters.len() as u64 >= limit);
            if is_full {
                round.next = record.offset;
                return ControlFlow::Break(());
            }
            let Some(letter) = Letter::read(number, record) else { return ControlFlow::Continue(()) };
            if resolved.contains(number, letter.offset) || !filter.matches(&letter) {
                return ControlFlow::Continue(());
            }
            if !letter.is_record() {
                round.unsendable += 1;
                return ControlFlow::Continue(());
            }
            round.taken.insert(number, letter.offset, letter.offset);
            if seen.insert(letter.source.clone(), ()).is_none() {
                bytes += letter.value.as_ref().map_or(0, Bytes::len) + 512;
                round.letters.push(letter);
            }
            ControlFlow::Continue(())
        })
        .await?;
    if filter.limit.is_some_and(|limit| sent + round.letters.len() as u64 >= limit) {
        round.next = end;
    }
    Ok(round)
}

/// Produces records, batch after batch.
pub struct Sender {
    client: Client,
    producer: Producer,
    sequencer: Sequencer,
    partitions: HashMap<String, i32>,
}

impl Sender {
    pub async fn new(client: Client) -> anyhow::Result<Self> {
        let producer = Producer::new(client.clone(), ProducerConfig::default());
        let sequencer = Sequencer::new(producer.obtain_identity().await?);
        Ok(Self { client, producer, sequencer, partitions: HashMap::new() })
    }

    /// Sends the originals of `letters`; returns when all are acknowledged.
    async fn send_back(&mut self, letters: &[Letter]) -> anyhow::Result<()> {
        let mut by_partition: BTreeMap<TopicPartition, Vec<&Letter>> = BTreeMap::new();
        for letter in letters {
            let to = self.destination(&letter.source.topic, letter.source.partition).await?;
            by_partition.entry(to).or_default().push(letter);
        }
        for (to, letters) in by_partition {
            let mut writer = BatchWriter::new(Compression::Lz4);
            for letter in letters {
                let headers = letter.original_headers();
                let bytes = letter.value.as_ref().map_or(0, Bytes::len) + headers.encoded_bytes();
                if !writer.is_empty() && writer.plain_bytes() + bytes > BATCH_BYTES {
                    self.send(&to, &mut writer).await?;
                }
                writer.push(letter.source.timestamp_ms, letter.key.as_deref(), letter.value.as_deref(), &headers, None);
            }
            self.send(&to, &mut writer).await?;
        }
        Ok(())
    }

    /// Writes down that the letters in `done` are resolved.
    pub async fn mark(
        &mut self,
        topic: &ScannedTopic,
        done: &Resolved,
        resolution: Resolution,
        resolved: &mut Resolved,
    ) -> anyhow::Result<()> {
        for (number, headers) in done.marks(resolution) {
            let mut writer = BatchWriter::new(Compression::None);
            writer.push(Timestamp::now().as_millisecond(), None, None, &headers, None);
            self.send(&topic.partition(number), &mut writer).await?;
        }
        resolved.extend(done);
        Ok(())
    }

    async fn send(&mut self, to: &TopicPartition, writer: &mut BatchWriter) -> anyhow::Result<()> {
        let batch = self.sequencer.seal(to, writer);
        match self.producer.send(to.clone(), batch).await {
            Ok(_) => Ok(()),
            Err(error) => bail!(
                "produce to {to}: {error}; the letters that were not acknowledged are still there, and the next run sends \
                 them"
            ),
        }
    }

    /// The partition that the original came from, or the one that stands for it in a topic that has fewer.
    async fn destination(&mut self, topic: &str, partition: i32) -> anyhow::Result<TopicPartition> {
        let count = match self.partitions.get(topic) {
            Some(count) => *count,
            None => {
                let metadata = self.client.refresh(&[topic.into()], false).await?;
                let found = metadata.topics.get(topic).filter(|found| found.error.is_none());
                let Some(found) = found else {
                    bail!("topic {topic:?}, from which the letters came, is not there any more")
                };
                let count = i32::try_from(found.partitions.len())?;
                self.partitions.insert(topic.to_owned(), count);
                count
            }
        };
        Ok(TopicPartition::new(topic, partition.rem_euclid(count.max(1))))
    }
}
