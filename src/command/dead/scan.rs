//! Reading a topic from its beginning to its end of now.

use super::letter::{Letter, Source};
use super::mark::Resolved;
use crate::command::bar::Bar;
use anyhow::Context;
use kafka_client::{Client, FetchLimits, OffsetSpec, TopicPartition};
use kafka_wire::batch::{Batches, PlainRecords, Record};
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of one batch in plain form, as the worker takes them.
const PLAIN_BYTES_MAX: usize = 256 * 1024 * 1024;
/// All that is asked for is there already.
pub const LIMITS: FetchLimits =
    FetchLimits { bytes_max: 4 * 1024 * 1024, bytes_min: 1, wait_max: Duration::from_millis(100) };

/// A topic that exists.
pub struct ScannedTopic {
    pub client: Client,
    pub name: Arc<str>,
    /// Log start offset and high watermark at the start of the command, by partition.
    pub ends: BTreeMap<i32, (i64, i64)>,
}

/// How many offsets lie between two.
fn offsets(from: i64, to: i64) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0)
}

impl ScannedTopic {
    /// `None`: there is no such topic. It is not made by looking for it.
    pub async fn open(client: Client, name: &str) -> anyhow::Result<Option<Self>> {
        let name: Arc<str> = name.into();
        let metadata = loop {
            match client.refresh(std::slice::from_ref(&name), false).await {
                Ok(metadata) => break metadata,
                Err(error) if error.is_retriable() => tokio::time::sleep(Duration::from_millis(200)).await,
                Err(error) => return Err(error.into()),
            }
        };
        let Some(topic) = metadata.topics.get(&name).filter(|topic| topic.error.is_none()) else { return Ok(None) };
        let mut ends = BTreeMap::new();
        for &number in topic.partitions.keys() {
            let partition = TopicPartition { topic: Arc::clone(&name), partition: number };
            let start = client.list_offset(&partition, OffsetSpec::Earliest).await?;
            ends.insert(number, (start, client.list_offset(&partition, OffsetSpec::Latest).await?));
        }
        Ok(Some(Self { client, name, ends }))
    }

    /// How many offsets there are in all partitions.
    pub fn records(&self) -> u64 {
        self.ends.values().map(|&(start, end)| offsets(start, end)).sum()
    }

    pub fn partition(&self, number: i32) -> TopicPartition {
        TopicPartition { topic: Arc::clone(&self.name), partition: number }
    }

    /// How many of the [`ScannedTopic::records`] come before a place, partition by partition.
    pub fn before(&self, number: i32, offset: i64) -> u64 {
        let ends = self.ends.range(..=number);
        ends.map(|(&other, &(start, end))| offsets(start, if other == number { offset } else { end })).sum()
    }

    /// What the marks say. `read`: told how many records come before the one that is read.
    pub async fn resolved(&self, mut read: impl FnMut(u64)) -> anyhow::Result<Resolved> {
        let mut resolved = Resolved::default();
        for (&number, &(start, _)) in &self.ends {
            self.each(number, start, |record| {
                read(self.before(number, record.offset));
                resolved.read(record);
                ControlFlow::Continue(())
            })
            .await?;
        }
        Ok(resolved)
    }

    /// As [`ScannedTopic::resolved`], with a bar.
    pub async fn resolved_behind(&self, bar: &mut Bar) -> anyhow::Result<Resolved> {
        self.resolved(|read| bar.show(read, self.records(), || "what is resolved".to_owned())).await
    }

    /// Gives every letter to `take`, with whether it is the first with that original.
    pub async fn letters(
        &self,
        number: i32,
        mut take: impl FnMut(Letter, bool) -> ControlFlow<()>,
    ) -> anyhow::Result<()> {
        let Some(&(start, _)) = self.ends.get(&number) else { return Ok(()) };
        let mut seen: HashSet<Source> = HashSet::new();
        self.each(number, start, |record| match Letter::read(number, record) {
            Some(letter) => {
                let is_first = seen.insert(letter.source.clone());
                take(letter, is_first)
            }
            None => ControlFlow::Continue(()),
        })
        .await
    }

    /// Gives every record of a partition from `offset` on to `take`, until that has enough.
    pub async fn each(
        &self,
        number: i32,
        mut offset: i64,
        mut take: impl FnMut(&Record<'_>) -> ControlFlow<()>,
    ) -> anyhow::Result<()> {
        let partition = self.partition(number);
        let Some(&(_, end)) = self.ends.get(&number) else { return Ok(()) };
        while offset < end {
            let fetched = self.client.fetch(&partition, offset, LIMITS).await?;
            let before = offset;
            for batch in Batches::new(&fetched.records) {
                // A last one that is cut off comes whole with the next fetch.
                let Ok((header, batch)) = batch else { break };
                header.verify_crc(batch).with_context(|| format!("read {partition} at offset {offset}"))?;
                let wanted = offset;
                offset = offset.max(header.last_offset().saturating_add(1));
                if header.is_control() {
                    continue;
                }
                let plain = PlainRecords::read(header, batch, PLAIN_BYTES_MAX)
                    .with_context(|| format!("read {partition} at offset {wanted}"))?;
                for record in plain.iter() {
                    let record = record.with_context(|| format!("read {partition} at offset {wanted}"))?;
                    if record.offset >= wanted && take(&record).is_break() {
                        return Ok(());
                    }
                }
            }
            if offset == before {
                tokio::time::sleep(LIMITS.wait_max).await;
            }
        }
        Ok(())
    }
}
