//! The checkpoint directory after crashes: every cut and every flipped bit leads back to an older valid state.

use super::*;
use crate::fingerprint::{FileId, FileKey, Print};
use crate::journal::{Ending, FileRecord, Form, Sent, Source};

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
    Store::open(folder, None, || "agent".into())
}

/// A directory after some life, and every state that it went through.
fn lived(folder: &Path) -> Vec<State> {
    let mut store = open(folder).expect("opens");
    let mut states = vec![store.state().clone()];
    for step in 0..12u64 {
        let entries = match step {
            0 => vec![Entry::File(record(7)), Entry::Cluster { id: "c".into() }],
            5 => {
                store.compact().expect("compacts");
                vec![Entry::Replaced { gone: vec![4], by: vec![sent(4)] }]
            }
            n => vec![Entry::Sent(sent(n)), Entry::Acknowledged { number: n - 1 }],
        };
        for entry in entries {
            store.append(entry).expect("appended");
            states.push(store.state().clone());
        }
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
        let state = found.unwrap_or_else(|| panic!("{path:?} {what}: nothing was found"));
        assert!(states.contains(&state), "{path:?} {what}: {state:?}");
    };
    for (path, bytes) in &sound {
        for at in 0..bytes.len() {
            check(path, &bytes[..at], &format!("cut at {at}"));
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            check(path, &flipped, &format!("flipped at {at}"));
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
