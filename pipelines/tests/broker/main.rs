//! The worker on a real broker, from a topic into an Elasticsearch stand-in and a dead letter topic.

use broker::Broker;
use elasticsearch_stand_in::{ItemFault, StandIn};
use kafka_client::{Client, ClientConfig, FetchLimits, Producer, ProducerConfig, Sequencer, TopicPartition};
use kafka_wire::batch::{BatchWriter, Batches, PlainRecords, RecordHeaders};
use kafka_wire::compression::Compression;
use pipelines::worker::{Config, Settings, Worker};
use prometheus_client::registry::Registry;
use sink_elasticsearch::ElasticsearchSink;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Far more than any test here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);
const PARTITIONS: i32 = 4;

struct Place {
    broker: Broker,
    client: Client,
    server: StandIn,
    /// The broker's files.
    _data: tempfile::TempDir,
}

async fn place() -> Place {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut config = broker::Config::new(data.path());
    config.listen = vec![std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()];
    config.num_partitions = PARTITIONS;
    let broker = Broker::start(config, &mut Registry::default()).await.expect("the broker starts");
    let address = broker.addresses()[0];
    let client = Client::new(ClientConfig::new(vec![address.to_string()]));
    let server = StandIn::start().await;
    server.refuse(Box::new(|item| {
        let message = item.source.as_ref().ok()?.get("message")?.as_str()?;
        message.starts_with("bad").then(|| ItemFault::error(400, "document_parsing_exception", "it is bad"))
    }));
    Place { broker, client, server, _data: data }
}

/// Produces `lines` to partition after partition, as an agent would, in batches of a hundred.
async fn produce(client: &Client, lines: std::ops::Range<usize>) {
    client.create_topic("logs", PARTITIONS).await.expect("a topic");
    let producer = Producer::new(client.clone(), ProducerConfig::default());
    let mut sequencer = Sequencer::new(producer.obtain_identity().await.expect("an identity"));
    let lines: Vec<_> = lines.collect();
    let mut sent = Vec::new();
    for (n, lines) in lines.chunks(100).enumerate() {
        let mut headers = RecordHeaders::new();
        headers.push("event.dataset", Some(b"shop"));
        headers.push("sluice.file.id", Some(b"00000000000000aa"));
        headers.push_number_key("log.offset");
        let mut writer = BatchWriter::new(Compression::Lz4);
        for line in lines {
            let word = if line % 100 == 7 { "bad" } else { "good" };
            let value = format!("{word} {line}");
            let now = jiff::Timestamp::now().as_millisecond();
            writer.push(now, None, Some(value.as_bytes()), &headers, Some(*line as u64));
        }
        let partition = TopicPartition::new("logs", n as i32 % PARTITIONS);
        let batch = sequencer.seal(&partition, &mut writer);
        sent.push(producer.send(partition, batch));
    }
    for sent in sent {
        sent.await.expect("the broker takes the batch");
    }
}

fn start(place: &Place, instance_id: Option<&str>) -> Worker {
    let mut registry = Registry::default();
    let sink = sink_elasticsearch::Config {
        linger: Duration::from_millis(20),
        ..sink_elasticsearch::Config::new([place.server.url()])
    };
    let sink = ElasticsearchSink::new(sink, &mut registry).expect("the configuration is sound");
    let config = Config {
        instance_id: instance_id.map(Into::into),
        settings: Settings { commit_every: Duration::from_millis(50), ..Settings::default() },
        ..Config::new(place.client.clone(), "logs", "sluice")
    };
    Worker::start(config, sink, &mut registry)
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not before the deadline");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn good(server: &StandIn) -> BTreeSet<String> {
    let documents = server.documents();
    let messages: BTreeSet<_> =
        documents.values().map(|document| document["message"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(messages.len(), documents.len(), "a line is there twice");
    messages
}

fn expected(lines: std::ops::Range<usize>, word: &str) -> BTreeSet<String> {
    let is_bad = word == "bad";
    lines.filter(|line| (line % 100 == 7) == is_bad).map(|line| format!("{word} {line}")).collect()
}

/// The values in the dead letter topic, with the offset that their headers name.
async fn dead_letters(place: &Place) -> BTreeSet<String> {
    let mut values = BTreeSet::new();
    for (number, end) in place.broker.log_end_offsets("logs.dead") {
        let partition = TopicPartition::new("logs.dead", number);
        let mut offset = 0;
        while offset < end {
            let fetched = place.client.fetch(&partition, offset, FetchLimits::default()).await.expect("records");
            for batch in Batches::new(&fetched.records) {
                let (header, batch) = batch.expect("a sound batch");
                offset = header.last_offset() + 1;
                for record in &PlainRecords::read(header, batch, 1 << 24).expect("sound records") {
                    let record = record.expect("a sound record");
                    let header = |key| record.headers.last_value(key).map(String::from_utf8_lossy).unwrap_or_default();
                    assert_eq!(header("sluice.dead.type"), "document_parsing_exception");
                    assert_eq!((header("sluice.dead.topic"), header("event.dataset")), ("logs".into(), "shop".into()));
                    values.insert(String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned());
                }
            }
        }
    }
    values
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_go_from_the_topic_into_the_index_and_the_dead_letters() {
    let place = place().await;
    // The worker comes first, and waits for the topic.
    let worker = start(&place, None);
    produce(&place.client, 0..4000).await;
    until("all delivered", || {
        worker.delivered().iter().map(|(_, offset)| offset).sum::<i64>() == 4000 && worker.progress().lag.records == 0
    })
    .await;
    assert_eq!(worker.problems(), Vec::<String>::new());
    let progress = worker.stop(DEADLINE).await;
    assert_eq!((progress.records_read, progress.documents_delivered, progress.rejected), (4000, 3960, 40));
    assert_eq!(good(&place.server), expected(0..4000, "good"));
    assert_eq!(dead_letters(&place).await, expected(0..4000, "bad"));

    // The next one begins where this one ended.
    produce(&place.client, 4000..5000).await;
    let worker = start(&place, None);
    until("all delivered", || worker.progress().records_read >= 1000).await;
    let progress = worker.stop(DEADLINE).await;
    assert_eq!((progress.records_read, progress.already_there), (1000, 0));
    assert_eq!(good(&place.server), expected(0..5000, "good"));
    assert_eq!(place.server.violations(), Vec::<String>::new());
    place.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_come_and_go_deliver_each_line_once() {
    let place = place().await;
    produce(&place.client, 0..2000).await;
    let first = start(&place, Some("first"));
    until("some delivered", || !place.server.documents().is_empty()).await;
    let second = start(&place, Some("second"));
    produce(&place.client, 2000..4000).await;
    until("both have partitions", || !first.delivered().is_empty() && !second.delivered().is_empty()).await;
    // Killed, and back under the same name: nothing has been committed since.
    drop(first);
    let first = start(&place, Some("first"));
    produce(&place.client, 4000..6000).await;
    let all = expected(0..6000, "good");
    until("all delivered", || place.server.documents().len() == all.len()).await;
    first.stop(DEADLINE).await;
    second.stop(DEADLINE).await;
    assert_eq!(good(&place.server), all);
    assert_eq!(dead_letters(&place).await, expected(0..6000, "bad"));
    place.broker.stop().await;
}
