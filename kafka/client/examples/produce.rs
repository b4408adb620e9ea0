//! Produces numbered lines as lz4 batches: `produce HOST:PORT TOPIC RECORDS`. Says what the client cost.

use std::collections::VecDeque;
use std::time::Instant;

use kafka_client::{Client, ClientConfig, Producer, ProducerConfig, Sequencer, TopicPartition};
use kafka_wire::batch::{BatchWriter, RecordHeaders};
use kafka_wire::compression::Compression;
use tokio::task::JoinHandle;

/// Plain bytes of a batch.
const BATCH_BYTES: usize = 512 * 1024;
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
    let producer = Producer::new(client, ProducerConfig::default());
    let mut sequencer = Sequencer::new(producer.obtain_identity().await?);
    let mut writer = BatchWriter::new(Compression::Lz4);
    let mut unanswered: VecDeque<JoinHandle<_>> = VecDeque::new();
    let headers = RecordHeaders::new();
    let began = Instant::now();
    let mut partition = TopicPartition::new(topic.as_str(), 0);
    for number in 0..records {
        let line = format!("{number:0>9} {:x<190}", "GET /index.html HTTP/1.1 200 ");
        writer.push(1_700_000_000_000, None, Some(line.as_bytes()), &headers, None);
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
    Ok(())
}
