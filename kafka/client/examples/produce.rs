//! Produces numbered lines as lz4 batches and reads them back: `produce HOST:PORT TOPIC RECORDS`. Stops with an error
//! unless every line is there once. A broker may be restarted while it runs.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use kafka_client::{
    Client, ClientConfig, FetchLimits, OffsetSpec, Producer, ProducerConfig, Sequencer, TopicPartition,
};
use kafka_wire::batch::{BatchWriter, Batches, PlainRecords, RecordHeaders};
use kafka_wire::compression::Compression;
use tokio::task::JoinHandle;

/// Plain bytes of a batch.
const BATCH_BYTES: usize = 512 * 1024;
/// More than a batch has.
const PLAIN_BYTES_MAX: usize = 2 * BATCH_BYTES;
/// Batches that wait for their acknowledgement.
const UNANSWERED_MAX: usize = 16;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, broker, topic, records] = &arguments[..] else { return Err("want HOST:PORT TOPIC RECORDS".into()) };
    let records: usize = records.parse()?;

    let client = Client::new(ClientConfig::new(vec![broker.clone()]));
    let partitions = client.partitions(topic).await?;
    println!("cluster {:?}, {partitions} partitions", client.cluster_id().await?);
    let producer = Producer::new(client.clone(), ProducerConfig::default());
    let mut sequencer = Sequencer::new(producer.obtain_identity().await?);
    let mut writer = BatchWriter::new(Compression::Lz4);
    let mut unanswered: VecDeque<JoinHandle<_>> = VecDeque::new();
    let headers = RecordHeaders::new();
    let mut starts = Vec::new();
    for index in 0..partitions {
        starts.push(client.list_offset(&TopicPartition::new(topic.as_str(), index), OffsetSpec::Latest).await?);
    }
    let began = Instant::now();
    // Of today: Apache Kafka forgets a producer a day after its newest record's timestamp, at the latest when it
    // restarts, and then takes a repeated batch for a new one.
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let mut partition = TopicPartition::new(topic.as_str(), 0);
    for number in 0..records {
        let line = format!("{number:0>9} {:x<190}", "GET /index.html HTTP/1.1 200 ");
        writer.push(timestamp, None, Some(line.as_bytes()), &headers, None);
        if writer.plain_bytes() >= BATCH_BYTES || number + 1 == records {
            let batch = sequencer.seal(&partition, &mut writer);
            unanswered.push_back(tokio::spawn(producer.send(partition.clone(), batch)));
            partition.partition = (partition.partition + 1) % partitions;
            if unanswered.len() > UNANSWERED_MAX
                && let Some(oldest) = unanswered.pop_front()
            {
                oldest.await??;
            }
        }
    }
    for answer in unanswered {
        answer.await??;
    }
    println!("{records} records acknowledged in {:?}", began.elapsed());

    let mut missing: BTreeSet<usize> = (0..records).collect();
    for (index, start) in (0..).zip(starts) {
        partition.partition = index;
        let end = client.list_offset(&partition, OffsetSpec::Latest).await?;
        let mut offset = start;
        while offset < end {
            let fetched = client.fetch(&partition, offset, FetchLimits::default()).await?;
            for batch in Batches::new(&fetched.records) {
                let (header, bytes) = batch?;
                header.verify_crc(bytes)?;
                let plain = PlainRecords::read(header, bytes, PLAIN_BYTES_MAX)?;
                for record in plain.iter() {
                    let line = record?.value.unwrap_or_default();
                    let number: usize = std::str::from_utf8(&line[..9])?.parse()?;
                    if !missing.remove(&number) {
                        return Err(format!("line {number} is there twice").into());
                    }
                }
                offset = header.last_offset() + 1;
            }
        }
    }
    match missing.first() {
        None => println!("every line is there once"),
        Some(line) => return Err(format!("{} lines are missing, the first is {line}", missing.len()).into()),
    }
    Ok(())
}
