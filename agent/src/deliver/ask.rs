//! Questions to the cluster: who it is, how many partitions a topic has, and identities to number batches under.
//!
//! What can be tried again at once is tried again inside the client. An answer that says no, such as a missing
//! permission, comes back here: it is shown, and asked again with growing pauses until an operator has mended it.

use super::lane::Numbering;
use super::{Answer, Delivery, Later};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause after the first refusal. It doubles with each one.
const AGAIN_MIN: Duration = Duration::from_millis(250);
/// Longest pause: an operator who has mended the cause does not wait longer to see it work.
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// What the cluster is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    Cluster,
    Partitions(Arc<str>),
    /// An identity for a lane.
    Identity(usize),
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("the cluster's id"),
            Self::Partitions(topic) => write!(f, "the partitions of topic {topic:?}"),
            Self::Identity(_) => f.write_str("a producer id"),
        }
    }
}

/// A question without answer.
#[derive(Debug, Default)]
pub(super) struct Open {
    refusals: u32,
    /// `None`: it is on its way.
    again_at: Option<Instant>,
    pub problem: Option<String>,
}

impl Delivery {
    /// Asks the cluster who it is.
    pub fn start(&mut self) {
        self.ask(Question::Cluster);
    }

    /// Asks, unless it has been asked already.
    pub(super) fn ask(&mut self, question: Question) {
        if !self.questions.contains_key(&question) {
            self.questions.insert(question.clone(), Open::default());
            self.put(question);
        }
    }

    fn put(&self, question: Question) {
        match question.clone() {
            Question::Cluster => self.put_as(question, self.broker.cluster_id(), Answer::Cluster),
            Question::Partitions(topic) => {
                let asked = self.broker.partitions(&topic);
                self.put_as(question, asked, move |count| Answer::Partitions { topic, count });
            }
            Question::Identity(lane) => {
                let asked = self.broker.obtain_identity();
                self.put_as(question, asked, move |identity| Answer::Identity { lane, identity });
            }
        }
    }

    fn put_as<T: Send + 'static>(
        &self,
        question: Question,
        asked: Later<Result<T, String>>,
        answer: impl FnOnce(T) -> Answer + Send + 'static,
    ) {
        let tell = Arc::clone(&self.tell);
        self.runtime.spawn(async move {
            match asked.await {
                Ok(value) => tell(answer(value)),
                Err(reason) => tell(Answer::No { question, reason }),
            }
        });
    }

    /// The question was answered; `false`: nobody had asked it.
    pub(super) fn answered(&mut self, question: &Question) -> bool {
        let open = self.questions.remove(question);
        if open.as_ref().is_some_and(|open| open.problem.is_some()) {
            tracing::info!("the cluster has told {question}");
        }
        open.is_some()
    }

    /// The answer was no, or could not be written down.
    pub(super) fn refused(&mut self, question: Question, reason: &str) {
        let open = self.questions.entry(question.clone()).or_default();
        let problem = format!("cannot learn {question}: {reason}");
        if open.problem.as_ref() != Some(&problem) {
            tracing::error!("{problem}; it is asked again");
        }
        open.problem = Some(problem);
        open.again_at = Some(Instant::now() + pause(open.refusals));
        open.refusals += 1;
    }

    /// Asks again what was refused a while ago.
    pub(super) fn ask_again(&mut self, now: Instant) {
        let mut due = Vec::new();
        for (question, open) in &mut self.questions {
            if open.again_at.is_some_and(|at| at <= now) {
                open.again_at = None;
                due.push(question.clone());
            }
        }
        due.into_iter().for_each(|question| self.put(question));
    }

    /// How many partitions a topic has; asks when that is not known.
    pub(super) fn partition_count(&mut self, topic: &str) -> Option<i32> {
        let count = self.partitions.get(topic).copied();
        if count.is_none() {
            self.ask(Question::Partitions(topic.into()));
        }
        count
    }

    /// The partition for a file of this topic, once the number of partitions is known: the one that it `had` if there
    /// is such a one, else one that `hash` chooses.
    pub fn partition_of(&mut self, topic: &str, had: Option<i32>, hash: u64) -> Option<i32> {
        let count = self.partition_count(topic)?;
        Some(match had {
            Some(had) => placed(had, count),
            None => (hash % count.max(1) as u64) as i32,
        })
    }

    /// Asks for an identity under which everything in the lane is numbered anew.
    pub(super) fn renumber(&mut self, lane: usize) {
        self.lanes[lane].numbering = Numbering::Asked;
        self.ask(Question::Identity(lane));
    }
}

/// Where what was in partition `had` belongs in a topic of `count` partitions. All of one partition stay together.
pub(super) fn placed(had: i32, count: i32) -> i32 {
    had.rem_euclid(count.max(1))
}

/// How long to wait after so many refusals before this one.
pub(super) fn pause(refusals: u32) -> Duration {
    AGAIN_MIN.saturating_mul(1 << refusals.min(16)).min(AGAIN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_growing() {
        assert_eq!((pause(0), pause(1)), (AGAIN_MIN, 2 * AGAIN_MIN));
        assert_eq!((pause(7), pause(u32::MAX)), (AGAIN_MAX, AGAIN_MAX));
    }

    #[test]
    fn a_partition_stays_where_there_is_such_a_one() {
        assert_eq!((placed(2, 3), placed(2, 2), placed(7, 2), placed(7, 0)), (2, 0, 1, 0));
    }
}
