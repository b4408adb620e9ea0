//! An object: keys in the order in which they were added.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

use super::value::{Text, Value};

/// Up to so many keys are compared one after the other, which is faster than hashing; objects of logs rarely have more.
const LINEAR_KEYS_MAX: usize = 16;

/// An object. Small ones are a row of keys and values and nothing else; large ones have a hash table beside it.
#[derive(Clone, Debug, Default)]
pub struct Map {
    entries: Vec<(Text, Value)>,
    /// There when there are more than [`LINEAR_KEYS_MAX`] entries: their places by key.
    index: Option<Box<Index>>,
}

#[derive(Clone, Debug, Default)]
struct Index {
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Map {
    pub fn new() -> Map {
        Map::default()
    }

    /// An empty object with room for this many keys.
    pub fn with_capacity(keys: usize) -> Map {
        Map { entries: Vec::with_capacity(keys), index: None }
    }

    #[inline]
    fn place(&self, key: &str) -> Option<usize> {
        match &self.index {
            None => {
                // Keys of the same length mostly differ in their last byte already.
                let (bytes, last) = (key.as_bytes(), key.as_bytes().last());
                self.entries.iter().position(|(known, _)| {
                    let known = known.as_bytes();
                    known.len() == bytes.len() && known.last() == last && known == bytes
                })
            }
            Some(index) => {
                let hash = index.hasher.hash_one(key);
                index.places.find(hash, |place| self.entries[*place as usize].0 == key).map(|place| *place as usize)
            }
        }
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.place(key).map(|place| &self.entries[place].1)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.place(key).map(|place| &mut self.entries[place].1)
    }

    pub fn contains_key(&self, key: &str) -> bool {
        self.place(key).is_some()
    }

    /// Puts a value; a key that is there keeps its place.
    pub fn insert(&mut self, key: impl Into<Text>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        match self.place(&key) {
            Some(place) => Some(std::mem::replace(&mut self.entries[place].1, value)),
            None => {
                self.push(key, value);
                None
            }
        }
    }

    /// Puts a value, and forgets what was there.
    pub fn set(&mut self, key: &Text, value: Value) {
        match self.place(key) {
            Some(place) => self.entries[place].1 = value,
            None => {
                self.push(key.clone(), value);
            }
        }
    }

    /// Adds a key that is not there.
    fn push(&mut self, key: Text, value: Value) -> &mut Value {
        let place = self.entries.len();
        if let Some(index) = &mut self.index {
            let Index { places, hasher } = &mut **index;
            let hash = hasher.hash_one(&*key);
            // A place fits: four thousand million entries do not fit in memory.
            places.insert_unique(hash, place as u32, |place| hasher.hash_one(&*self.entries[*place as usize].0));
        }
        self.entries.push((key, value));
        if self.index.is_none() && self.entries.len() > LINEAR_KEYS_MAX {
            self.rebuild_index();
        }
        &mut self.entries[place].1
    }

    /// Makes the hash table that fits the entries, or none when they are few.
    fn rebuild_index(&mut self) {
        if self.entries.len() <= LINEAR_KEYS_MAX {
            self.index = None;
            return;
        }
        let mut index = self.index.take().unwrap_or_default();
        let Index { places, hasher } = &mut *index;
        places.clear();
        let entries = &self.entries;
        let hash = |place: &u32| hasher.hash_one(&*entries[*place as usize].0);
        places.reserve(entries.len(), hash);
        for place in 0..entries.len() as u32 {
            places.insert_unique(hash(&place), place, hash);
        }
        self.index = Some(index);
    }

    /// The value of the key, which is made with `make` when it is not there.
    pub fn get_or_insert_with(&mut self, key: &str, make: impl FnOnce() -> Value) -> &mut Value {
        match self.place(key) {
            Some(place) => &mut self.entries[place].1,
            None => self.push(key.into(), make()),
        }
    }

    /// Takes a key out; the order of the others stays.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let place = self.place(key)?;
        let (_, value) = self.entries.remove(place);
        if self.index.is_some() {
            self.rebuild_index();
        }
        Some(value)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (&**key, value))
    }

    /// Keeps the entries for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.entries.retain_mut(|(key, value)| keep(key, value));
        if self.index.is_some() {
            self.rebuild_index();
        }
    }
}

/// The order of keys does not count.
impl PartialEq for Map {
    fn eq(&self, other: &Map) -> bool {
        self.len() == other.len() && self.iter().all(|(key, value)| other.get(key) == Some(value))
    }
}

impl IntoIterator for Map {
    type Item = (Text, Value);
    type IntoIter = std::vec::IntoIter<(Text, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl FromIterator<(Text, Value)> for Map {
    /// The last value of a key that comes more than once counts.
    fn from_iter<I: IntoIterator<Item = (Text, Value)>>(entries: I) -> Map {
        let mut map = Map::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_any_size_keeps_its_keys_in_order() {
        for count in [0, 1, LINEAR_KEYS_MAX, LINEAR_KEYS_MAX + 1, 1000] {
            let mut map: Map = (0..count).map(|key| (key.to_string().into(), Value::from(key as i64))).collect();
            assert_eq!(map.insert("0", 7i64).is_some(), count > 0);
            map.insert("0", 0i64);
            map.remove("3");
            map.retain(|key, _| key != "5");
            let keys: Vec<String> = map.iter().map(|(key, _)| key.to_owned()).collect();
            let expect = (0..count.max(1)).filter(|key| !matches!(key, 3 | 5)).map(|key| key.to_string());
            assert_eq!(keys, expect.collect::<Vec<_>>(), "{count}");
            for key in &keys {
                assert_eq!(map.get(key), Some(&Value::from(key.parse::<i64>().unwrap())), "{count}");
            }
            assert!(!map.contains_key("3") && !map.contains_key("5"), "{count}");
        }
    }

    #[test]
    fn objects_are_equal_in_any_order() {
        let forwards: Map = (0..40).map(|key| (key.to_string().into(), Value::Null)).collect();
        let backwards: Map = (0..40).rev().map(|key| (key.to_string().into(), Value::Null)).collect();
        assert_eq!(forwards, backwards);
        let other: Map = (1..41).map(|key| (key.to_string().into(), Value::Null)).collect();
        assert_ne!(forwards, other);
    }
}
