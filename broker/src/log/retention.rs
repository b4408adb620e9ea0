//! Retention: whole segments go, oldest first, by age and by size.

use super::partition::Partition;
use super::segment::Segment;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Partition {
    /// Takes the segments out of the log that its config no longer keeps, and returns them; the caller makes the new
    /// log start durable and then removes their files. What is not on disk yet stays, and so does what lies at
    /// `guarded` or behind, however old it is; what was deleted by request is not guarded any more.
    pub(super) fn take_expired(&self, now_ms: i64, guarded: Option<i64>) -> io::Result<Vec<Arc<Segment>>> {
        let config = self.config();
        let is_old = |segment: &Segment| {
            config.retention_ms >= 0
                && segment.bytes() > 0
                && now_ms.saturating_sub(segment.newest_ms()) > config.retention_ms
        };
        {
            // An expired active segment is sealed, so that a topic that nobody writes to becomes empty.
            let mut tail = self.tail();
            tail.producers.expire(now_ms);
            if is_old(&tail.active) && self.high_watermark() == tail.next_offset {
                self.roll(&mut tail)?;
            }
        }
        let segments = self.segments();
        let mut surplus = match config.retention_bytes {
            -1 => 0,
            kept => segments.iter().map(|segment| segment.bytes()).sum::<u64>().saturating_sub(kept as u64),
        };
        let (high_watermark, log_start) = (self.high_watermark(), self.log_start_offset());
        let goes_below = guarded.map_or(high_watermark, |guarded| guarded.max(log_start).min(high_watermark));
        let mut count = 0;
        for pair in segments.windows(2) {
            let (segment, next) = (&pair[0], &pair[1]);
            let is_surplus = surplus > 0 && segment.bytes() <= surplus;
            if next.base_offset > goes_below || !(is_surplus || is_old(segment) || next.base_offset <= log_start) {
                break;
            }
            surplus = surplus.saturating_sub(segment.bytes());
            count += 1;
        }
        if count > 0 {
            self.drop_segments(count);
        }
        Ok(segments[..count].to_vec())
    }

    /// Moves the log start forward (DeleteRecords); segments that lie below it go with the next sweep. The caller makes
    /// it durable. `false`: beyond the high watermark.
    pub(super) fn raise_log_start(&self, offset: i64) -> bool {
        if offset > self.high_watermark() {
            return false;
        }
        self.log_start.fetch_max(offset, Ordering::AcqRel);
        true
    }
}
