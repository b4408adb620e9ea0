//! What a look at one moment does not show: since when lines of a file wait, and what went wrong with it last.

use super::Engine;
use crate::fingerprint::FileId;
use crate::tail::Tail;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// Errors that are remembered; of files that are not followed any more they are forgotten when there are more.
const ERRORS_MAX: usize = 1024;

/// A file whose acknowledged position is behind its size.
#[derive(Debug, Clone, Copy)]
struct Behind {
    /// Everything that the file had then is acknowledged, or it was first seen then.
    since: Instant,
    /// A later look, and the size then: when that is acknowledged, it takes the place of `since`.
    next: (Instant, u64),
}

/// Files by what has become of them.
#[derive(Debug, Default)]
pub struct Past {
    behind: HashMap<FileId, Behind>,
    errors: BTreeMap<FileId, String>,
}

impl Past {
    /// Renews what is known from the files that are behind now: identity, acknowledged position, size.
    fn look(&mut self, now: Instant, files: impl Iterator<Item = (FileId, u64, u64)>) {
        let before = std::mem::take(&mut self.behind);
        self.behind = files
            .map(|(id, acknowledged, size)| {
                let known = before.get(&id).copied().unwrap_or(Behind { since: now, next: (now, size) });
                let behind = match acknowledged >= known.next.1 {
                    true => Behind { since: known.next.0, next: (now, size) },
                    false => known,
                };
                (id, behind)
            })
            .collect();
    }

    /// How long the oldest line of a file has been waiting for its acknowledgement: at most this long.
    pub(super) fn lag(&self, id: FileId, now: Instant) -> Duration {
        self.behind.get(&id).map_or(Duration::ZERO, |behind| now.saturating_duration_since(behind.since))
    }

    fn lag_max(&self, now: Instant) -> Duration {
        let lags = self.behind.values().map(|behind| now.saturating_duration_since(behind.since));
        lags.max().unwrap_or_default()
    }

    pub(super) fn error(&self, id: FileId) -> Option<&str> {
        self.errors.get(&id).map(String::as_str)
    }

    pub(super) fn note_error(&mut self, id: FileId, error: &str) {
        if self.errors.get(&id).is_none_or(|known| known != error) {
            self.errors.insert(id, error.to_owned());
        }
    }
}

impl Engine {
    /// Notes how the files stand now.
    pub(super) fn note_past(&mut self) {
        let now = Instant::now();
        let state = self.delivery.state();
        let acknowledged = |id: FileId| state.files.get(&id).map_or(0, |record| record.position);
        let open = self.files.tails.values().map(|tail| (tail, acknowledged(tail.id)));
        let open = open.filter(|(tail, at)| is_behind(tail, *at)).map(|(tail, at)| (tail.id, at, tail.size));
        let closed =
            self.waiting.iter().filter_map(|id| Some((*id, acknowledged(*id), self.files.closed.get(id)?.size)));
        self.past.look(now, open.chain(closed));
        self.metrics.lag_seconds.set(self.past.lag_max(now).as_secs() as i64);
        let problems: Vec<(FileId, String)> = self
            .files
            .tails
            .values()
            .filter_map(|tail| Some((tail.id, self.problem_of(tail)?)))
            .filter(|(id, problem)| self.past.error(*id) != Some(problem))
            .map(|(id, problem)| (id, problem.to_owned()))
            .collect();
        problems.iter().for_each(|(id, problem)| self.past.note_error(*id, problem));
        if self.past.errors.len() > ERRORS_MAX {
            let files = &self.files;
            self.past.errors.retain(|id, _| files.tails.contains_key(id) || files.closed.contains_key(id));
        }
    }
}

/// Whether lines wait to be read or acknowledged. A line that its writer has not ended yet does not.
fn is_behind(tail: &Tail, acknowledged: u64) -> bool {
    let rests = tail.position == acknowledged && !tail.scheduled && tail.held.is_none();
    acknowledged < tail.size && !rests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_that_of_the_oldest_line_that_waits() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut past = Past::default();
        let id = FileId(1);
        let mut look = |seconds, acknowledged, size| {
            past.look(at(seconds), [(id, acknowledged, size)].into_iter());
            past.lag(id, at(seconds)).as_secs()
        };
        assert_eq!(look(0, 0, 100), 0);
        // A backlog: nothing of what was there at the first look is acknowledged as a whole.
        assert_eq!(look(10, 50, 200), 10);
        // It is, so that the oldest line that waits came after that look.
        assert_eq!(look(11, 100, 300), 11);
        assert_eq!(look(12, 250, 300), 12);
        // A busy file that keeps up is never far behind.
        assert_eq!(look(13, 300, 400), 2);
        assert_eq!(look(14, 400, 500), 1);
        assert_eq!(look(15, 500, 600), 1);
        past.look(at(16), std::iter::empty());
        assert_eq!(past.lag(id, at(16)), Duration::ZERO);
    }
}
