//! Warnings about misbehaving clients, a few at a time: a port scanner must not fill the disk with traces.

use std::sync::Mutex;
use std::time::Instant;

use crate::limits;

#[derive(Debug, Default)]
pub(crate) struct Warnings {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl Warnings {
    /// Calls `warn` with the number of warnings left out since the last one, or counts this one as left out.
    pub fn warn(&self, warn: impl FnOnce(u64)) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.last.is_some_and(|last| now.duration_since(last) < limits::WARNING_INTERVAL) {
            state.suppressed += 1;
            return;
        }
        state.last = Some(now);
        let suppressed = std::mem::take(&mut state.suppressed);
        drop(state);
        warn(suppressed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gives_one_warning() {
        let warnings = Warnings::default();
        let mut said = 0;
        for _ in 0..1000 {
            warnings.warn(|_| said += 1);
        }
        assert_eq!(said, 1);
    }
}
