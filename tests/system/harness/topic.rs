//! Topics through librdkafka: an independent client says what is in them.

use super::oracle::Arrived;
use super::wait;
use anyhow::{Context, bail, ensure};
use rdkafka::admin::{AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// For one question to a broker on a loaded machine.
pub const ANSWER: Duration = Duration::from_secs(20);
/// For a broker to know what the cluster's controller has done.
pub const KNOWN: Duration = Duration::from_secs(60);
/// Without a record for so long, a topic is not going to give those that it announced.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A record as librdkafka gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Vec<u8>,
    pub headers: Vec<(String, String)>,
}

impl Record {
    /// The last header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().rev().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// For the oracle: within one file of the agent's, lines are in order.
    pub fn arrived(self) -> Arrived {
        let order = self.header("sluice.file.id").map(|file| format!("file {file}"));
        let place = format!("partition {} offset {}", self.partition, self.offset);
        Arrived { line: self.value, place, order }
    }
}

/// A consumer without a group's duties.
fn consumer(broker: &str, group: &str) -> anyhow::Result<BaseConsumer> {
    let consumer: BaseConsumer<_> = ClientConfig::new()
        .set("bootstrap.servers", broker)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("check.crcs", "true")
        .set("fetch.wait.max.ms", "50")
        // What waits in the client is not seen yet: little of it, for those who measure delays.
        .set("queued.max.messages.kbytes", "4096")
        .create()
        .context("make a librdkafka consumer")?;
    Ok(consumer)
}

/// Topic names of a broker, sorted.
pub fn names(broker: &str) -> anyhow::Result<Vec<String>> {
    let metadata =
        consumer(broker, "look")?.fetch_metadata(None, ANSWER).with_context(|| format!("metadata of {broker}"))?;
    let mut names: Vec<String> = metadata.topics().iter().map(|topic| topic.name().to_owned()).collect();
    names.sort();
    Ok(names)
}

/// The nodes that a broker knows as alive, by number.
pub fn nodes(broker: &str) -> anyhow::Result<Vec<i32>> {
    let metadata =
        consumer(broker, "look")?.fetch_metadata(None, ANSWER).with_context(|| format!("metadata of {broker}"))?;
    Ok(metadata.brokers().iter().map(|node| node.id()).collect())
}

/// Log start and log end offset of every partition; empty while the topic does not exist.
pub fn offsets(broker: &str, topic: &str) -> anyhow::Result<BTreeMap<i32, (i64, i64)>> {
    if !names(broker)?.iter().any(|name| name == topic) {
        return Ok(BTreeMap::new());
    }
    let consumer = consumer(broker, "look")?;
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER).with_context(|| format!("metadata of {topic}"))?;
    let partitions = metadata.topics().first().context("an answer about the topic")?.partitions();
    partitions
        .iter()
        .map(|partition| Ok((partition.id(), consumer.fetch_watermarks(topic, partition.id(), ANSWER)?)))
        .collect()
}

/// A partition as the cluster's metadata describes it, by numbers of nodes.
pub struct Partition {
    pub leader: i32,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
}

/// The partitions of a topic.
pub fn partitions(broker: &str, topic: &str) -> anyhow::Result<Vec<Partition>> {
    let metadata = consumer(broker, "look")?.fetch_metadata(Some(topic), ANSWER)?;
    let partitions = metadata.topics().first().context("an answer about the topic")?.partitions().iter();
    let described = partitions.map(|partition| Partition {
        leader: partition.leader(),
        replicas: partition.replicas().to_vec(),
        in_sync: partition.isr().to_vec(),
    });
    Ok(described.collect())
}

/// Records in the topic, by its offsets.
pub fn count(broker: &str, topic: &str) -> anyhow::Result<u64> {
    let offsets = offsets(broker, topic)?;
    Ok(offsets.values().map(|(start, end)| u64::try_from(end - start).unwrap_or_default()).sum())
}

/// What a group has committed, by partition.
pub fn committed(broker: &str, group: &str, topic: &str) -> anyhow::Result<BTreeMap<i32, i64>> {
    let mut asked = TopicPartitionList::new();
    for partition in offsets(broker, topic)?.into_keys() {
        asked.add_partition(topic, partition);
    }
    let committed = consumer(broker, group)?.committed_offsets(asked, ANSWER).context("committed offsets")?;
    let known = committed.elements().into_iter();
    Ok(known.filter_map(|element| Some((element.partition(), element.offset().to_raw()?))).collect())
}

/// Partitions whose records the group has not committed to their end: the end, and what it has committed.
pub fn uncommitted(broker: &str, group: &str, topic: &str) -> anyhow::Result<BTreeMap<i32, (i64, Option<i64>)>> {
    let committed = committed(broker, group, topic)?;
    let ends = offsets(broker, topic)?.into_iter().filter(|(_, (start, end))| start < end);
    let compared = ends.map(|(partition, (_, end))| (partition, (end, committed.get(&partition).copied())));
    Ok(compared.filter(|(_, (end, committed))| *committed != Some(*end)).collect())
}

/// Waits until the group has committed all that the topic has.
pub fn wait_until_committed(broker: &str, group: &str, topic: &str, deadline: Duration) -> anyhow::Result<()> {
    let probe = || uncommitted(broker, group, topic);
    wait::until_equal("ends and offsets of what is not committed", deadline, BTreeMap::new(), probe)
}

/// Every record of the topic, partition by partition, in order of offsets.
pub fn read(broker: &str, topic: &str) -> anyhow::Result<Vec<Record>> {
    let mut records = Vec::new();
    each(broker, topic, |record| {
        records.push(record);
        Ok(())
    })?;
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}

/// Gives every record that the topic has now to `take`, in order of offsets within each partition.
pub fn each(broker: &str, topic: &str, mut take: impl FnMut(Record) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let offsets = offsets(broker, topic)?;
    let consumer = consumer(broker, "read")?;
    let mut assignment = TopicPartitionList::new();
    let mut left: BTreeMap<i32, i64> = BTreeMap::new();
    for (&partition, &(start, end)) in offsets.iter().filter(|(_, (start, end))| start < end) {
        assignment.add_partition_offset(topic, partition, Offset::Offset(start))?;
        left.insert(partition, end);
    }
    consumer.assign(&assignment)?;
    let mut heard = Instant::now();
    while !left.is_empty() {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            if heard.elapsed() > SILENCE_MAX {
                bail!("{topic}: no record for {SILENCE_MAX:?}; offsets are {offsets:?}, still to come are {left:?}");
            }
            continue;
        };
        heard = Instant::now();
        let message = message.with_context(|| format!("read {topic}"))?;
        if left.get(&message.partition()).is_some_and(|end| message.offset() + 1 >= *end) {
            left.remove(&message.partition());
        }
        take(record(&message))?;
    }
    Ok(())
}

/// Gives records to `take` as they come, from the beginning, until it says that it has all. Nothing for `patience` is a
/// failure.
pub fn follow(
    broker: &str,
    topic: &str,
    patience: Duration,
    mut take: impl FnMut(Record) -> bool,
) -> anyhow::Result<()> {
    let consumer = consumer(broker, "follow")?;
    let mut assignment = TopicPartitionList::new();
    for partition in offsets(broker, topic)?.into_keys() {
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut heard = Instant::now();
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(message) => {
                heard = Instant::now();
                if take(record(&message?)) {
                    return Ok(());
                }
            }
            None if heard.elapsed() > patience => bail!("{topic}: no record for {patience:?}"),
            None => {}
        }
    }
}

/// Makes a topic with settings such as `max.message.bytes`.
pub fn create(broker: &str, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> anyhow::Result<()> {
    create_replicated(broker, topic, partitions, 1, settings)
}

/// Makes a topic whose partitions are on several nodes.
pub fn create_replicated(
    broker: &str,
    topic: &str,
    partitions: i32,
    replicas: i32,
    settings: &[(&str, &str)],
) -> anyhow::Result<()> {
    let mut wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(replicas));
    for (key, value) in settings {
        wanted = wanted.set(key, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(ANSWER)).request_timeout(Some(ANSWER));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let created = runtime.block_on(admin(broker)?.create_topics([&wanted], &options))?;
    for result in created {
        result.map_err(|(name, error)| anyhow::anyhow!("create topic {name}: {error}"))?;
    }
    // Apache Kafka's controller answers before its brokers have heard of the topic.
    wait::until_ok(&format!("metadata of {topic}"), KNOWN, || {
        ensure!(names(broker)?.iter().any(|name| name == topic), "it is not listed");
        let leaders: Vec<i32> = self::partitions(broker, topic)?.iter().map(|partition| partition.leader).collect();
        ensure!(i32::try_from(leaders.len()) == Ok(partitions), "want {partitions} partitions; got {}", leaders.len());
        ensure!(leaders.iter().all(|leader| *leader >= 0), "the partitions have the leaders {leaders:?}");
        Ok(())
    })
}

/// Gives a topic this setting and no other.
pub fn alter(broker: &str, topic: &str, (key, value): (&str, &str)) -> anyhow::Result<()> {
    let setting = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(key, value);
    let options = AdminOptions::new().operation_timeout(Some(ANSWER)).request_timeout(Some(ANSWER));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let altered = runtime.block_on(admin(broker)?.alter_configs([&setting], &options))?;
    altered.into_iter().try_for_each(|result| match result {
        Ok(_) => Ok(()),
        Err((resource, error)) => bail!("alter {resource:?}: {error}"),
    })
}

/// Reads `wanted` records as a member of a group, commits, and leaves. Standing still for `patience` is a failure.
pub fn read_in_group(
    broker: &str,
    topic: &str,
    group: &str,
    wanted: usize,
    patience: Duration,
) -> anyhow::Result<Vec<Record>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .create()
        .context("make a librdkafka consumer")?;
    consumer.subscribe(&[topic])?;
    let mut heard = Instant::now();
    let mut records = Vec::new();
    while records.len() < wanted {
        match consumer.poll(Duration::from_millis(100)) {
            Some(message) => {
                records.push(record(&message?));
                heard = Instant::now();
            }
            None if heard.elapsed() < patience => {}
            None => bail!(
                "want {wanted} records; got {} and none for {patience:?}; assigned: {:?}, positions: {:?}, offsets: {:?}",
                records.len(),
                consumer.assignment(),
                consumer.position(),
                offsets(broker, topic),
            ),
        }
    }
    // Only what was looked at: the consumer's own positions may be ahead of that.
    let mut done = TopicPartitionList::new();
    for (partition, next) in next_offsets(&records) {
        done.add_partition_offset(topic, partition, Offset::Offset(next))?;
    }
    consumer.commit(&done, CommitMode::Sync).context("commit")?;
    consumer.unsubscribe();
    Ok(records)
}

/// The offset behind the last record of each partition.
fn next_offsets(records: &[Record]) -> BTreeMap<i32, i64> {
    let mut next = BTreeMap::new();
    for record in records {
        let offset = next.entry(record.partition).or_insert(0);
        *offset = record.offset.max(*offset - 1) + 1;
    }
    next
}

/// A record with its bytes copied out of librdkafka's.
pub fn record(message: &impl Message) -> Record {
    let headers = message.headers().map(|headers| {
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
    });
    Record {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().unwrap_or_default().to_vec(),
        headers: headers.unwrap_or_default(),
    }
}

/// A librdkafka admin client.
fn admin(broker: &str) -> anyhow::Result<rdkafka::admin::AdminClient<DefaultClientContext>> {
    ClientConfig::new().set("bootstrap.servers", broker).create().context("make a librdkafka admin client")
}
