//! The lane's rules, one by one, without a broker.

use std::time::Duration;

use kafka_wire::batch::{BatchWriter, Producer, RecordHeaders};
use kafka_wire::compression::Compression;
use tokio::sync::oneshot::{self, Receiver};

use super::*;

type Answer = Receiver<Result<Acknowledged, ProduceError>>;

const OUT_OF_ORDER: i16 = 45;
const NOT_LEADER: i16 = 6;

fn lane(batches: i32) -> (Lane, Vec<Answer>) {
    let mut lane = Lane::new(Backoff::with_seed(Duration::from_millis(10), Duration::from_millis(10), 1));
    let answers = (0..batches).map(|sequence| push(&mut lane, sequence)).collect();
    (lane, answers)
}

fn push(lane: &mut Lane, base_sequence: i32) -> Answer {
    let mut writer = BatchWriter::new(Compression::None);
    writer.push(0, None, Some(b"line"), &RecordHeaders::new(), None);
    let mut out = Vec::new();
    writer.seal(Producer { id: 1, epoch: 0, base_sequence }, &mut out);
    let (reply, answer) = oneshot::channel();
    lane.push(Batch::new(Bytes::from(out), reply).unwrap_or_else(|_| unreachable!("a whole batch")));
    answer
}

/// Sends all that may be sent.
fn send(lane: &mut Lane, now: Instant) -> Vec<u64> {
    std::iter::from_fn(|| lane.send_next(now).map(|(ordinal, ..)| ordinal)).collect()
}

fn accepted() -> Verdict {
    Verdict::of(0, 0, None)
}

#[test]
fn the_first_goes_alone_and_then_five() {
    let now = Instant::now();
    let (mut lane, _answers) = lane(9);
    assert_eq!(send(&mut lane, now), [0]);
    lane.answered(0, accepted(), now);
    assert_eq!(send(&mut lane, now), [1, 2, 3, 4, 5]);
    lane.answered(1, accepted(), now);
    assert_eq!(send(&mut lane, now), [6]);
}

#[test]
fn a_failure_waits_for_every_answer_and_repeats_in_order() {
    let now = Instant::now();
    let (mut lane, _answers) = lane(9);
    send(&mut lane, now);
    lane.answered(0, accepted(), now);
    send(&mut lane, now);
    lane.answered(1, Verdict::of(NOT_LEADER, -1, None), now);
    assert_eq!(send(&mut lane, now), []);
    for ordinal in [2, 3, 4] {
        lane.answered(ordinal, Verdict::of(OUT_OF_ORDER, -1, None), now);
    }
    assert_eq!(send(&mut lane, now), []);
    // The last one was written all the same; what follows may still be only four batches ahead of the oldest.
    lane.answered(5, accepted(), now);
    assert_eq!(send(&mut lane, now), []);
    let later = now + Duration::from_secs(1);
    assert_eq!(send(&mut lane, later), [1, 2, 3, 4]);
    lane.answered(1, accepted(), later);
    assert_eq!(send(&mut lane, later), [6]);
}

#[test]
fn a_lost_sequence_aborts_what_is_behind_and_waits_for_its_mending() {
    let now = Instant::now();
    let (mut lane, mut answers) = lane(3);
    send(&mut lane, now);
    lane.answered(0, Verdict::of(OUT_OF_ORDER, -1, None), now);
    assert!(matches!(answers[0].try_recv(), Ok(Err(ProduceError::SequenceLost { .. }))));
    assert_eq!(answers[1].try_recv(), Ok(Err(ProduceError::Aborted)));
    assert_eq!(answers[2].try_recv(), Ok(Err(ProduceError::Aborted)));
    assert_eq!(push(&mut lane, 3).try_recv(), Ok(Err(ProduceError::Aborted)));
    let mut mended = push(&mut lane, 0);
    assert!(mended.try_recv().is_err());
    assert_eq!(send(&mut lane, now).len(), 1);
}

#[test]
fn a_lost_sequence_with_nothing_behind_it_leaves_the_next_one_to_the_sender() {
    let now = Instant::now();
    let (mut lane, mut answers) = lane(1);
    send(&mut lane, now);
    lane.answered(0, Verdict::of(OUT_OF_ORDER, -1, None), now);
    assert!(matches!(answers[0].try_recv(), Ok(Err(ProduceError::SequenceLost { .. }))));
    assert!(push(&mut lane, 3).try_recv().is_err());
    assert_eq!(send(&mut lane, now).len(), 1);
}

#[test]
fn what_may_be_written_is_asked_for_behind_a_failed_head() {
    let now = Instant::now();
    let (mut lane, mut answers) = lane(4);
    send(&mut lane, now);
    lane.answered(0, accepted(), now);
    assert_eq!(send(&mut lane, now), [1, 2, 3]);
    lane.answered(1, Verdict::TooLarge, now);
    lane.answered(2, Verdict::of(OUT_OF_ORDER, -1, None), now);
    lane.answered(3, Verdict::LOST, now);
    assert!(matches!(answers[1].try_recv(), Ok(Err(ProduceError::TooLarge { .. }))));
    assert_eq!(answers[2].try_recv(), Ok(Err(ProduceError::Aborted)));
    assert!(answers[3].try_recv().is_err());
    let later = now + Duration::from_secs(1);
    assert_eq!(send(&mut lane, later), [3]);
    lane.answered(3, Verdict::of(OUT_OF_ORDER, -1, None), later);
    assert_eq!(answers[3].try_recv(), Ok(Err(ProduceError::Aborted)));
    assert!(lane.is_empty());
}

#[test]
fn a_refusal_says_nothing_of_what_an_earlier_attempt_has_written() {
    const NOT_AUTHORIZED: i16 = 29;
    let now = Instant::now();
    for (verdict, written) in [(Verdict::LOST, true), (Verdict::of(NOT_LEADER, -1, None), false)] {
        let (mut lane, mut answers) = lane(2);
        send(&mut lane, now);
        lane.answered(0, verdict, now);
        let later = now + Duration::from_secs(1);
        assert_eq!(send(&mut lane, later), [0]);
        lane.answered(0, Verdict::of(NOT_AUTHORIZED, -1, None), later);
        let answer = answers[0].try_recv();
        match written {
            true => assert!(matches!(answer, Ok(Err(ProduceError::Unsure { .. }))), "{answer:?}"),
            false => assert!(matches!(answer, Ok(Err(ProduceError::Refused { .. }))), "{answer:?}"),
        }
        assert_eq!(answers[1].try_recv(), Ok(Err(ProduceError::Aborted)));
        // The same one again.
        push(&mut lane, 0);
        assert_eq!(send(&mut lane, later).len(), 1);
    }
}
