//! Copies: what copytruncate and compression leave is read on, once, wherever it lies; only what is gone is a gap.

use crate::fixture::{Fixture, caught_up, glob};
use crate::gzip::{gzip, lines, text};
use agent::Input;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::time::Duration;

/// Copies are in the globs, too.
fn all_names() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.config.inputs = vec![Input { paths: vec![glob(&fixture.folder, "a.log*")], ..Input::default() }];
    fixture
}

fn truncate(fixture: &Fixture, name: &str) {
    OpenOptions::new().write(true).truncate(true).open(fixture.path(name)).expect("truncated");
}

/// The broker has exactly these lines: those of each part in their order.
async fn expect(fixture: &Fixture, parts: &[&[String]]) {
    let count = parts.iter().map(|part| part.len()).sum();
    fixture.until(|| fixture.broker.count() >= count).await;
    let values = fixture.broker.values();
    let mut seen = BTreeSet::new();
    let doubled: Vec<_> = fixture.broker.got().into_iter().filter(|got| !seen.insert(got.value.clone())).collect();
    assert!(doubled.is_empty(), "{} lines twice, first {:?}", doubled.len(), doubled.first());
    assert_eq!(values.len(), count);
    for part in parts {
        let wanted: BTreeSet<&String> = part.iter().collect();
        let got: Vec<&String> = values.iter().filter(|value| wanted.contains(value)).collect();
        assert!(got.iter().copied().eq(part.iter()), "{:?}", part.first());
    }
}

/// Item 8: a backlog, and copytruncate to a name in or outside of the globs: the tail is read from the copy.
#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_read_from_the_copy() {
    for (inside, copy) in [(false, "elsewhere"), (true, "a.log.1")] {
        for restart in [false, true] {
            let mut fixture = if inside { all_names() } else { Fixture::new() };
            fixture.config.blocks_bytes_max = 64 * 1024;
            let (old, new) = (lines("old", 6000), lines("new", 6000));
            fixture.broker.stall(true);
            fixture.append("a.log", text(&old));
            let mut running = Some(fixture.start().await);
            fixture.until(|| fixture.broker.waiting() > 0).await;
            if restart {
                running = None;
            }
            fixture.copytruncate("a.log", copy);
            // Grown past the old position, and past the old size.
            fixture.append("a.log", text(&new));
            let agent = match running {
                Some(agent) => agent,
                None => fixture.start().await,
            };
            fixture.until(|| agent.files().len() == 2).await;
            fixture.broker.stall(false);
            expect(&fixture, &[&old, &new]).await;
            assert!(agent.losses().is_empty(), "{:?}", agent.losses());
            let got = fixture.broker.got();
            let ids: BTreeSet<&str> = got.iter().map(|got| got.header("sluice.file.id")).collect();
            let paths: BTreeSet<&str> = got.iter().map(|got| got.header("log.file.path")).collect();
            assert_eq!((ids.len(), paths.len()), (2, 1), "the copy has the identity of its original");
            let first_new = got.iter().position(|got| got.value == new[0].as_bytes()).expect("there");
            assert_eq!(first_new, old.len(), "old before new");
            drop(agent);
        }
    }
}

/// Item 8: the copy is deleted before the agent could see it: a gap with file and range.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_copy_the_backlog_is_a_reported_gap() {
    let mut fixture = Fixture::new();
    fixture.config.blocks_bytes_max = 64 * 1024;
    let (old, new) = (lines("old", 6000), lines("new", 10));
    let old_bytes = text(&old).len() as u64;
    fixture.broker.stall(true);
    fixture.append("a.log", text(&old));
    let agent = fixture.start().await;
    fixture.until(|| agent.files().iter().any(|file| file.position > 0)).await;
    let read = agent.progress().bytes_read;
    truncate(&fixture, "a.log");
    fixture.append("a.log", text(&new));
    fixture.until(|| !agent.losses().is_empty()).await;
    fixture.broker.stall(false);
    let loss = agent.losses()[0].clone();
    assert_eq!((loss.end, loss.path.clone()), (old_bytes, fixture.path("a.log")));
    assert!(loss.start >= read && loss.start < old_bytes, "{loss:?}");
    let before: Vec<String> = text(&old)[..loss.start as usize].lines().map(str::to_owned).collect();
    expect(&fixture, &[&before, &new]).await;
    assert_eq!(agent.losses().len(), 1);
    drop(agent);
}

/// Item 7: truncated while the agent was away, and grown past the old position: from 0, no fragment, and no line twice.
#[tokio::test(flavor = "multi_thread")]
async fn grown_past_the_old_position_is_a_new_file() {
    for fixture in [Fixture::new(), all_names()] {
        let mut parts = Vec::new();
        // Over an existing copy, too.
        for round in 0..6 {
            let part = lines(&format!("round {round}"), 300 + 150 * round);
            fixture.append("a.log", text(&part[..200]));
            let agent = fixture.start().await;
            parts.push(part);
            let before: usize = parts.iter().map(Vec::len).sum::<usize>() - parts[round].len() + 200;
            fixture.until(|| fixture.broker.count() >= before).await;
            if round % 2 == 0 {
                drop(agent);
                fixture.append("a.log", text(&parts[round][200..]));
                fixture.copytruncate("a.log", "a.log.1");
            } else {
                fixture.append("a.log", text(&parts[round][200..]));
                fixture.copytruncate("a.log", "a.log.1");
                drop(agent);
            }
        }
        let agent = fixture.start().await;
        let parts: Vec<&[String]> = parts.iter().map(Vec::as_slice).collect();
        expect(&fixture, &parts).await;
        assert!(agent.losses().is_empty(), "{:?}", agent.losses());
        drop(agent);
    }
}

/// A copy in the globs is not read while it is being made, however slowly.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_in_the_making_is_not_read() {
    let mut fixture = all_names();
    fixture.config.copy_grace = Duration::from_secs(60);
    let (old, new) = (lines("old", 2000), lines("new", 100));
    fixture.append("a.log", text(&old));
    let agent = fixture.start().await;
    expect(&fixture, &[&old]).await;
    let content = text(&old);
    for piece in content.as_bytes().chunks(content.len() / 10 + 1) {
        fixture.append("a.log.1", piece);
        let size = fs::metadata(fixture.path("a.log.1")).expect("there").len();
        let seen = |file: &agent::FileState| file.path.ends_with("a.log.1") && file.size <= size;
        fixture.until(|| agent.files().iter().any(seen)).await;
    }
    truncate(&fixture, "a.log");
    fixture.append("a.log", text(&new));
    expect(&fixture, &[&old, &new]).await;
    fixture.append("a.log.1", "late\n");
    fixture.until(|| fixture.broker.count() == 2101).await;
    drop(agent);
}

/// A compressed copy that was seen but not compared yet when the agent ended is a copy still, under another name too.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_renamed_before_it_was_compared_is_not_read() {
    for name in ["a.log.2.gz", "elsewhere.gz"] {
        let mut fixture = all_names();
        fixture.config.copy_grace = Duration::from_secs(60);
        let (old, new) = (lines("old", 2000), lines("new", 100));
        fixture.append("a.log", text(&old));
        let agent = fixture.start().await;
        expect(&fixture, &[&old]).await;
        fs::write(fixture.path("a.log.1.gz"), gzip(text(&old))).expect("compressed");
        fixture.until(|| agent.files().iter().any(|file| file.path.ends_with("a.log.1.gz"))).await;
        drop(agent);
        fs::rename(fixture.path("a.log.1.gz"), fixture.path(name)).expect("renamed");
        fs::remove_file(fixture.path("a.log")).expect("removed");
        fixture.append("a.log", text(&new));
        let agent = fixture.start().await;
        expect(&fixture, &[&old, &new]).await;
        fixture.append("a.log", "late\n");
        fixture.until(|| fixture.broker.values().last().is_some_and(|last| last == "late")).await;
        assert_eq!((fixture.broker.count(), agent.losses().len()), (2101, 0));
        drop(agent);
    }
}

/// What merely repeats another file is one of its own, after a grace; what differs is, at once (item 10: twins).
#[tokio::test(flavor = "multi_thread")]
async fn twins_and_duplicates_are_read_once_each() {
    let mut fixture = Fixture::new();
    let head = text(&lines("the same", 200));
    assert!(head.len() > 4096);
    fixture.append("a.log", format!("{head}one\n"));
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.until(|| fixture.broker.count() == 201).await;
    fixture.append("duplicate.log", format!("{head}one\n"));
    fixture.until(|| fixture.broker.count() == 402).await;
    fixture.append("byte.log", "\n");
    fixture.append("empty.log", "");
    drop(agent);
    fixture.config.copy_grace = Duration::from_secs(600);
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.count() == 403).await;
    fixture.append("twin.log", format!("{head}two\n"));
    fixture.until(|| fixture.broker.count() == 604).await;
    fixture.append("a.log", "more\n");
    fixture.append("twin.log", "more\n");
    fixture.append("empty.log", "some\n");
    fixture.until(|| fixture.broker.count() == 607).await;
    let got = fixture.broker.got();
    let of = |path: &str| got.iter().filter(|got| got.header("log.file.path").ends_with(path)).count();
    assert_eq!([of("/a.log"), of("/duplicate.log"), of("/twin.log"), of("/empty.log")], [202, 201, 202, 1]);
    drop(agent);
}

/// Items 6 and 11: half read, renamed and compressed while no agent ran, in the globs and outside.
#[tokio::test(flavor = "multi_thread")]
async fn half_read_and_compressed_while_no_agent_ran_goes_on_where_it_stopped() {
    for (inside, name) in [(false, "elsewhere.gz"), (true, "a.log.1.gz"), (false, "a.log.1.gz")] {
        let fixture = if inside { all_names() } else { Fixture::new() };
        let (old, new) = (lines("old", 3000), lines("new", 50));
        fixture.append("a.log", text(&old[..1000]));
        let agent = fixture.start().await;
        expect(&fixture, &[&old[..1000]]).await;
        // Some in flight, too.
        fixture.broker.stall(true);
        fixture.append("a.log", text(&old[1000..2000]));
        fixture.until(|| fixture.broker.waiting() > 0).await;
        drop(agent);
        fixture.append("a.log", text(&old[2000..]));
        fs::write(fixture.path(name), gzip(text(&old))).expect("compressed");
        fs::remove_file(fixture.path("a.log")).expect("removed");
        fixture.append("a.log", text(&new));
        fixture.broker.stall(false);
        let agent = fixture.start().await;
        expect(&fixture, &[&old, &new]).await;
        assert!(agent.losses().is_empty(), "{:?}", agent.losses());
        let first_new = fixture.broker.values().iter().position(|value| *value == new[0]);
        assert_eq!(first_new, Some(old.len()), "old before new");
        fixture.until(|| agent.progress().lag_bytes == 0).await;
        drop(agent);
        let agent = fixture.start().await;
        caught_up(&agent).await;
        fixture.append("a.log", "more\n");
        fixture.until(|| fixture.broker.count() > old.len() + new.len()).await;
        assert_eq!(fixture.broker.count(), old.len() + new.len() + 1, "nothing of the archive is read again");
        drop(agent);
    }
}

/// Item 11: compressed while the agent runs, in the globs, with a backlog and without: nothing is read again.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_what_was_read_is_not_read_again() {
    for backlog in [false, true] {
        let mut fixture = all_names();
        fixture.config.copy_grace = Duration::from_secs(60);
        let (old, new) = (lines("old", 3000), lines("new", 50));
        let bytes = gzip(text(&old));
        fixture.broker.stall(backlog);
        fixture.append("a.log", text(&old));
        let agent = fixture.start().await;
        fixture.until(|| agent.files().len() == 1).await;
        if !backlog {
            expect(&fixture, &[&old]).await;
        }
        fixture.rename("a.log", "a.log.1");
        fixture.append("a.log", text(&new));
        // As gzip does it: the archive grows beside the file, which is then removed.
        for piece in bytes.chunks(bytes.len() / 4) {
            fixture.append("a.log.1.gz", piece);
            fixture.until(|| agent.files().iter().any(|file| file.path.ends_with("a.log.1.gz"))).await;
        }
        fs::remove_file(fixture.path("a.log.1")).expect("removed");
        fixture.broker.stall(false);
        expect(&fixture, &[&old, &new]).await;
        // The archive has taken over.
        fixture.until(|| agent.files().len() == 2).await;
        fixture.append("a.log.1.gz", gzip("one more member\n"));
        fixture.until(|| fixture.broker.count() > old.len() + new.len()).await;
        let got = fixture.broker.got();
        let (first, last) = (&got[0], &got[old.len() + new.len()]);
        assert_eq!((got.len(), last.value.as_slice()), (old.len() + new.len() + 1, &b"one more member"[..]));
        assert_eq!(first.header("sluice.file.id"), last.header("sluice.file.id"));
        assert_eq!(last.header("log.offset"), text(&old).len().to_string());
        assert!(agent.losses().is_empty(), "{:?}", agent.losses());
        drop(agent);
    }
}

/// Item 9: the inode is used again, smaller and larger, agent up and down: a new file from 0.
#[tokio::test(flavor = "multi_thread")]
async fn an_inode_that_is_used_again_is_a_new_file() {
    for (down, bytes) in [(false, 20), (false, 4000), (true, 20), (true, 4000)] {
        let fixture = Fixture::new();
        let old = lines("old", 30);
        fixture.append("a.log", text(&old));
        let agent = fixture.start().await;
        expect(&fixture, &[&old]).await;
        let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(fixture.path("a.log")).expect("there"));
        let mut agent = Some(agent);
        if down {
            agent = None;
        }
        fs::remove_file(fixture.path("a.log")).expect("removed");
        if let Some(agent) = &agent {
            fixture.until(|| agent.files().is_empty()).await;
        }
        // The file system may take another one: then this is the ordinary case.
        let new = lines("new", bytes / 30 + 1);
        fixture.append("a.log", text(&new));
        let now = std::os::unix::fs::MetadataExt::ino(&fs::metadata(fixture.path("a.log")).expect("there"));
        println!("inode {inode}, then {now}");
        if down {
            agent = Some(fixture.start().await);
        }
        expect(&fixture, &[&old, &new]).await;
        assert_eq!(fixture.broker.got()[old.len()].header("log.offset"), "0");
        drop(agent);
    }
}

/// A file that waits for its first turn is copied and truncated: its copy is read as the file that it was, and nothing is
/// reported as lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_not_read_at_all_goes_on_in_its_copy() {
    let fixture = all_names();
    let (old, unread, new) = (lines("old", 1000), lines("unread", 20), lines("new", 20));
    fixture.append("a.log", text(&old));
    fixture.broker.stall(true);
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.waiting() > 0).await;
    // What is written now waits for the file before it.
    fixture.rename("a.log", "a.log.1");
    fixture.append("a.log", text(&unread));
    fixture.until(|| agent.files().len() == 2).await;
    fixture.copytruncate("a.log", "a.log.2");
    fixture.until(|| agent.files().len() == 3).await;
    fixture.append("a.log", text(&new));
    fixture.broker.stall(false);
    expect(&fixture, &[&old, &unread, &new]).await;
    assert!(agent.losses().is_empty(), "{:?}", agent.losses());
    let got = fixture.broker.got();
    let paths: BTreeSet<&str> = got.iter().map(|got| got.header("log.file.path")).collect();
    assert_eq!(paths.len(), 1, "all were a.log first: {paths:?}");
}
