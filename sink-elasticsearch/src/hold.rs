//! What keeps documents waiting until somebody does something: since when, and until when they wait.
//!
//! A condition of one index is waited for as long as the configuration says, counted from when it was first met: it is
//! not each document that waits so long, or a blocked index would let its partition go on a document at a time. When the
//! time is over, the documents that meet it are rejected at once, until one gets through. A condition of the whole server
//! is waited for without an end.

use crate::alarm::{Alarm, Alarms, Condition};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// What is wrong, and with what (an index, the server).
pub(crate) type Cause = (&'static str, Arc<str>);

/// Whom a condition concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Server,
    Index,
    /// One index, if others take documents meanwhile; else the server: a user may lack the right to write to one index,
    /// or to anything.
    Unclear,
}

/// What becomes of a document that meets a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    Wait,
    /// It has been waited for long enough.
    Over,
}

/// The conditions that are waited for.
pub(crate) struct Holds {
    alarms: Arc<Alarms>,
    index_hold: Duration,
    /// A condition that was not met again for so long is forgotten: nothing waits for it any more.
    forget_after: Duration,
    /// So that nothing is locked for documents that are taken while nothing is held.
    is_any: AtomicBool,
    held: Mutex<HashMap<Cause, Held>>,
}

struct Held {
    scope: Scope,
    since: Instant,
    seen: Instant,
    /// Documents of other indices were taken since.
    others_pass: bool,
    _alarm: Alarm,
}

impl Holds {
    pub fn new(alarms: Arc<Alarms>, index_hold: Duration, forget_after: Duration) -> Self {
        Self { alarms, index_hold, forget_after, is_any: AtomicBool::new(false), held: Mutex::default() }
    }

    /// Documents meet `condition`.
    pub fn meet(&self, condition: Condition, scope: Scope, now: Instant) -> Patience {
        let mut held = self.held();
        let cause = condition.cause.clone();
        let met = held.entry(cause).or_insert_with(|| {
            let alarm = self.alarms.raise(condition);
            Held { scope, since: now, seen: now, others_pass: false, _alarm: alarm }
        });
        met.seen = now;
        let ends = met.scope == Scope::Index || met.scope == Scope::Unclear && met.others_pass;
        self.is_any.store(true, Ordering::Relaxed);
        match ends && now.duration_since(met.since) >= self.index_hold {
            true => Patience::Over,
            false => Patience::Wait,
        }
    }

    /// Documents of these indices were taken, that had waited for `waited_for`.
    pub fn passed<'a>(&self, waited_for: Option<&Cause>, indices: impl Iterator<Item = &'a Arc<str>>) {
        if !self.is_any.load(Ordering::Relaxed) {
            return;
        }
        let mut held = self.held();
        let mut last: Option<&Arc<str>> = None;
        for index in indices {
            if let (Some(cause), None) = (waited_for, last) {
                held.remove(cause);
            }
            // Neighbours share their index.
            if last.is_some_and(|last| Arc::ptr_eq(last, index)) {
                continue;
            }
            last = Some(index);
            held.retain(|(_, subject), held| {
                held.others_pass |= subject != index;
                held.scope == Scope::Server || subject != index
            });
        }
        self.is_any.store(!held.is_empty(), Ordering::Relaxed);
    }

    /// Forgets what nobody meets any more.
    pub fn sweep(&self, now: Instant) {
        let mut held = self.held();
        held.retain(|_, held| now.duration_since(held.seen) < self.forget_after);
        self.is_any.store(!held.is_empty(), Ordering::Relaxed);
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Cause, Held>> {
        self.held.lock().expect("nothing panics while it holds the conditions")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn holds() -> (Holds, Arc<Alarms>) {
        let alarms = Arc::new(Alarms::default());
        (Holds::new(alarms.clone(), 15 * MINUTE, 2 * MINUTE), alarms)
    }

    fn condition(index: &str) -> Condition {
        Condition { cause: ("index is closed", index.into()), text: format!("{index} is closed") }
    }

    #[test]
    fn an_index_is_waited_for_until_its_time_is_over() {
        let (holds, alarms) = holds();
        let start = Instant::now();
        let meet = |after: Duration| holds.meet(condition("a"), Scope::Index, start + after);
        assert_eq!(meet(Duration::ZERO), Patience::Wait);
        assert_eq!(meet(15 * MINUTE - Duration::from_millis(1)), Patience::Wait);
        assert_eq!(meet(15 * MINUTE), Patience::Over);
        assert_eq!(meet(16 * MINUTE), Patience::Over);
        assert_eq!(alarms.texts(), ["a is closed"]);
        // The index is opened, and closed again later.
        holds.passed(None, [&Arc::from("a")].into_iter());
        assert!(alarms.texts().is_empty());
        assert_eq!(meet(17 * MINUTE), Patience::Wait);
    }

    #[test]
    fn another_index_has_a_time_of_its_own() {
        let (holds, alarms) = holds();
        let start = Instant::now();
        holds.meet(condition("a"), Scope::Index, start);
        assert_eq!(holds.meet(condition("b"), Scope::Index, start + 15 * MINUTE), Patience::Wait);
        assert_eq!(holds.meet(condition("a"), Scope::Index, start + 15 * MINUTE), Patience::Over);
        holds.passed(None, [&Arc::from("c")].into_iter());
        assert_eq!(alarms.texts().len(), 2);
    }

    #[test]
    fn the_server_is_waited_for_without_an_end() {
        let (holds, alarms) = holds();
        let start = Instant::now();
        let cause = condition("server").cause;
        for hours in 0..100 {
            let now = start + hours * 60 * MINUTE;
            assert_eq!(holds.meet(condition("server"), Scope::Server, now), Patience::Wait);
            holds.passed(None, [&Arc::from("a")].into_iter());
        }
        holds.passed(Some(&cause), std::iter::empty());
        assert_eq!(alarms.texts().len(), 1);
        holds.passed(Some(&cause), [&Arc::from("b")].into_iter());
        assert!(alarms.texts().is_empty());
    }

    #[test]
    fn what_is_forbidden_concerns_one_index_when_others_pass() {
        let (holds, _) = holds();
        let start = Instant::now();
        let meet = |after: Duration| holds.meet(condition("a"), Scope::Unclear, start + after);
        assert_eq!(meet(Duration::ZERO), Patience::Wait);
        assert_eq!(meet(60 * MINUTE), Patience::Wait);
        holds.passed(None, [&Arc::from("b")].into_iter());
        assert_eq!(meet(60 * MINUTE), Patience::Over);
    }

    #[test]
    fn what_nobody_meets_is_forgotten() {
        let (holds, alarms) = holds();
        let start = Instant::now();
        holds.meet(condition("a"), Scope::Index, start);
        holds.sweep(start + MINUTE);
        assert_eq!(alarms.texts().len(), 1);
        holds.sweep(start + 2 * MINUTE);
        assert!(alarms.texts().is_empty());
    }
}
