//! The memory that requests may take, of all connections together.
//!
//! A buffer grows as bytes arrive, and what it grows by is taken from one budget first: when that is used up, who wants more
//! waits, and after a while gives up its connection and with it what it held, so that the others go on.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What the budget counts in.
const UNIT_BYTES: usize = 4096;

/// The budget; its clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct RequestMemory {
    units: Arc<Semaphore>,
    /// Of all connections together.
    units_max: usize,
}

/// What one connection, or one request of it, holds of the budget; dropped, it is free again.
#[derive(Debug)]
pub(crate) struct Share {
    budget: RequestMemory,
    held: Option<OwnedSemaphorePermit>,
}

impl RequestMemory {
    pub fn new(bytes_max: usize) -> Self {
        let units_max = (bytes_max / UNIT_BYTES).min(Semaphore::MAX_PERMITS);
        Self { units: Arc::new(Semaphore::new(units_max)), units_max }
    }

    /// Bytes that are taken now, of [`RequestMemory::limit`].
    pub fn used(&self) -> usize {
        self.units_max.saturating_sub(self.units.available_permits()) * UNIT_BYTES
    }

    /// Bytes that may be taken.
    pub fn limit(&self) -> usize {
        self.units_max * UNIT_BYTES
    }

    pub fn share(&self) -> Share {
        Share { budget: self.clone(), held: None }
    }
}

impl Share {
    fn units(&self) -> usize {
        self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Waits until this share covers `bytes`.
    pub async fn grow_to(&mut self, bytes: usize) {
        let more = bytes.div_ceil(UNIT_BYTES).saturating_sub(self.units());
        if more == 0 {
            return;
        }
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(&self.budget.units).acquire_many_owned(more).await else { return };
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
    }

    /// Gives back what is not needed for `bytes`; returned as a share of its own, for a request that was taken out.
    pub fn split_beyond(&mut self, bytes: usize) -> Share {
        let surplus = self.units().saturating_sub(bytes.div_ceil(UNIT_BYTES));
        let held = self.held.as_mut().and_then(|held| held.split(surplus));
        Share { budget: self.budget.clone(), held }
    }

    /// Whether more than half of the budget is taken, so that nobody should hold what is not needed at once.
    pub fn is_scarce(&self) -> bool {
        self.budget.units.available_permits() < self.budget.units_max / 2
    }

    pub fn is_empty(&self) -> bool {
        self.units() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn what_is_used_up_is_waited_for() {
        let memory = RequestMemory::new(10 * UNIT_BYTES);
        let (mut one, mut other) = (memory.share(), memory.share());
        one.grow_to(8 * UNIT_BYTES).await;
        one.grow_to(UNIT_BYTES).await;
        other.grow_to(2 * UNIT_BYTES).await;
        assert!(timeout(Duration::from_millis(10), other.grow_to(3 * UNIT_BYTES)).await.is_err());
        let request = one.split_beyond(UNIT_BYTES);
        assert!(timeout(Duration::from_millis(10), other.grow_to(3 * UNIT_BYTES)).await.is_err());
        drop(request);
        other.grow_to(9 * UNIT_BYTES).await;
        assert_eq!((memory.used(), memory.limit()), (10 * UNIT_BYTES, 10 * UNIT_BYTES));
        drop((one, other));
        assert_eq!(memory.used(), 0);
    }
}
