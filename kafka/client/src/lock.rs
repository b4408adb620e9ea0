//! Locking without poison: what these locks guard is whole after every statement, so a panic elsewhere leaves it sound.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`. No lock of this crate is held across an `.await`.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
