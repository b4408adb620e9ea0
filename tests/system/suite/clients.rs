//! librdkafka and kcat produce and consume with every codec, on our broker and on Apache Kafka: the second shows that the
//! test itself is right.

use crate::harness::scene::Scene;
use crate::harness::{sluice, topic};
use crate::real;
use anyhow::{Context, ensure};
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::collections::HashSet;
use std::time::Duration;

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// Records of one test of one codec: several batches of several requests.
const RECORDS: usize = 2_000;
/// A group of one member is complete after a rebalance at most this late.
const GROUP: Duration = Duration::from_secs(90);
/// On a machine with too much to do, one of librdkafka's partitions on Apache Kafka was assigned and got no first offset, for as
/// long as anybody waited. That is an affair of those two; on our broker once is a failure.
const REFERENCE_TRIES: usize = 3;

pub fn librdkafka(scene: &Scene) -> anyhow::Result<()> {
    librdkafka_on(&sluice::broker(scene)?.address, 1)
}

pub fn apache_kafka_librdkafka(_: &Scene) -> anyhow::Result<()> {
    librdkafka_on(&real::kafka()?.address, REFERENCE_TRIES)
}

pub fn kcat(scene: &Scene) -> anyhow::Result<()> {
    kcat_on(&sluice::broker(scene)?.address)
}

pub fn apache_kafka_kcat(_: &Scene) -> anyhow::Result<()> {
    kcat_on(&real::kafka()?.address)
}

/// Each group may stand still for `tries - 1` times, under another name each time.
fn librdkafka_on(broker: &str, tries: usize) -> anyhow::Result<()> {
    let topics: Vec<String> = CODECS.iter().map(|codec| format!("librdkafka-{codec}")).collect();
    for (codec, name) in CODECS.into_iter().zip(&topics) {
        topic::create(broker, name, 3, &[])?;
        for idempotent in ["false", "true"] {
            produce(broker, name, codec, idempotent)
                .with_context(|| format!("produce {codec}, idempotent: {idempotent}"))?;
        }
        let records = topic::read(broker, name).with_context(|| format!("consume {codec}"))?;
        ensure!(records.len() == 2 * RECORDS, "{codec}: want {} records; got {}", 2 * RECORDS, records.len());
        for record in &records {
            let key = record.key.as_deref().map(String::from_utf8_lossy).context("every record has a key")?;
            let (idempotent, number) = key.split_once(' ').context("a key has two words")?;
            ensure!(record.value == value(number.parse()?), "{codec}: value of {key} at {record:?}");
            ensure!(
                record.headers
                    == [
                        ("idempotent".to_owned(), idempotent.to_owned()),
                        ("twice".into(), "a".into()),
                        ("twice".into(), "b".into())
                    ],
                "{codec}: headers, two of the same key among them: {record:?}"
            );
            ensure!(
                record.timestamp == Some(1_700_000_000_000 + number.parse::<i64>()?),
                "{codec}: timestamp: {record:?}"
            );
        }
        let different: HashSet<_> = records.iter().map(|record| &record.key).collect();
        ensure!(different.len() == records.len(), "{codec}: every key once; got {} keys", different.len());
    }
    for group in ["first", "second"] {
        let mut left = tries;
        while let Err(error) = consume_in_group(broker, &topics[0], &format!("{group}-{left}")) {
            left -= 1;
            ensure!(left > 0, "group {group}: {error:#}");
            eprintln!("group {group} once more: {error:#}");
        }
    }
    Ok(())
}

fn value(number: usize) -> Vec<u8> {
    let mut value = format!("value {number} ").into_bytes();
    value.resize(20 + number % 300, b'x');
    value
}

fn produce(broker: &str, topic: &str, codec: &str, idempotent: &str) -> anyhow::Result<()> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker)
        .set("compression.codec", codec)
        .set("enable.idempotence", idempotent)
        .set("batch.num.messages", "300")
        .set("acks", "all")
        .create()?;
    for number in 0..RECORDS {
        let (key, value) = (format!("{idempotent} {number}"), value(number));
        let headers = OwnedHeaders::new()
            .insert(Header { key: "idempotent", value: Some(idempotent) })
            .insert(Header { key: "twice", value: Some("a") })
            .insert(Header { key: "twice", value: Some("b") });
        let timestamp = 1_700_000_000_000 + i64::try_from(number)?;
        let record = BaseRecord::to(topic).key(&key).payload(&value).headers(headers).timestamp(timestamp);
        producer.send(record).map_err(|(error, _)| error)?;
        producer.poll(Duration::ZERO);
    }
    producer.flush(topic::ANSWER)?;
    ensure!(producer.in_flight_count() == 0, "{} records without an answer", producer.in_flight_count());
    Ok(())
}

/// A group reads half of a topic, commits and leaves; its next member reads the other half and nothing twice.
fn consume_in_group(broker: &str, topic: &str, group: &str) -> anyhow::Result<()> {
    let mut seen = HashSet::new();
    for _ in 0..2 {
        for record in topic::read_in_group(broker, topic, group, RECORDS, GROUP)? {
            let place = (record.partition, record.offset);
            ensure!(seen.insert(place), "{topic} {place:?} came twice");
        }
    }
    Ok(())
}

fn kcat_on(broker: &str) -> anyhow::Result<()> {
    for codec in CODECS {
        let name = format!("kcat-{codec}");
        let lines: Vec<String> = (0..RECORDS).map(|number| format!("{codec} line {number}")).collect();
        let input = lines.join("\n") + "\n";
        let produced = real::kcat(&["-b", broker, "-t", &name, "-P", "-z", codec, "-p", "0"], input.as_bytes())?;
        ensure!(produced.status.success(), "kcat -P -z {codec}: {}", String::from_utf8_lossy(&produced.stderr));
        let consumed = real::kcat(&["-b", broker, "-t", &name, "-C", "-e", "-q", "-p", "0", "-o", "beginning"], b"")?;
        ensure!(consumed.status.success(), "kcat -C {codec}: {}", String::from_utf8_lossy(&consumed.stderr));
        ensure!(
            String::from_utf8_lossy(&consumed.stdout) == input,
            "kcat -C {codec}: the lines are not those produced"
        );
    }
    let listed = real::kcat(&["-b", broker, "-L"], b"")?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for codec in CODECS {
        ensure!(listed.contains(&format!("topic \"kcat-{codec}\" with 4 partitions")), "kcat -L: {listed}");
    }
    Ok(())
}
