//! Conditions that keep documents from being delivered: counted, traced once, listed for health.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// What is wrong; two with the same cause are one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Identity: a fixed word for what is wrong, and with what (a node, an index).
    pub cause: (&'static str, Arc<str>),
    /// One sentence with the way out.
    pub text: String,
}

/// The conditions that hold now.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    raised: Mutex<BTreeMap<(&'static str, Arc<str>), Raised>>,
}

#[derive(Debug)]
struct Raised {
    text: String,
    /// Bulk requests that wait because of it.
    waiting: usize,
}

impl Alarms {
    /// Raises `condition` for as long as the answer lives.
    pub fn raise(self: &Arc<Self>, condition: Condition) -> Alarm {
        let mut raised = self.raised();
        let entry = raised.entry(condition.cause.clone()).or_insert_with(|| {
            tracing::warn!("{}", condition.text);
            Raised { text: condition.text, waiting: 0 }
        });
        entry.waiting += 1;
        drop(raised);
        Alarm { alarms: self.clone(), cause: condition.cause }
    }

    pub fn texts(&self) -> Vec<String> {
        self.raised().values().map(|raised| raised.text.clone()).collect()
    }

    fn raised(&self) -> MutexGuard<'_, BTreeMap<(&'static str, Arc<str>), Raised>> {
        self.raised.lock().expect("nothing panics while it holds the alarms")
    }
}

/// Keeps a condition raised.
#[derive(Debug)]
pub(crate) struct Alarm {
    alarms: Arc<Alarms>,
    cause: (&'static str, Arc<str>),
}

impl Alarm {
    /// Whether `condition` is the one that this keeps raised.
    pub fn is(&self, condition: &Condition) -> bool {
        self.cause == condition.cause
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let mut raised = self.alarms.raised();
        if let Some(entry) = raised.get_mut(&self.cause) {
            entry.waiting -= 1;
            if entry.waiting == 0 {
                raised.remove(&self.cause);
                tracing::info!("nothing waits any more for: {} {}", self.cause.0, self.cause.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_listed_once_for_as_long_as_anything_waits() {
        let alarms = Arc::new(Alarms::default());
        let condition = |text: &str| Condition { cause: ("cannot reach", "http://h".into()), text: text.into() };
        let first = alarms.raise(condition("a"));
        let second = alarms.raise(condition("b"));
        assert_eq!(alarms.texts(), ["a"]);
        drop(first);
        assert_eq!(alarms.texts(), ["a"]);
        drop(second);
        assert!(alarms.texts().is_empty());
    }
}
