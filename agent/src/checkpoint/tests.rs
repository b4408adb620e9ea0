//! The checkpoint directory after crashes: every cut and every flipped bit leads back to an older valid state.

use super::*;
use crate::checkpoint::folder::{generations, read_newest};
use crate::checkpoint::{Gap, WriteGate};
use crate::fingerprint::{FileId, FileKey, Print};
use crate::journal::{Ending, FileRecord, Form, Sent, Source};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn record(id: u64) -> FileRecord {
    FileRecord {
        id: FileId(id),
        key: FileKey { device: 1, inode: id, birth_nanos: Some(5) },
        path: "/var/log/a.log".into(),
        path_now: "/var/log/a.log".into(),
        topic: "logs".into(),
        partition: Some(2),
        dataset: Some("generic".into()),
        dataset_detected: true,
        labels: Default::default(),
        head: Print::of(b"head"),
        position: 0,
        skipping: crate::format::Skip::NOTHING,
        marker: Print::of(b""),
        seen_secs: 1,
        gone: false,
        generation: 0,
        form: Form::Open,
    }
}

fn sent(number: u64) -> Sent {
    Sent {
        number,
        topic: "logs".into(),
        partition: 2,
        producer_id: 9,
        producer_epoch: 0,
        sequence: number as i32 * 10,
        records: 10,
        compression: 3,
        line_bytes_max: 100,
        host: None,
        format: None,
        part_of: None,
        timestamp: 5,
        sources: vec![Source {
            file: FileId(7),
            start: number * 100,
            end: number * 100 + 100,
            ending: Ending::Newline,
            content: 1,
            marker: Print::of(b"m"),
            before: crate::format::Skip::NOTHING,
            after: crate::format::Skip::NOTHING,
        }],
    }
}

fn open(folder: &Path) -> Result<Store, OpenError> {
    Store::open(folder, Some(HostIdentity::default()), Disk::default(), || "agent".into())
}

const STEPS: u64 = 12;

/// One step of a life; `state` hears of every state that it leads to.
fn step(store: &mut Store, step: u64, mut state: impl FnMut(&State)) -> io::Result<()> {
    let entries = match step {
        0 => vec![Entry::File(record(7)), Entry::Cluster { id: "c".into() }],
        3 => {
            // Begun, and never written.
            drop(store.begin_checkpoint()?);
            vec![Entry::Sent(sent(3)), Entry::Acknowledged { number: 2 }]
        }
        5 => {
            store.compact()?;
            vec![Entry::Replaced { gone: vec![4], by: vec![sent(4)] }]
        }
        n => vec![Entry::Sent(sent(n)), Entry::Acknowledged { number: n - 1 }],
    };
    for entry in entries {
        store.append(entry)?;
        state(store.state());
    }
    Ok(())
}

/// A directory after some life, and every state that it went through.
fn lived(folder: &Path) -> Vec<State> {
    let mut store = open(folder).expect("opens");
    let mut states = vec![store.state().clone()];
    for n in 0..STEPS {
        step(&mut store, n, |state| states.push(state.clone())).expect("written");
    }
    states
}

#[test]
fn state_comes_back_and_a_second_agent_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let states = lived(folder.path());
    let first = open(folder.path()).expect("opens");
    assert_eq!(Some(first.state()), states.last());
    assert!(matches!(open(folder.path()), Err(OpenError::Locked(_))));
    drop(first);
    assert_eq!(Some(open(folder.path()).expect("opens").state()), states.last());
}

#[test]
fn any_cut_or_flipped_bit_leads_to_a_state_that_was_valid() {
    let life = tempfile::tempdir().expect("folder");
    let states = lived(life.path());
    let names = fs::read_dir(life.path()).expect("listed").map(|entry| entry.expect("entry").path());
    let sound: Vec<(PathBuf, Vec<u8>)> = names.map(|path| (path.clone(), fs::read(&path).expect("read"))).collect();
    // A new file each time: some file systems flush one that is written over.
    let write = |path: &Path, bytes: &[u8]| {
        fs::remove_file(path).expect("removed");
        fs::write(path, bytes).expect("written");
    };
    // As `open` reads it, but without the flushes of a new generation.
    let check = |path: &Path, damaged: &[u8], what: &str| {
        write(path, damaged);
        let list = |prefix| generations(life.path(), prefix).expect("listed");
        let found = read_newest(life.path(), &list("checkpoint."), &list("journal.")).expect("readable");
        let (state, _) = found.unwrap_or_else(|| panic!("{path:?} {what}: nothing was found"));
        assert!(states.contains(&state), "{path:?} {what}: {state:?}");
    };
    for (path, bytes) in &sound {
        for at in 0..bytes.len() {
            check(path, &bytes[..at], &format!("cut at {at}"));
            // Every bit of the first frame's header, and one of each byte that a checksum covers.
            for bit in (0..8).filter(|bit| at < 8 || *bit == at % 8) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                check(path, &flipped, &format!("bit {bit} flipped at {at}"));
            }
        }
        write(path, bytes);
    }
}

#[test]
fn a_damaged_checkpoint_costs_nothing_while_the_one_before_is_sound() {
    let folder = tempfile::tempdir().expect("folder");
    let states = lived(folder.path());
    let newest = generations(folder.path(), "checkpoint.").expect("listed").pop().expect("one");
    fs::write(file(folder.path(), "checkpoint.", newest), b"rubbish").expect("written");
    assert_eq!(Some(open(folder.path()).expect("opens").state()), states.last());
}

#[test]
fn all_damaged_is_an_error_and_not_a_fresh_start() {
    let folder = tempfile::tempdir().expect("folder");
    lived(folder.path());
    drop(open(folder.path()).expect("opens"));
    for entry in fs::read_dir(folder.path()).expect("listed") {
        let path = entry.expect("entry").path();
        if !path.ends_with("lock") {
            fs::write(path, b"rubbish").expect("written");
        }
    }
    assert!(matches!(open(folder.path()), Err(OpenError::Corrupt(_))));
}

#[test]
fn a_file_that_is_gone_is_forgotten_when_its_batches_are_done() {
    let folder = tempfile::tempdir().expect("folder");
    let mut store = open(folder.path()).expect("opens");
    store.append(Entry::File(FileRecord { gone: true, ..record(7) })).expect("appended");
    store.append(Entry::Sent(sent(1))).expect("appended");
    store.compact().expect("compacts");
    assert_eq!(store.state().files.len(), 1);
    store.append(Entry::Acknowledged { number: 1 }).expect("appended");
    store.compact().expect("compacts");
    assert!(store.state().files.is_empty());
}

#[test]
fn what_was_lost_is_known_when_its_file_is_forgotten() {
    let folder = tempfile::tempdir().expect("folder");
    let gap = |start, end| Gap { start, end, reason: "gone".into() };
    let mut store = open(folder.path()).expect("opens");
    store.append(Entry::File(FileRecord { gone: true, ..record(7) })).expect("appended");
    store.append(Entry::File(FileRecord { gone: true, ..record(8) })).expect("appended");
    store.append(Entry::Sent(sent(1))).expect("appended");
    store.append(Entry::Lost { number: 1, reason: "gone".into() }).expect("appended");
    store.append(Entry::Gap { file: FileId(7), gap: gap(300, 350) }).expect("appended");
    store.compact().expect("compacts");
    let check = |state: &State| {
        assert!(state.files.is_empty() && state.unresolved.is_empty());
        assert_eq!(state.gaps.of(FileId(7)).cloned().collect::<Vec<_>>(), [gap(100, 200), gap(300, 350)]);
        assert_eq!(
            state.gaps.forgotten().map(|record| (record.id, record.position)).collect::<Vec<_>>(),
            [(FileId(7), 200)]
        );
    };
    check(store.state());
    drop(store);
    check(open(folder.path()).expect("opens").state());
    // From the journals.
    let newest = generations(folder.path(), CHECKPOINT).expect("listed").pop().expect("one");
    fs::write(file(folder.path(), CHECKPOINT, newest), b"rubbish").expect("written");
    check(open(folder.path()).expect("opens").state());
}

#[test]
fn what_is_in_the_lock_does_not_matter() {
    let folder = tempfile::tempdir().expect("folder");
    let states = lived(folder.path());
    fs::write(folder.path().join("lock"), [0xff; 100]).expect("written");
    assert_eq!(Some(open(folder.path()).expect("opens").state()), states.last());
    fs::remove_file(folder.path().join("lock")).expect("removed");
    assert_eq!(Some(open(folder.path()).expect("opens").state()), states.last());
}

#[test]
fn a_journal_behind_a_torn_one_is_left_out_for_good() {
    let folder = tempfile::tempdir().expect("folder");
    let mut store = open(folder.path()).expect("opens");
    let states = std::cell::RefCell::new(Vec::new());
    for n in 0..STEPS {
        step(&mut store, n, |state| states.borrow_mut().push(state.clone())).expect("written");
    }
    drop(store);
    // Only the first generation and what led on from it, the first of them cut.
    for generation in generations(folder.path(), CHECKPOINT).expect("listed") {
        fs::write(file(folder.path(), CHECKPOINT, generation), b"rubbish").expect("written");
    }
    let journals = generations(folder.path(), JOURNAL).expect("listed");
    let first = file(folder.path(), JOURNAL, journals[0]);
    let bytes = fs::read(&first).expect("read");
    fs::write(&first, &bytes[..bytes.len() - 1]).expect("written");
    let found = open(folder.path()).expect("opens").state().clone();
    assert!(states.borrow().contains(&found), "{found:?}");
    // The newest checkpoint lost as well: the same state again.
    let newest = generations(folder.path(), CHECKPOINT).expect("listed").pop().expect("one");
    fs::write(file(folder.path(), CHECKPOINT, newest), b"rubbish").expect("written");
    assert_eq!(open(folder.path()).expect("opens").state(), &found);
}

#[test]
fn a_disk_that_is_full_at_any_byte_costs_nothing_that_was_written() {
    let whole = {
        let folder = tempfile::tempdir().expect("folder");
        lived(folder.path()).pop().expect("states")
    };
    let mut filled = 0;
    // Primes, so that the cuts lie everywhere in the frames.
    for fits in (0..).step_by(311) {
        let folder = tempfile::tempdir().expect("folder");
        let left = Arc::new(AtomicUsize::new(usize::MAX));
        let gate = {
            let left = Arc::clone(&left);
            WriteGate(Arc::new(move |bytes| {
                let before = left.load(Ordering::SeqCst);
                let fits = bytes.min(before);
                left.store(before - fits, Ordering::SeqCst);
                fits
            }))
        };
        let disk = Disk { gate: Some(gate) };
        let mut store =
            Store::open(folder.path(), Some(HostIdentity::default()), disk.clone(), || "agent".into()).expect("opens");
        left.store(fits, Ordering::SeqCst);
        let mut full = false;
        for n in 0..STEPS {
            let before = store.state().clone();
            let Err(error) = step(&mut store, n, |_| ()) else { continue };
            full = true;
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            // As a killed agent leaves it.
            assert_eq!(read(folder.path()), *store.state(), "{fits} bytes fit");
            left.store(usize::MAX, Ordering::SeqCst);
            if *store.state() == before {
                step(&mut store, n, |_| ()).expect("there is space again");
            } else if n == 0 {
                store.append(Entry::Cluster { id: "c".into() }).expect("there is space again");
            } else {
                store.append(Entry::Acknowledged { number: n - 1 }).expect("there is space again");
            }
        }
        assert_eq!(*store.state(), whole, "{fits} bytes fit");
        drop(store);
        assert_eq!(open(folder.path()).expect("opens").state(), &whole);
        if !full {
            break;
        }
        filled += 1;
    }
    assert!(filled > 10, "{filled}");
}

/// What the files say, without a new generation.
fn read(folder: &Path) -> State {
    let list = |prefix| generations(folder, prefix).expect("listed");
    read_newest(folder, &list(CHECKPOINT), &list(JOURNAL)).expect("readable").expect("a state").0
}
