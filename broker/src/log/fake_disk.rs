//! A disk in memory that forgets: after [`FakeDisk::crash`] only what was synced is sure to be there, and of the rest a
//! seed decides, write by write and name by name.

use super::disk::{DirectoryEntry, DirectoryLock, Disk, DiskFile};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

/// Writes reach the platter in pieces of this size; a torn write keeps some of them.
const SECTOR_BYTES: usize = 512;

/// Of so many sectors that were not synced when the power went, one has a wrong bit.
const FLIPPED_ONCE_IN: u64 = 16;

/// A small generator with a seed (SplitMix64): the tests need repeatable choices, not good ones.
#[derive(Debug, Clone)]
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

#[derive(Default)]
struct State {
    /// Names as programs see them, and as they are on the platter.
    names: BTreeMap<PathBuf, Arc<FakeFile>>,
    durable_names: BTreeMap<PathBuf, Arc<FakeFile>>,
    /// Directories are durable at once: what a lost directory means is the same as lost names in it.
    directories: BTreeSet<PathBuf>,
    faults: Faults,
}

/// What goes wrong next.
#[derive(Default, Clone)]
pub struct Faults {
    /// Syncs of files fail.
    pub sync_fails: bool,
    /// Writes fail half-way, as on a full disk.
    pub full: bool,
    /// Operations that change something until the power is gone; then all of them fail.
    pub operations_left: Option<u64>,
    /// Syncs wait.
    pub hold_syncs: bool,
    /// Those that wait now.
    pub syncs_held: u64,
    pub syncs: u64,
}

#[derive(Default)]
pub struct FakeDisk {
    state: Arc<Mutex<State>>,
    released: Arc<Condvar>,
}

struct FakeFile {
    content: Mutex<Content>,
    state: Arc<Mutex<State>>,
    released: Arc<Condvar>,
}

#[derive(Default, Clone)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Writes since the last sync, failed or not: position and bytes; a cut is a position without bytes.
    pending: Vec<(usize, Option<Vec<u8>>)>,
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// Counts down to the power cut.
fn change(state: &mut State) -> io::Result<()> {
    match &mut state.faults.operations_left {
        None => Ok(()),
        Some(0) => Err(io::Error::other("the power is gone")),
        Some(left) => {
            *left -= 1;
            Ok(())
        }
    }
}

impl FakeDisk {
    pub fn set(&self, faults: impl FnOnce(&mut Faults)) {
        faults(&mut self.state.lock().expect("a lock").faults);
        self.released.notify_all();
    }

    pub fn syncs_held(&self) -> u64 {
        self.state.lock().expect("a lock").faults.syncs_held
    }

    pub fn syncs(&self) -> u64 {
        self.state.lock().expect("a lock").faults.syncs
    }

    /// The disk after a power cut.
    pub fn crash(&self, chance: &mut Chance) -> FakeDisk {
        let state = self.state.lock().expect("a lock");
        let survivor = FakeDisk::default();
        let mut paths: Vec<&PathBuf> = state.names.keys().chain(state.durable_names.keys()).collect();
        paths.sort();
        paths.dedup();
        let mut names = BTreeMap::new();
        for path in paths {
            let (now, durable) = (state.names.get(path), state.durable_names.get(path));
            let same = matches!((now, durable), (Some(a), Some(b)) if Arc::ptr_eq(a, b));
            let chosen = if same || chance.below(2) == 0 { durable } else { now };
            if let Some(file) = chosen {
                let content = file.content.lock().expect("a lock").after_crash(chance);
                names.insert(path.clone(), survivor.file(content));
            }
        }
        let mut next = survivor.state.lock().expect("a lock");
        next.durable_names = names.clone();
        next.names = names;
        next.directories = state.directories.clone();
        drop(next);
        survivor
    }

    fn file(&self, bytes: Vec<u8>) -> Arc<FakeFile> {
        Arc::new(FakeFile {
            content: Mutex::new(Content { now: bytes.clone(), durable: bytes, pending: Vec::new() }),
            state: Arc::clone(&self.state),
            released: Arc::clone(&self.released),
        })
    }
}

impl Content {
    /// What was synced, and of each later write all, some sectors or nothing, in any combination, and now and then with a
    /// wrong bit.
    fn after_crash(&self, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for (position, written) in &self.pending {
            let fate = chance.below(3);
            match written {
                None if fate > 0 => bytes.truncate(*position),
                Some(written) if fate > 0 => {
                    for (index, sector) in written.chunks(SECTOR_BYTES).enumerate() {
                        if fate == 2 || chance.below(2) == 0 {
                            let at = position + index * SECTOR_BYTES;
                            let is_there = bytes.get(at..at + sector.len()) == Some(sector);
                            put(&mut bytes, at, sector);
                            // What is written over itself, as recovery does, is the same before and after.
                            if !is_there && chance.below(FLIPPED_ONCE_IN) == 0 {
                                bytes[at + chance.below(sector.len() as u64) as usize] ^= 1 << chance.below(8);
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, position: usize, written: &[u8]) {
    if bytes.len() < position + written.len() {
        bytes.resize(position + written.len(), 0);
    }
    bytes[position..position + written.len()].copy_from_slice(written);
}

impl Disk for FakeDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.state.lock().expect("a lock").directories.insert(path.to_owned());
        Ok(())
    }

    fn entries(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        let state = self.state.lock().expect("a lock");
        let entry = |child: &PathBuf, is_directory| {
            let name = child.file_name()?.to_str()?.to_owned();
            (child.parent() == Some(path)).then_some(DirectoryEntry { name, is_directory })
        };
        let files = state.names.keys().filter_map(|child| entry(child, false));
        Ok(files.chain(state.directories.iter().filter_map(|child| entry(child, true))).collect())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.state.lock().expect("a lock");
        Ok(Arc::clone(state.names.get(path).ok_or_else(not_found)?) as Arc<dyn DiskFile>)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock().expect("a lock");
        change(&mut state)?;
        if let Some(file) = state.names.get(path) {
            let mut content = file.content.lock().expect("a lock");
            content.now.clear();
            content.pending.push((0, None));
            drop(content);
            return Ok(Arc::clone(file) as Arc<dyn DiskFile>);
        }
        let file = self.file(Vec::new());
        state.names.insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock().expect("a lock");
        change(&mut state)?;
        if state.directories.remove(from) {
            state.directories.insert(to.to_owned());
            let inside: Vec<PathBuf> = state.names.keys().filter(|path| path.starts_with(from)).cloned().collect();
            for path in inside {
                let moved = to.join(path.strip_prefix(from).expect("filtered"));
                let file = state.names.remove(&path).expect("listed");
                state.durable_names.remove(&path);
                state.durable_names.insert(moved.clone(), Arc::clone(&file));
                state.names.insert(moved, file);
            }
            return Ok(());
        }
        let file = state.names.remove(from).ok_or_else(not_found)?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock().expect("a lock");
        change(&mut state)?;
        state.names.remove(path).map(drop).ok_or_else(not_found)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock().expect("a lock");
        change(&mut state)?;
        state.names.retain(|name, _| !name.starts_with(path));
        state.durable_names.retain(|name, _| !name.starts_with(path));
        if state.directories.remove(path) { Ok(()) } else { Err(not_found()) }
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock().expect("a lock");
        change(&mut state)?;
        let inside = |name: &PathBuf| name.parent() == Some(path);
        state.durable_names.retain(|name, _| !inside(name));
        let names: Vec<_> =
            state.names.iter().filter(|(name, _)| inside(name)).map(|(n, f)| (n.clone(), Arc::clone(f))).collect();
        state.durable_names.extend(names);
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Option<DirectoryLock>> {
        Ok(Some(Box::new(())))
    }
}

impl DiskFile for FakeFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.content.lock().expect("a lock").now.len() as u64)
    }

    fn modified_ms(&self) -> io::Result<i64> {
        Ok(1_700_000_000_000)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let content = self.content.lock().expect("a lock");
        let rest = content.now.get(position as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, parts: [&[u8]; 2], position: u64) -> io::Result<()> {
        let mut written = parts.concat();
        let result = {
            let mut state = self.state.lock().expect("a lock");
            match state.faults.full {
                true => Err(io::ErrorKind::StorageFull.into()),
                false => change(&mut state),
            }
        };
        if result.is_err() {
            written.truncate(written.len() / 2);
        }
        let mut content = self.content.lock().expect("a lock");
        put(&mut content.now, position as usize, &written);
        content.pending.push((position as usize, Some(written)));
        result
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        change(&mut self.state.lock().expect("a lock"))?;
        let mut content = self.content.lock().expect("a lock");
        content.now.truncate(bytes as usize);
        content.pending.push((bytes as usize, None));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock().expect("a lock");
        state.faults.syncs_held += 1;
        state = self.released.wait_while(state, |state| state.faults.hold_syncs).expect("a lock");
        state.faults.syncs_held -= 1;
        change(&mut state)?;
        state.faults.syncs += 1;
        let fails = state.faults.sync_fails;
        let mut content = self.content.lock().expect("a lock");
        let Content { durable, pending, .. } = &mut *content;
        for (position, written) in pending.drain(..) {
            match written {
                // As in Linux, pages whose write failed count as clean: programs read them, no later sync writes them.
                Some(_) if fails => {}
                Some(written) => put(durable, position, &written),
                None => durable.truncate(position),
            }
        }
        if fails { Err(io::Error::other("the disk does not answer")) } else { Ok(()) }
    }

    fn as_file(&self) -> Option<&File> {
        None
    }

    fn held(self: Arc<Self>) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self)
    }
}
