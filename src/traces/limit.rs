//! No more traces of one place in the program than anybody reads; what is left out is counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

/// How long a place's traces are counted together.
pub const WINDOW: Duration = Duration::from_secs(10);
/// Traces of one place in a [`WINDOW`]: a burst is still seen, a flood is not.
const TRACES_MAX: u32 = 20;

/// Counts by place; shared by the filter and the formatter.
#[derive(Default)]
pub struct Limit(Mutex<HashMap<Identifier, Count>>);

struct Count {
    since: Instant,
    passed: u32,
    left_out: u64,
    /// File and line, or the module.
    place: String,
}

impl Limit {
    /// Whether one more of this place may pass at `now`.
    fn passes(&self, metadata: &'static Metadata<'static>, now: Instant) -> bool {
        let mut counts = self.0.lock().expect("nothing panics while it counts");
        let count = counts.entry(metadata.callsite()).or_insert_with(|| Count {
            since: now,
            passed: 0,
            left_out: 0,
            place: match (metadata.file(), metadata.line()) {
                (Some(file), Some(line)) => format!("{file}:{line}"),
                _ => metadata.target().to_owned(),
            },
        });
        if now.duration_since(count.since) >= WINDOW {
            (count.since, count.passed) = (now, 0);
        }
        count.passed = count.passed.saturating_add(1);
        let passes = count.passed <= TRACES_MAX;
        count.left_out += u64::from(!passes);
        passes
    }

    /// How many of this place were left out since it was last asked.
    pub fn take(&self, metadata: &Metadata<'_>) -> u64 {
        let mut counts = self.0.lock().expect("nothing panics while it counts");
        counts.get_mut(&metadata.callsite()).map_or(0, |count| std::mem::take(&mut count.left_out))
    }

    /// Places whose window is over, with how many were left out; each is told once.
    pub fn overdue(&self, now: Instant) -> Vec<(String, u64)> {
        let mut counts = self.0.lock().expect("nothing panics while it counts");
        let due = counts.values_mut().filter(|count| count.left_out > 0 && now.duration_since(count.since) >= WINDOW);
        due.map(|count| (count.place.clone(), std::mem::take(&mut count.left_out))).collect()
    }
}

/// Lets through what the limit lets through.
pub struct Passed(pub Arc<Limit>);

impl<S: Subscriber> Filter<S> for Passed {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.0.passes(event.metadata(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::field::FieldSet;
    use tracing::metadata::Kind;
    use tracing::{Callsite, Level, Metadata, subscriber::Interest};

    struct Place;

    impl Callsite for Place {
        fn set_interest(&self, _: Interest) {}

        fn metadata(&self) -> &Metadata<'_> {
            &METADATA
        }
    }

    static PLACE: Place = Place;
    static METADATA: Metadata<'static> = Metadata::new(
        "trace",
        "here",
        Level::INFO,
        Some("here.rs"),
        Some(7),
        None,
        FieldSet::new(&[], Identifier(&PLACE)),
        Kind::EVENT,
    );

    #[test]
    fn a_flood_is_counted_and_told_once() {
        let (limit, start) = (Limit::default(), Instant::now());
        let passed = (0..100).filter(|_| limit.passes(&METADATA, start)).count();
        assert_eq!(passed, TRACES_MAX as usize);
        assert!(limit.overdue(start).is_empty(), "the window is not over");
        let later = start + WINDOW;
        assert_eq!(limit.overdue(later), [("here.rs:7".to_owned(), 80)]);
        assert!(limit.overdue(later).is_empty());
        // The next window begins, and its first trace would tell what was left out before it.
        assert!(limit.passes(&METADATA, later));
        assert_eq!(limit.take(&METADATA), 0);
        assert_eq!((0..TRACES_MAX).filter(|_| limit.passes(&METADATA, later)).count(), TRACES_MAX as usize - 1);
        assert_eq!(limit.take(&METADATA), 1);
    }
}
