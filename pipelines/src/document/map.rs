//! An object: keys in the order in which they were added.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

use super::value::{Text, Value};

/// Up to so many keys are compared one after the other, which is faster than hashing; objects of logs rarely have more.
const LINEAR_KEYS_MAX: usize = 32;

/// An object. Small ones are a row of keys and values and nothing else; large ones have a hash table beside it.
#[derive(Clone, Debug, Default)]
pub struct Map {
    entries: Vec<Entry>,
    /// There when there are more than [`LINEAR_KEYS_MAX`] entries: their places by key.
    index: Option<Box<Index>>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    /// What [`tag`] makes of the key.
    tag: u32,
    key: Text,
    value: Value,
}

#[derive(Clone, Debug, Default)]
struct Index {
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Index {
    fn place(&self, entries: &[Entry], key: &str) -> Option<usize> {
        let hash = self.hasher.hash_one(key);
        self.places.find(hash, |place| entries[*place as usize].key == key).map(|place| *place as usize)
    }
}

/// A number by which most keys are told apart without a look at them. It is no hash against which anybody could work:
/// keys with the same number are compared.
#[inline]
pub(super) fn tag(key: &str) -> u32 {
    let bytes = key.as_bytes();
    let ends = match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => u32::from_le_bytes(*first) ^ u32::from_le_bytes(*last).rotate_left(13),
        _ => bytes.iter().fold(0, |ends, byte| ends << 8 | u32::from(*byte)),
    };
    ends ^ (bytes.len() as u32).rotate_left(27)
}

impl Map {
    pub fn new() -> Map {
        Map::default()
    }

    /// An empty object with room for this many keys.
    pub fn with_capacity(keys: usize) -> Map {
        Map { entries: Vec::with_capacity(keys), index: None }
    }

    /// Makes room for so many more keys.
    pub(crate) fn reserve(&mut self, keys: usize) {
        self.entries.reserve(keys);
    }

    #[inline]
    fn place(&self, key: &str, tag: u32) -> Option<usize> {
        match &self.index {
            None => self.entries.iter().position(|entry| entry.tag == tag && entry.key.as_bytes() == key.as_bytes()),
            Some(index) => index.place(&self.entries, key),
        }
    }

    #[inline]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.get_tagged(key, tag(key))
    }

    /// As [`get`](Map::get), with the key's [`tag`].
    #[inline]
    pub(super) fn get_tagged(&self, key: &str, tag: u32) -> Option<&Value> {
        self.place(key, tag).map(|place| &self.entries[place].value)
    }

    #[inline]
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.place(key, tag(key)).map(|place| &mut self.entries[place].value)
    }

    pub fn contains_key(&self, key: &str) -> bool {
        self.place(key, tag(key)).is_some()
    }

    /// Puts a value; a key that is there keeps its place.
    pub fn insert(&mut self, key: impl Into<Text>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        let tag = tag(&key);
        match self.place(&key, tag) {
            Some(place) => Some(std::mem::replace(&mut self.entries[place].value, value)),
            None => {
                self.push(key, tag, value);
                None
            }
        }
    }

    /// Puts a value under a key with its [`tag`], and forgets what was there.
    #[inline]
    pub(super) fn set_tagged(&mut self, key: &Text, tag: u32, value: Value) {
        match self.place(key, tag) {
            Some(place) => self.entries[place].value = value,
            None => {
                self.push(key.clone(), tag, value);
            }
        }
    }

    /// Adds a key, or gives the value back when it is there.
    pub(super) fn insert_new(&mut self, key: &str, value: Value) -> Result<(), Value> {
        let tag = tag(key);
        if self.place(key, tag).is_some() {
            return Err(value);
        }
        self.push(key.into(), tag, value);
        Ok(())
    }

    /// Adds a key of which it is known that it is not there.
    pub(super) fn add(&mut self, key: Text, value: Value) {
        let tag = tag(&key);
        self.push(key, tag, value);
    }

    /// Adds a key that is not there.
    #[inline]
    fn push(&mut self, key: Text, tag: u32, value: Value) -> &mut Value {
        let place = self.entries.len();
        if self.index.is_some() || place >= LINEAR_KEYS_MAX {
            self.add_to_index(&key);
        }
        self.entries.push(Entry { tag, key, value });
        &mut self.entries[place].value
    }

    /// Notes a key that comes behind the entries.
    #[cold]
    fn add_to_index(&mut self, key: &str) {
        if self.index.is_none() {
            self.index = Some(Box::default());
            self.rebuild_index();
        }
        if let Some(index) = &mut self.index {
            let Index { places, hasher } = &mut **index;
            let entries = &self.entries;
            // A place fits: four thousand million entries do not fit in memory.
            let place = entries.len() as u32;
            let again = |place: &u32| hasher.hash_one(entries.get(*place as usize).map_or(key, |entry| &*entry.key));
            places.insert_unique(hasher.hash_one(key), place, again);
        }
    }

    /// Makes the hash table anew, where there is one.
    fn rebuild_index(&mut self) {
        let Some(index) = &mut self.index else { return };
        let Index { places, hasher } = &mut **index;
        places.clear();
        let entries = &self.entries;
        let hash = |place: &u32| hasher.hash_one(&*entries[*place as usize].key);
        // Room for some more: it was too few keys for a table a moment ago.
        places.reserve(2 * entries.len(), hash);
        for place in 0..entries.len() as u32 {
            places.insert_unique(hash(&place), place, hash);
        }
    }

    /// After keys were taken out.
    fn shrink_index(&mut self) {
        if self.index.is_some() {
            if self.entries.len() <= LINEAR_KEYS_MAX {
                self.index = None;
            }
            self.rebuild_index();
        }
    }

    /// The value of the key, which is made with `make` when it is not there.
    pub fn get_or_insert_with(&mut self, key: &str, make: impl FnOnce() -> Value) -> &mut Value {
        let tag = tag(key);
        match self.place(key, tag) {
            Some(place) => &mut self.entries[place].value,
            None => self.push(key.into(), tag, make()),
        }
    }

    /// Takes a key out; the order of the others stays.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let place = self.place(key, tag(key))?;
        let entry = self.entries.remove(place);
        self.shrink_index();
        Some(entry.value)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|entry| (&*entry.key, &entry.value))
    }

    /// Keeps the entries for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.entries.retain_mut(|entry| keep(&entry.key, &mut entry.value));
        self.shrink_index();
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
    type IntoIter = std::iter::Map<std::vec::IntoIter<Entry>, fn(Entry) -> (Text, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter().map(|entry| (entry.key, entry.value))
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
