//! How many dead letters nobody has dealt with yet, beside a worker: a look at its dead letter topics now and then.
//!
//! Only what has come since the last look is read; the first one reads the topics from their beginning. Letters that a
//! killed worker has written twice count twice here.

use super::SUFFIX;
use super::mark::Resolved;
use super::scan::ScannedTopic;
use kafka_client::Client;
use kafka_wire::batch::Record;
use pipelines::worker::DEAD_HEADER;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

/// Between two looks: letters are looked after by people.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TopicLabel {
    /// The dead letter topic.
    topic: String,
}

/// Looks as long as it is held.
pub struct DeadLetters {
    task: tokio::task::JoinHandle<()>,
}

impl DeadLetters {
    /// Of the dead letter topics of `topics`. Must be called inside the runtime.
    pub fn start(client: Client, topics: &[String], registry: &mut Registry) -> Self {
        let letters: Family<TopicLabel, Gauge> = Family::default();
        registry.register(
            "sluice_worker_dead_letters",
            "Dead letters that were neither replayed nor dropped; no series: there is no such topic, or it may not be read",
            letters.clone(),
        );
        let topics: Vec<String> = topics.iter().map(|topic| format!("{topic}{SUFFIX}")).collect();
        let task = tokio::spawn(async move {
            let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
            let mut ticks = tokio::time::interval(LOOK_INTERVAL);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                for topic in &topics {
                    let label = TopicLabel { topic: topic.clone() };
                    match look(&client, topic, seen.entry(topic).or_default()).await {
                        Ok(Some(open)) => {
                            letters.get_or_create(&label).set(i64::try_from(open).unwrap_or(i64::MAX));
                        }
                        Ok(None) => _ = letters.remove(&label),
                        Err(error) => {
                            tracing::debug!(topic, "dead letters cannot be counted: {error:#}");
                            letters.remove(&label);
                        }
                    }
                }
            }
        });
        Self { task }
    }
}

impl Drop for DeadLetters {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What was read of a dead letter topic.
#[derive(Default)]
struct Seen {
    /// Next offset to read, by partition.
    next: BTreeMap<i32, i64>,
    letters: Resolved,
    resolved: Resolved,
}

/// Letters that are not resolved; `None`: there is no such topic.
async fn look(client: &Client, name: &str, seen: &mut Seen) -> anyhow::Result<Option<u64>> {
    let Some(topic) = ScannedTopic::open(client.clone(), name).await? else {
        *seen = Seen::default();
        return Ok(None);
    };
    if topic.ends.iter().any(|(number, (_, end))| seen.next.get(number).is_some_and(|next| next > end)) {
        // Another topic under the same name.
        *seen = Seen::default();
    }
    let mut open = 0;
    for (&number, &(start, end)) in &topic.ends {
        let Seen { next, letters, resolved } = &mut *seen;
        let from = next.get(&number).copied().unwrap_or(0).max(start);
        topic.each(number, from, |record| take(number, record, letters, resolved)).await?;
        next.insert(number, end);
        letters.forget_before(number, start);
        resolved.forget_before(number, start);
        open += letters.count_outside(resolved, number);
    }
    Ok(Some(open))
}

fn take(number: i32, record: &Record<'_>, letters: &mut Resolved, resolved: &mut Resolved) -> ControlFlow<()> {
    if !resolved.read(record) && record.headers.last_value(&format!("{DEAD_HEADER}topic")).is_some() {
        letters.insert(number, record.offset, record.offset);
    }
    ControlFlow::Continue(())
}
