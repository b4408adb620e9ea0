//! What is done at its time, and when the next such time is.

use super::Engine;
use std::time::Instant;

impl Engine {
    pub(super) fn timers(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.later.first()
            && at <= now
        {
            self.later.pop_first();
            self.queue.push(id);
        }
        self.end_groups(now);
        if now >= self.rescan_at {
            self.rescan(now);
        } else if now >= self.walk_at {
            self.walk(false);
        }
        if now >= self.waiting_at && !self.waiting.is_empty() && self.stop_at.is_none() {
            self.open_waiting();
        }
        if !self.replaced.is_empty() {
            self.hunt(false);
        }
        if self.caught_up_due && now >= self.caught_up_at {
            self.check_caught_up();
        }
        if now >= self.tick_at {
            self.tick_at = now + self.config.flush_interval;
            self.glance_at_waiting();
            self.give_up_deleted(now);
            let (delivery, contents) = self.contents();
            let events = delivery.tick(contents);
            self.follow_up(events);
            self.drop_segments();
            self.release_when_idle();
        }
        if now >= self.view_at {
            self.publish();
        }
    }

    pub(super) fn next_timer(&self) -> Instant {
        let mut next = self.rescan_at.min(self.walk_at).min(self.tick_at);
        next = next.min(self.view_at);
        if self.stop_at.is_none()
            && let Some(&(at, _)) = self.later.first()
        {
            next = next.min(at);
        }
        if self.stop_at.is_none() && !self.waiting.is_empty() {
            next = next.min(self.waiting_at);
        }
        if self.caught_up_due {
            next = next.min(self.caught_up_at);
        }
        if self.stop_at.is_none()
            && let Some(&(at, _)) = self.groups.first()
        {
            next = next.min(at);
        }
        if let Some(at) = self.limited_until.filter(|_| self.stop_at.is_none()) {
            next = next.min(at);
        }
        self.stop_at.map_or(next, |at| next.min(at))
    }
}
