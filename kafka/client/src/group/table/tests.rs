//! What an owner hears of its partitions, and when.

use super::*;
use crate::metadata::Topic;
use std::time::Duration;

struct Owner {
    table: Table,
    control: mpsc::UnboundedReceiver<Event>,
    queue: mpsc::UnboundedReceiver<Queued>,
}

impl Owner {
    fn new(partitions: &[(i32, Option<i64>)]) -> Self {
        let ((control_sender, control), (queue_sender, queue)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let owner = Self { table: Table::new(control_sender, queue_sender, 10), control, queue };
        let partitions = partitions.iter().map(|(number, offset)| (partition(*number), *offset)).collect();
        owner.table.assign(partitions, &topics(1));
        owner
    }

    fn claim(&self, number: i32) -> Claim {
        let (wanted, _) = self.table.fetchable();
        let found = wanted.into_iter().find(|(claim, _)| claim.partition.partition == number);
        found.expect("the partition can be fetched").0
    }

    fn fetchable(&self) -> Vec<(i32, i64)> {
        let (wanted, _) = self.table.fetchable();
        let mut wanted: Vec<_> =
            wanted.iter().map(|(claim, position)| (claim.partition.partition, *position)).collect();
        wanted.sort_unstable();
        wanted
    }

    /// What the owner hears next, in words.
    fn next(&mut self) -> Option<String> {
        let event = match self.control.try_recv() {
            Ok(event) => event,
            Err(_) => loop {
                if let Some(event) = self.table.taken(self.queue.try_recv().ok()?) {
                    break event;
                }
            },
        };
        Some(match event {
            Event::Assigned(partitions) => {
                let places: Vec<_> =
                    partitions.iter().map(|assigned| format!("{}@{}", assigned.partition, assigned.position)).collect();
                format!("assigned {}", places.join(" "))
            }
            Event::Revoked(partitions) => format!("revoked {}", partitions.len()),
            Event::Lost(partitions) => format!("lost {}", partitions.len()),
            Event::Fetched { partition, position, .. } => format!("fetched {partition}@{position}"),
            Event::OutOfRange { partition, wanted, reset_to } => format!("{partition} {wanted}->{reset_to}"),
            Event::Skipped { partition, first, last } => format!("{partition} without {first}-{last}"),
            Event::HighWatermark { partition, high_watermark } => format!("{partition} reaches {high_watermark}"),
            Event::Failed(error) => error.to_string(),
        })
    }

    fn expect(&mut self, events: &[&str]) {
        let heard: Vec<String> = std::iter::from_fn(|| self.next()).collect();
        assert_eq!(heard, events);
    }
}

/// A cluster whose topic has this id.
fn topics(id: u8) -> Metadata {
    let topic = Topic { id: Some([id; 16]), error: None, partitions: BTreeMap::new() };
    Metadata { topics: [("t".into(), topic)].into(), ..Metadata::default() }
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("t", number)
}

#[tokio::test]
async fn a_partition_without_an_offset_is_told_of_when_it_has_one() {
    let mut owner = Owner::new(&[(0, Some(5)), (1, None)]);
    owner.expect(&["assigned t-0@5"]);
    assert_eq!(owner.fetchable(), [(0, 5)]);
    let resets = owner.table.take_resets();
    assert_eq!((resets.len(), owner.table.take_resets().len()), (1, 0), "asked for once");
    owner.table.reset_to(&resets[0], 70);
    owner.expect(&["assigned t-1@70"]);
    assert_eq!(owner.fetchable(), [(0, 5), (1, 70)]);
}

#[tokio::test]
async fn nothing_comes_of_a_revoked_partition() {
    let mut owner = Owner::new(&[(0, Some(0)), (1, Some(0)), (2, None)]);
    let (kept, gone) = (owner.claim(0), owner.claim(1));
    owner.table.fetched(&gone, 0, 1, Bytes::from_static(b"x"), 1);
    owner.table.fetched(&kept, 0, 1, Bytes::from_static(b"x"), 1);
    // Partition 2 has never been told of, so it is not told of now.
    assert_eq!(owner.table.revoke(&[partition(1), partition(2)]), [partition(1)]);
    owner.table.fetched(&gone, 1, 2, Bytes::from_static(b"x"), 2);
    owner.expect(&["assigned t-0@0 t-1@0", "revoked 1", "fetched t-0@0"]);
    assert_eq!(owner.fetchable(), [(0, 1)]);

    // It comes back: what was fetched under the old claim does not count.
    owner.table.remove(&[partition(1), partition(2)]);
    owner.table.assign(vec![(partition(1), Some(1))], &topics(1));
    owner.table.fetched(&gone, 1, 2, Bytes::from_static(b"x"), 2);
    owner.expect(&["assigned t-1@1"]);
}

#[tokio::test]
async fn fetching_stops_while_enough_is_queued() {
    let mut owner = Owner::new(&[(0, Some(0)), (1, Some(0))]);
    let claim = owner.claim(0);
    owner.table.fetched(&claim, 0, 9, Bytes::from_static(b"ten bytes!"), 9);
    assert_eq!(owner.fetchable(), []);
    owner.expect(&["assigned t-0@0 t-1@0", "fetched t-0@0"]);
    assert_eq!(owner.fetchable(), [(0, 9), (1, 0)]);
    owner.table.set_paused(&partition(1), true);
    assert_eq!(owner.fetchable(), [(0, 9)]);
    owner.table.set_paused(&partition(1), false);
    assert_eq!(owner.fetchable(), [(0, 9), (1, 0)]);
}

#[tokio::test]
async fn a_gap_is_told_of_in_order() {
    let mut owner = Owner::new(&[(0, Some(3))]);
    let claim = owner.claim(0);
    owner.table.fetched(&claim, 3, 4, Bytes::from_static(b"x"), 4);
    owner.table.out_of_range(&claim, 4);
    assert_eq!(owner.fetchable(), []);
    let resets = owner.table.take_resets();
    owner.table.reset_failed(&resets[0], Instant::now());
    let resets = owner.table.take_resets();
    owner.table.reset_to(&resets[0], 100);
    owner.expect(&["assigned t-0@3", "fetched t-0@3", "t-0 4->100"]);
    assert_eq!(owner.fetchable(), [(0, 100)]);
}

#[tokio::test]
async fn a_failed_fetch_waits() {
    let mut owner = Owner::new(&[(0, Some(3))]);
    let claim = owner.claim(0);
    let later = Instant::now() + Duration::from_secs(60);
    owner.table.defer(&claim, later);
    let (wanted, next) = owner.table.fetchable();
    assert_eq!((wanted.len(), next), (0, Some(later)));
    owner.table.lose();
    owner.expect(&["assigned t-0@3", "lost 1"]);
}

#[tokio::test]
async fn a_topic_that_was_made_again_is_read_anew() {
    let mut owner = Owner::new(&[(0, Some(30)), (1, None)]);
    owner.table.compare_topics(&topics(1));
    let old = owner.claim(0);
    owner.table.compare_topics(&topics(2));
    owner.table.fetched(&old, 30, 31, Bytes::from_static(b"x"), 31);
    let resets = owner.table.take_resets();
    assert_eq!(resets.len(), 2);
    resets.iter().for_each(|claim| owner.table.reset_to(claim, 0));
    let mut heard: Vec<String> = std::iter::from_fn(|| owner.next()).collect();
    heard.sort();
    assert_eq!(heard, ["assigned t-0@0", "assigned t-0@30", "assigned t-1@0", "lost 1"]);
    assert_eq!(owner.table.topic_id(&partition(0)), Some([2; 16]));
}

#[tokio::test]
async fn a_damaged_batch_is_a_problem_until_it_is_left_out() {
    let mut owner = Owner::new(&[(0, Some(3)), (1, Some(0))]);
    let claim = owner.claim(0);
    let later = Instant::now() + Duration::from_secs(60);
    owner.table.set_problem(None);
    owner.table.damaged(&claim, "records 3 to 5 are damaged".into(), later);
    assert_eq!(owner.fetchable(), [(1, 0)]);
    assert_eq!(owner.table.problems(), ["records 3 to 5 are damaged"]);
    owner.table.skip(&claim, 3, 5);
    owner.expect(&["assigned t-0@3 t-1@0", "t-0 without 3-5"]);
    assert_eq!((owner.fetchable(), owner.table.problems()), (vec![(0, 6), (1, 0)], vec![]));
}
