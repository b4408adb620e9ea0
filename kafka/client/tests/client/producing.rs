//! The producer: each batch once, in order, byte for byte, whatever the broker does.

use std::time::Duration;

use bytes::Bytes;
use kafka_client::{Acknowledged, ProduceError, Producer, ProducerConfig, ProducerIdentity, Sequencer, TopicPartition};
use kafka_wire::batch::{BatchHeader, BatchWriter, RecordHeaders};
use kafka_wire::compression::Compression;

use crate::fake::{Cluster, Fault};
use crate::{DEADLINE, client, until};

const IDENTITY: ProducerIdentity = ProducerIdentity { id: 7, epoch: 0 };

pub fn partition(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

pub fn producer(cluster: &Cluster) -> Producer {
    Producer::new(client(cluster.bootstrap()), ProducerConfig::default())
}

/// Batches of one partition with two records each.
pub fn batches(sequencer: &mut Sequencer, partition: &TopicPartition, count: usize) -> Vec<Bytes> {
    let mut writer = BatchWriter::new(Compression::None);
    let mut seal = |number: usize| {
        for record in 0..2 {
            let line = format!("{partition} batch {number} record {record}");
            writer.push(number as i64, None, Some(line.as_bytes()), &RecordHeaders::new(), None);
        }
        sequencer.seal(partition, &mut writer)
    };
    (0..count).map(&mut seal).collect()
}

/// Sends batches at once and waits for their answers.
pub async fn send_all(
    producer: &Producer,
    partition: &TopicPartition,
    batches: &[Bytes],
) -> Vec<Result<Acknowledged, ProduceError>> {
    let answers: Vec<_> = batches.iter().map(|batch| producer.send(partition.clone(), batch.clone())).collect();
    let mut results = Vec::new();
    for answer in answers {
        results.push(tokio::time::timeout(DEADLINE, answer).await.expect("every batch is answered"));
    }
    results
}

/// Sends 20 batches to a broker that does this to the requests after the first; expects a whole log.
async fn check(faults: &[Fault]) {
    let cluster = Cluster::with_topic(1).await;
    cluster.script([Fault::None]);
    cluster.script(faults.iter().copied());
    let producer = producer(&cluster);
    let batches = batches(&mut Sequencer::new(IDENTITY), &partition(0), 20);
    for (number, result) in send_all(&producer, &partition(0), &batches).await.into_iter().enumerate() {
        let base_offset = result.expect("every batch is written").base_offset;
        assert!(
            base_offset.is_none_or(|offset| offset == 2 * number as i64),
            "{faults:?}: {number} at {base_offset:?}"
        );
    }
    assert!(cluster.log(0) == batches, "{faults:?}");
}

#[tokio::test]
async fn nothing_fails() {
    check(&[]).await;
}

#[tokio::test]
async fn the_broker_stalls() {
    check(&[Fault::Stall]).await;
    check(&[Fault::None, Fault::Stall, Fault::Stall]).await;
}

#[tokio::test]
async fn the_connection_is_lost() {
    check(&[Fault::ResetInRequest]).await;
    check(&[Fault::None, Fault::ResetBeforeAppend]).await;
    check(&[Fault::ResetInRequest, Fault::ResetBeforeAppend, Fault::ResetInRequest]).await;
}

#[tokio::test]
async fn acknowledgements_are_lost() {
    check(&[Fault::LoseAcknowledgement]).await;
    check(&[Fault::None, Fault::LoseAcknowledgement, Fault::None, Fault::LoseAcknowledgement]).await;
}

#[tokio::test]
async fn the_broker_refuses_for_a_while() {
    for code in [3, 5, 6, 9, 13, 19, 56, 89] {
        check(&[Fault::Refuse(code)]).await;
        check(&[Fault::None, Fault::Refuse(code), Fault::None, Fault::Refuse(code)]).await;
    }
}

#[tokio::test]
async fn the_broker_refuses_what_it_has_written() {
    for code in [7, 20] {
        check(&[Fault::RefuseAfterAppend(code)]).await;
        check(&[Fault::None, Fault::RefuseAfterAppend(code), Fault::RefuseAfterAppend(code)]).await;
    }
}

#[tokio::test]
async fn out_of_order_behind_a_failure_is_sent_again() {
    check(&[Fault::Refuse(6), Fault::Refuse(45), Fault::Refuse(45)]).await;
}

#[tokio::test]
async fn a_duplicate_whose_offset_is_forgotten_counts() {
    check(&[Fault::RefuseAfterAppend(46)]).await;
}

#[tokio::test]
async fn a_pause_is_kept() {
    check(&[Fault::Throttle(5), Fault::Throttle(1)]).await;
}

#[tokio::test]
async fn a_malformed_response_costs_the_connection_only() {
    check(&[Fault::Garble]).await;
}

#[tokio::test]
async fn damage_on_the_way_is_sent_again() {
    check(&[Fault::Refuse(2)]).await;
}

#[tokio::test]
async fn damage_here_is_refused() {
    let cluster = Cluster::with_topic(1).await;
    let producer = producer(&cluster);
    let mut damaged = batches(&mut Sequencer::new(IDENTITY), &partition(0), 1)[0].to_vec();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let results = send_all(&producer, &partition(0), &[Bytes::from(damaged), Bytes::from_static(b"short")]).await;
    for result in results {
        assert!(matches!(result, Err(ProduceError::Refused { code, .. }) if code.number() == 2), "{result:?}");
    }
}

/// What follows a failed head: everything behind it is aborted, then the partition goes on.
async fn check_failure(results: &[Result<Acknowledged, ProduceError>], failed: usize) {
    for result in &results[failed + 1..] {
        assert_eq!(result, &Err(ProduceError::Aborted), "behind batch {failed}");
    }
    for result in &results[..failed] {
        assert!(result.is_ok(), "{result:?} before batch {failed}");
    }
}

#[tokio::test]
async fn a_batch_that_is_too_large_can_be_replaced() {
    let cluster = Cluster::with_topic(1).await;
    let producer = producer(&cluster);
    let mut sequencer = Sequencer::new(IDENTITY);
    let mut all = batches(&mut sequencer, &partition(0), 3);
    let large_at = sequencer.take(&partition(0), 0).base_sequence;
    let mut writer = BatchWriter::new(Compression::None);
    for _ in 0..2 {
        writer.push(0, None, Some(&[b'x'; 500]), &RecordHeaders::new(), None);
    }
    all.push(sequencer.seal(&partition(0), &mut writer));
    all.extend(batches(&mut sequencer, &partition(0), 4));
    let state = || cluster.state();
    state().partitions.get_mut(&("t".to_owned(), 0)).expect("created").batch_bytes_max = Some(500);

    let results = send_all(&producer, &partition(0), &all).await;
    assert_eq!(results[3], Err(ProduceError::TooLarge { bytes: all[3].len() }));
    check_failure(&results, 3).await;

    // Whoever has not noticed yet, and goes on behind the gap, is told.
    let late = send_all(&producer, &partition(0), &all[4..5]).await;
    assert_eq!(late, [Err(ProduceError::Aborted)]);

    // Two smaller batches with the same sequences, then the rest as it was.
    state().partitions.get_mut(&("t".to_owned(), 0)).expect("created").allow_other_bytes();
    sequencer.rewind(&partition(0), large_at);
    let mut parts = Vec::new();
    for _ in 0..2 {
        writer.push(0, None, Some(b"half"), &RecordHeaders::new(), None);
        parts.push(sequencer.seal(&partition(0), &mut writer));
    }
    let mended = [&parts[..], &all[4..]].concat();
    for result in send_all(&producer, &partition(0), &mended).await {
        result.expect("the partition goes on");
    }
    assert!(cluster.log(0) == [&all[..3], &mended].concat());
}

#[tokio::test]
async fn a_lost_sequence_needs_a_new_identity() {
    let cluster = Cluster::with_topic(1).await;
    let producer = producer(&cluster);
    let mut sequencer = Sequencer::new(IDENTITY);
    let first = batches(&mut sequencer, &partition(0), 1);
    send_all(&producer, &partition(0), &first).await[0].as_ref().expect("written");
    sequencer.take(&partition(0), 10);
    let gone = batches(&mut sequencer, &partition(0), 7);
    let results = send_all(&producer, &partition(0), &gone).await;
    assert!(matches!(results[0], Err(ProduceError::SequenceLost { code }) if code.number() == 45), "{:?}", results[0]);
    check_failure(&results, 0).await;

    let mut sequencer = Sequencer::new(producer.obtain_identity().await.expect("the broker gives one"));
    let again: Vec<_> =
        gone.iter().map(|batch| sequencer.restamp(&partition(0), batch).expect("whole batches")).collect();
    for result in send_all(&producer, &partition(0), &again).await {
        result.expect("the partition goes on");
    }
    assert!(cluster.log(0) == [first, again].concat());
}

#[tokio::test]
async fn a_broker_that_forgot_the_producer_takes_the_batches_that_follow() {
    let cluster = Cluster::with_topic(1).await;
    let producer = producer(&cluster);
    let batches = batches(&mut Sequencer::new(IDENTITY), &partition(0), 6);
    send_all(&producer, &partition(0), &batches[..3]).await;
    cluster.state().partitions.get_mut(&("t".to_owned(), 0)).expect("created").forget_producers();
    send_all(&producer, &partition(0), &batches[3..]).await;
    assert!(cluster.log(0) == batches);
}

#[tokio::test]
async fn an_authorization_failure_is_final() {
    let cluster = Cluster::with_topic(1).await;
    cluster.script([Fault::None, Fault::Refuse(29)]);
    let producer = producer(&cluster);
    let batches = batches(&mut Sequencer::new(IDENTITY), &partition(0), 2);
    let results = send_all(&producer, &partition(0), &batches).await;
    assert!(matches!(&results[1], Err(ProduceError::Refused { code, .. }) if code.number() == 29), "{results:?}");
}

#[tokio::test]
async fn the_leader_moves() {
    let cluster = Cluster::start(2).await;
    cluster.create("t", 2);
    let producer = producer(&cluster);
    let mut sequencer = Sequencer::new(IDENTITY);
    let all = batches(&mut sequencer, &partition(0), 30);
    for (round, some) in all.chunks(10).enumerate() {
        cluster.state().partitions.get_mut(&("t".to_owned(), 0)).expect("created").leader = Some(round as i32 % 2);
        for result in send_all(&producer, &partition(0), some).await {
            result.expect("written by the new leader");
        }
    }
    assert!(cluster.log(0) == all);
}

#[tokio::test]
async fn partitions_of_a_leader_share_requests() {
    let cluster = Cluster::with_topic(8).await;
    let producer = producer(&cluster);
    let mut sequencer = Sequencer::new(IDENTITY);
    let all: Vec<_> = (0..8).map(|index| batches(&mut sequencer, &partition(index), 5)).collect();
    let mut answers = Vec::new();
    for number in 0..5 {
        for (index, batches) in all.iter().enumerate() {
            answers.push(producer.send(partition(index as i32), batches[number].clone()));
        }
    }
    for answer in answers {
        answer.await.expect("written");
    }
    for (index, batches) in all.iter().enumerate() {
        assert!(cluster.log(index as i32) == *batches);
    }
    assert_eq!(cluster.state().partitions_in_request_max, 8);
}

#[tokio::test]
async fn requests_keep_their_limit() {
    let cluster = Cluster::with_topic(8).await;
    let mut sequencer = Sequencer::new(IDENTITY);
    let all: Vec<_> = (0..8).map(|index| batches(&mut sequencer, &partition(index), 1).remove(0)).collect();
    let config = ProducerConfig { request_bytes_max: 3 * all[0].len() };
    let producer = Producer::new(client(cluster.bootstrap()), config);
    let answers: Vec<_> =
        (0..).zip(&all).map(|(index, batch)| producer.send(partition(index), batch.clone())).collect();
    for answer in answers {
        answer.await.expect("written");
    }
    assert_eq!(cluster.state().partitions_in_request_max, 3);

    let mut writer = BatchWriter::new(Compression::None);
    writer.push(0, None, Some(&[b'x'; 1000]), &RecordHeaders::new(), None);
    let large = sequencer.seal(&partition(0), &mut writer);
    let results = send_all(&producer, &partition(0), &[large]).await;
    assert!(matches!(results[0], Err(ProduceError::TooLarge { .. })), "{results:?}");
}

#[tokio::test]
async fn old_and_new_produce_versions() {
    for version in [3, 7, 8, 9, 12, 13] {
        let cluster = Cluster::with_topic(1).await;
        cluster.state().version_max.insert(0, version);
        let producer = producer(&cluster);
        let batches = batches(&mut Sequencer::new(IDENTITY), &partition(0), 3);
        send_all(&producer, &partition(0), &batches).await;
        assert!(cluster.log(0) == batches, "version {version}");
    }
}

#[tokio::test]
async fn closing_waits_and_then_gives_up() {
    let cluster = Cluster::with_topic(1).await;
    let producer = producer(&cluster);
    let batches = batches(&mut Sequencer::new(IDENTITY), &partition(0), 2);
    let answer = producer.send(partition(0), batches[0].clone());
    producer.close(DEADLINE).await;
    answer.await.expect("written before the end");
    assert_eq!(producer.send(partition(0), batches[1].clone()).await, Err(ProduceError::Closed));

    cluster.script([Fault::Stall, Fault::Stall]);
    let producer = super::producing::producer(&cluster);
    let answer = producer.send(partition(0), batches[1].clone());
    until("a stalled request", || cluster.state().faults.len() < 2).await;
    producer.close(Duration::ZERO).await;
    assert_eq!(answer.await, Err(ProduceError::Closed));
}

#[tokio::test]
async fn a_batch_knows_its_place() {
    let batch = &batches(&mut Sequencer::new(IDENTITY), &partition(0), 2)[1];
    let header = BatchHeader::read(batch).expect("a whole batch");
    assert_eq!((header.producer_id, header.base_sequence, header.record_count), (7, 2, 2));
}
