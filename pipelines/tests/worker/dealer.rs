//! A consumer group and a dead letter topic that a test holds in its hands.

use async_trait::async_trait;
use kafka_client::TopicPartition;
use pipelines::worker::source::{CommitError, Committed, DeadLetter, DeadLetterQueue, Event, Retention, Source};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// Called with what is about to be committed, for a test's oracle.
pub type Witness = Box<dyn Fn(&[(TopicPartition, i64)]) + Send>;

/// What the group knows.
#[derive(Default)]
pub struct Group {
    pub committed: BTreeMap<TopicPartition, i64>,
    pub commits: usize,
    pub paused: BTreeSet<TopicPartition>,
    pub acknowledged_revocations: usize,
    pub left: bool,
    /// Answers to the next commits; those after them succeed.
    pub refusals: VecDeque<CommitError>,
    pub witness: Option<Witness>,
    /// Of all topics.
    pub retention: Retention,
}

/// The test's end.
#[derive(Clone)]
pub struct Dealer {
    events: mpsc::UnboundedSender<Event>,
    /// Events that the worker has not dealt with.
    open: Arc<AtomicUsize>,
    pub group: Arc<Mutex<Group>>,
}

/// The worker's end.
pub struct Hand {
    events: mpsc::UnboundedReceiver<Event>,
    open: Arc<AtomicUsize>,
    /// Whether the worker has an event that it has not asked for the next one after.
    holds_one: bool,
    group: Arc<Mutex<Group>>,
}

/// A fresh connection to `group`, as of a worker that has just been started.
pub fn deal(group: Arc<Mutex<Group>>) -> (Dealer, Hand) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let open = Arc::<AtomicUsize>::default();
    let dealer = Dealer { events: sender, open: open.clone(), group: group.clone() };
    (dealer, Hand { events: receiver, open, holds_one: false, group })
}

impl Dealer {
    /// A worker that is gone hears nothing.
    pub fn send(&self, event: Event) {
        self.open.fetch_add(1, Ordering::SeqCst);
        let _ = self.events.send(event);
    }

    /// Whether the worker has dealt with all that was sent.
    pub fn is_idle(&self) -> bool {
        self.open.load(Ordering::SeqCst) == 0
    }

    pub fn committed(&self, partition: &TopicPartition) -> Option<i64> {
        self.group.lock().expect("no panic").committed.get(partition).copied()
    }

    pub fn is_paused(&self, partition: &TopicPartition) -> bool {
        self.group.lock().expect("no panic").paused.contains(partition)
    }

    pub fn acknowledged_revocations(&self) -> usize {
        self.group.lock().expect("no panic").acknowledged_revocations
    }
}

#[async_trait]
impl Source for Hand {
    async fn next(&mut self) -> Event {
        if std::mem::take(&mut self.holds_one) {
            self.open.fetch_sub(1, Ordering::SeqCst);
        }
        match self.events.recv().await {
            Some(event) => {
                self.holds_one = true;
                event
            }
            None => std::future::pending().await,
        }
    }

    fn commit(&self, offsets: Vec<(TopicPartition, i64)>) -> Committed {
        let group = self.group.clone();
        Box::pin(async move {
            // Another thread's turn, so that a commit takes its time.
            tokio::task::yield_now().await;
            let mut group = group.lock().expect("no panic");
            group.commits += 1;
            if let Some(refusal) = group.refusals.pop_front() {
                return Err(refusal);
            }
            if let Some(witness) = &group.witness {
                witness(&offsets);
            }
            group.committed.extend(offsets);
            Ok(())
        })
    }

    fn pause(&self, partition: &TopicPartition) {
        self.group.lock().expect("no panic").paused.insert(partition.clone());
    }

    fn resume(&self, partition: &TopicPartition) {
        self.group.lock().expect("no panic").paused.remove(partition);
    }

    fn acknowledge_revoked(&self, _: &[TopicPartition]) {
        self.group.lock().expect("no panic").acknowledged_revocations += 1;
    }

    fn retention(&self, _topic: &str) -> Retention {
        self.group.lock().expect("no panic").retention
    }

    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    async fn leave(self) {
        self.group.lock().expect("no panic").left = true;
    }
}

/// Dead letters by topic.
#[derive(Default)]
pub struct DeadLetters {
    pub letters: Mutex<Vec<(String, i32, DeadLetter)>>,
}

impl DeadLetters {
    /// The values of all letters, as text.
    pub fn values(&self) -> Vec<String> {
        let letters = self.letters.lock().expect("no panic");
        letters
            .iter()
            .map(|(_, _, letter)| String::from_utf8_lossy(letter.value.as_deref().unwrap_or_default()).into_owned())
            .collect()
    }
}

#[async_trait]
impl DeadLetterQueue for DeadLetters {
    async fn send(&self, topic: &str, partition: i32, letters: Vec<DeadLetter>) {
        tokio::task::yield_now().await;
        let letters = letters.into_iter().map(|letter| (topic.to_owned(), partition, letter));
        self.letters.lock().expect("no panic").extend(letters);
    }

    fn problems(&self) -> Vec<String> {
        Vec::new()
    }
}
