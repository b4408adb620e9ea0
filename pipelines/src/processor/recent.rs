//! What was found out lately, by what it was found out from: for processors whose inputs repeat themselves.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Entries that are kept at most: as many as Elasticsearch's caches of addresses and user agents have by default.
const ENTRIES_MAX: usize = 1000;

/// A bounded cache that all workers of a pipeline share. What was used among the last [`ENTRIES_MAX`] / 2 different keys is
/// in it.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    generations: Mutex<Generations<K, V>>,
}

/// The older generation goes when the younger one is full, and what of it was used is in the younger one by then.
#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, Arc<V>>,
    old: HashMap<K, Arc<V>>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { generations: Mutex::new(Generations { young: HashMap::new(), old: HashMap::new() }) }
    }
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// What is known of `key`, or what `find` finds out now, which is kept. Another worker may find it out at the same time.
    pub fn get_or_find<Q, E>(&self, key: &Q, find: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E>
    where
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        K: Borrow<Q>,
    {
        if let Some(known) = self.generations().get(key) {
            return Ok(known);
        }
        let found = Arc::new(find()?);
        self.generations().put(key.to_owned(), Arc::clone(&found));
        Ok(found)
    }

    fn generations(&self) -> std::sync::MutexGuard<'_, Generations<K, V>> {
        // Whoever panicked here left whole entries.
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq, V> Generations<K, V> {
    fn get<Q>(&mut self, key: &Q) -> Option<Arc<V>>
    where
        Q: Hash + Eq + ?Sized,
        K: Borrow<Q>,
    {
        if let Some(value) = self.young.get(key) {
            return Some(Arc::clone(value));
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.put(key, Arc::clone(&value));
        Some(value)
    }

    fn put(&mut self, key: K, value: Arc<V>) {
        if self.young.len() >= ENTRIES_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let recent = Recent::<String, usize>::default();
        let mut found = Vec::new();
        let mut get = |key: usize| {
            let find = || -> Result<usize, Infallible> {
                found.push(key);
                Ok(key * 2)
            };
            let Ok(value) = recent.get_or_find(key.to_string().as_str(), find);
            assert_eq!(*value, key * 2);
        };
        for key in 1..10 * ENTRIES_MAX {
            get(0);
            get(key);
        }
        // The used one was found out once, as all others, and the first of these is gone.
        get(1);
        get(10 * ENTRIES_MAX - 1);
        assert_eq!(found.iter().filter(|key| **key == 0).count(), 1);
        assert_eq!(found.iter().filter(|key| **key == 1).count(), 2);
        assert_eq!(found.len(), 10 * ENTRIES_MAX + 1);
        let generations = recent.generations();
        assert!(generations.young.len() + generations.old.len() <= ENTRIES_MAX);
    }

    #[test]
    fn what_cannot_be_found_out_is_asked_again() {
        let recent = Recent::<String, u8>::default();
        assert_eq!(recent.get_or_find("a", || Err("not now")).unwrap_err(), "not now");
        assert_eq!(recent.get_or_find("a", || Ok::<u8, &str>(1)).as_deref(), Ok(&1));
    }
}
