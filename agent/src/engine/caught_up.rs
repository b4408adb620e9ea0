//! Whether everything that was there at the start is acknowledged.

use super::Engine;
use crate::tail::Goal;
use std::time::{Duration, Instant};

/// Least time between two looks: each may be at all files.
const CAUGHT_UP_INTERVAL: Duration = Duration::from_millis(5);

impl Engine {
    pub(super) fn check_caught_up(&mut self) {
        let now = Instant::now();
        self.caught_up_due = !*self.caught_up.borrow() && now < self.caught_up_at;
        if *self.caught_up.borrow() || self.caught_up_due || !self.started {
            return;
        }
        self.caught_up_at = now + CAUGHT_UP_INTERVAL;
        let (state, delivery) = (self.delivery.state(), &self.delivery);
        let open = self.files.tails.values_mut().map(|tail| (tail.id, &mut tail.goal, tail.held.is_some()));
        let closed = self.files.closed.iter_mut().map(|(&id, closed)| (id, &mut closed.goal, false));
        let mut met = true;
        for (id, goal, held) in open.chain(closed) {
            if let Goal::Acknowledge(position) = *goal {
                let acknowledged = state.files.get(&id).is_none_or(|record| record.position >= position);
                if acknowledged || !delivery.in_flight(id) {
                    *goal = Goal::Met;
                }
            }
            // Who ships files once is told of those that cannot be shipped now, and does not wait for ever.
            met = *goal == Goal::Met || (self.config.once && (held || delivery.stuck(id).is_some()));
            if !met {
                break;
            }
        }
        if met && self.streams_met() && self.delivery.is_recovered() {
            self.publish();
            self.caught_up.send_replace(true);
        }
    }
}
