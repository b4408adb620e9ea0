//! Producing and fetching.

use crate::client::{self, Client, Served, fetch, produce};
use bytes::Bytes;
use kafka_wire::batch::{Batches, Producer};
use kafka_wire::compression::Compression;
use kafka_wire::protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_wire::protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_wire::protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_wire::protocol::messages::{
    FetchRequest, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest, TopicName,
    TransactionalId,
};
use kafka_wire::protocol::protocol::StrBytes;
use std::time::{Duration, Instant};
use uuid::Uuid;

fn name(name: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(name))
}

/// Makes the topic by asking for it; its id.
fn topic(client: &mut Client, topic: &'static str) -> Uuid {
    let asked = MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request = MetadataRequest::default().with_topics(Some(vec![asked])).with_allow_auto_topic_creation(true);
    let response = client.call(12, &request);
    assert_eq!((response.topics[0].error_code, response.topics[0].partitions.len()), (0, 4));
    response.topics[0].topic_id
}

fn batch(values: &[&str], producer: Producer) -> Bytes {
    client::batch(Compression::Lz4, 1_700_000_000_000, values, producer)
}

/// Error and base offset.
fn produced(client: &mut Client, records: Bytes) -> (i16, i64) {
    let response = client.call(9, &produce(name("t"), Uuid::nil(), 0, -1, records));
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

#[test]
fn what_is_produced_in_any_version_is_fetched_in_any_version() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut client = served.connect();
    let id = topic(&mut client, "t");
    for version in 3..=13 {
        let (topic, id) = if version < 13 { (name("t"), Uuid::nil()) } else { (name(""), id) };
        let response = client.call(version, &produce(topic, id, 0, -1, batch(&["a", "b"], Producer::NONE)));
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (0, 2 * i64::from(version - 3)), "{version}");
    }
    for version in 4..=18 {
        let (topic, id) = if version < 13 { (name("t"), Uuid::nil()) } else { (name(""), id) };
        let response = client.call(version, &fetch(topic, id, 3, 1, 0));
        let partition = &response.responses[0].partitions[0];
        assert_eq!((partition.error_code, partition.high_watermark), (0, 22), "{version}");
        let records = partition.records.clone().expect("records");
        let batches: Vec<i64> = Batches::new(&records).map(|one| one.expect("sound").0.base_offset).collect();
        assert_eq!(batches, (1..11).map(|one| one * 2).collect::<Vec<i64>>(), "whole batches from the middle of one");
    }
    served.stop();
}

#[test]
fn wrong_batches_get_the_answers_of_kafka() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut client = served.connect();
    topic(&mut client, "t");
    let sound = batch(&["a"], Producer::NONE);
    let changed = |at: usize, byte: u8| {
        let mut bytes = sound.to_vec();
        bytes[at] = byte;
        Bytes::from(bytes)
    };
    for (what, records, code) in [
        ("crc", changed(17, sound[17] ^ 1), 2),
        ("magic 3", changed(16, 3), 2),
        ("magic 1", changed(16, 1), 87),
        ("too long", changed(11, sound[11] + 1), 87),
        ("empty", Bytes::new(), 87),
        ("two batches", Bytes::from(sound.repeat(2)), 87),
    ] {
        assert_eq!(produced(&mut client, records), (code, -1), "{what}");
    }
    assert_eq!(produced(&mut client, sound.clone()), (0, 0), "nothing of that was appended");

    let partition = |index, records| PartitionProduceData::default().with_index(index).with_records(records);
    let request = |topic, partition| {
        let topic = TopicProduceData::default().with_name(topic).with_partition_data(vec![partition]);
        ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic])
    };
    for (what, request, code) in [
        ("unknown partition", request(name("t"), partition(99, Some(sound.clone()))), 3),
        ("negative partition", request(name("t"), partition(-1, Some(sound.clone()))), 3),
        ("unknown topic", request(name("nowhere"), partition(0, Some(sound.clone()))), 3),
        ("null records", request(name("t"), partition(0, None)), 42),
        ("acks", request(name("t"), partition(0, Some(sound.clone()))).with_acks(2), 21),
    ] {
        assert_eq!(client.call(9, &request).responses[0].partition_responses[0].error_code, code, "{what}");
    }
    client.send(9, &produce(name("nowhere"), Uuid::nil(), 0, 0, sound));
    client.expect_closed();
    served.stop();
}

#[test]
fn a_repeated_batch_is_appended_once_and_a_gap_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut client = served.connect();
    topic(&mut client, "t");
    let identity = client.call(4, &InitProducerIdRequest::default().with_transactional_id(None));
    assert_eq!((identity.error_code, identity.producer_epoch), (0, 0));
    let id = identity.producer_id.0;
    let send = |client: &mut Client, base_sequence| {
        produced(client, batch(&["a", "b"], Producer { id, epoch: 0, base_sequence }))
    };
    assert_eq!(send(&mut client, 0), (0, 0));
    assert_eq!(send(&mut client, 2), (0, 2));
    assert_eq!(send(&mut client, 0), (0, 0), "a repetition gets its first answer");
    assert_eq!(send(&mut client, 6), (45, -1), "a gap");
    assert_eq!(served.broker().log_end_offsets("t")[0], (0, 4));
    served.wait_for_metric("sluice_broker_batches_appended_total 2");
    served.wait_for_metric("sluice_broker_batches_repeated_total 1");
    served.wait_for_metric("sluice_broker_batches_refused_total{reason=\"out_of_order_sequence_number\"} 1");
    served.stop();
    let served = Served::start(directory.path());
    let mut client = served.connect();
    assert_eq!(send(&mut client, 2), (0, 2), "also after a restart");
    assert_eq!(send(&mut client, 4), (0, 4));
    let again = client.call(4, &InitProducerIdRequest::default().with_transactional_id(None));
    assert!(again.producer_id.0 > id, "ids are never given twice");
    let transactional = TransactionalId(StrBytes::from_static_str("tx"));
    let refused = client.call(4, &InitProducerIdRequest::default().with_transactional_id(Some(transactional)));
    assert_eq!(refused.error_code, 53);
    served.stop();
}

#[test]
fn requests_sent_ahead_are_answered_in_order() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut client = served.connect();
    topic(&mut client, "t");
    // More than may be in flight: the rest waits in the socket.
    for _ in 0..100 {
        client.send(9, &produce(name("t"), Uuid::nil(), 0, -1, batch(&["a"], Producer::NONE)));
    }
    client.send(9, &produce(name("t"), Uuid::nil(), 0, 0, batch(&["unanswered"], Producer::NONE)));
    for offset in 0..100 {
        let response = client.receive::<ProduceRequest>(9);
        assert_eq!(response.responses[0].partition_responses[0].base_offset, offset);
    }
    served.stop();
}

#[test]
fn a_fetch_waits_for_records_and_not_longer() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let (mut reader, mut writer) = (served.connect(), served.connect());
    topic(&mut reader, "t");
    let began = Instant::now();
    let empty = reader.call(11, &fetch(name("t"), Uuid::nil(), 0, 1, 200));
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!(empty.responses[0].partitions[0].records.as_deref(), Some(&b""[..]));

    reader.send(11, &fetch(name("t"), Uuid::nil(), 0, 1, 60_000));
    assert_eq!(produced(&mut writer, batch(&["a"], Producer::NONE)), (0, 0));
    let found = reader.receive::<FetchRequest>(11);
    assert!(!found.responses[0].partitions[0].records.as_ref().expect("records").is_empty());

    let beyond = reader.call(11, &fetch(name("t"), Uuid::nil(), 5, 1, 60_000));
    assert_eq!(beyond.responses[0].partitions[0].error_code, 1);
    let unknown = reader.call(13, &fetch(name(""), Uuid::from_u128(1), 0, 1, 60_000));
    assert_eq!(unknown.responses[0].partitions[0].error_code, 100);

    // A stop answers what is parked.
    reader.send(11, &fetch(name("t"), Uuid::nil(), 1, 1, 60_000));
    served.wait_for_metric("sluice_broker_requests_total{api=\"Fetch\"} 5");
    let began = Instant::now();
    served.stop();
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(reader.receive::<FetchRequest>(11).responses[0].partitions[0].error_code, 0);
}

#[test]
fn offsets_are_listed_by_their_special_timestamps_and_by_time() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut client = served.connect();
    topic(&mut client, "t");
    assert_eq!(produced(&mut client, batch(&["a", "b"], Producer::NONE)), (0, 0));
    for (version, timestamp, expect) in [
        (1, -1, (0, 2)),
        (10, -1, (0, 2)),
        (1, -2, (0, 0)),
        (10, -3, (0, 0)),
        (10, -4, (0, 0)),
        (10, -5, (0, -1)),
        (2, -3, (35, -1)),
        (10, -9, (35, -1)),
        (10, 1_700_000_000_000, (0, 0)),
        (10, 1_700_000_000_001, (0, -1)),
    ] {
        let partition = ListOffsetsPartition::default().with_partition_index(0).with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default().with_name(name("t")).with_partitions(vec![partition]);
        let response = client.call(version, &ListOffsetsRequest::default().with_topics(vec![topic]));
        let found = &response.topics[0].partitions[0];
        assert_eq!((found.error_code, found.offset), expect, "version {version}, timestamp {timestamp}");
    }
    served.stop();
}
