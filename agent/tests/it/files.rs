//! Files that are renamed, truncated, deleted, linked, or no files at all.

use crate::fixture::{Fixture, caught_up, glob};
use agent::Input;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const DRAIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_file_is_read_to_its_end_and_late_writes_too() {
    let fixture = Fixture::new();
    fixture.append("a.log", "one\n");
    let agent = fixture.start().await;
    fixture.expect(&["one"]).await;
    let mut old = fs::OpenOptions::new().append(true).open(fixture.path("a.log")).expect("opened");
    fixture.append("a.log", "two\n");
    fixture.rename("a.log", "a.log.1");
    fixture.append("a.log", "new\n");
    old.write_all(b"late\n").expect("written");
    fixture.expect(&["one", "two", "late", "new"]).await;
    old.write_all(b"unfinished").expect("written");
    drop(old);
    fixture.expect(&["one", "two", "late", "new", "unfinished"]).await;
    fixture.until(|| agent.files().len() == 1).await;
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_renamed_inside_the_globs_stays_the_same_file() {
    let mut fixture = Fixture::new();
    fixture.config.inputs = vec![Input { paths: vec![glob(&fixture.folder, "a.log*")], ..Input::default() }];
    fixture.append("a.log", "one\n");
    let agent = fixture.start().await;
    fixture.expect(&["one"]).await;
    fixture.rename("a.log", "a.log.1");
    fixture.append("a.log", "new\n");
    fixture.append("a.log.1", "two\n");
    fixture.expect(&["one", "two", "new"]).await;
    drop(agent);
    fixture.rename("a.log.1", "a.log.2");
    fixture.rename("a.log", "a.log.1");
    fixture.append("a.log.1", "more\n");
    let agent = fixture.start().await;
    fixture.expect(&["one", "two", "new", "more"]).await;
    let got = fixture.broker.got();
    let id_of =
        |value: &str| got.iter().find(|got| got.value == value.as_bytes()).expect("there").header("sluice.file.id");
    assert_eq!(id_of("one"), id_of("two"));
    assert_eq!(id_of("new"), id_of("more"));
    assert_ne!(id_of("one"), id_of("new"));
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_renamed_out_of_the_globs_while_no_agent_ran_is_finished() {
    let fixture = Fixture::new();
    fixture.append("a.log", "one\n");
    let agent = fixture.start().await;
    fixture.expect(&["one"]).await;
    drop(agent);
    fixture.append("a.log", "two\n");
    fixture.rename("a.log", "elsewhere");
    fixture.append("a.log", "new\n");
    let agent = fixture.start().await;
    fixture.expect(&["one", "two", "new"]).await;
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_file_is_a_new_one_from_its_beginning() {
    let fixture = Fixture::new();
    fixture.append("a.log", "one\ntwo\n");
    let agent = fixture.start().await;
    fixture.expect(&["one", "two"]).await;
    fixture.copytruncate("a.log", "copy");
    fixture.append("a.log", "3\n");
    fixture.expect(&["one", "two", "3"]).await;
    // What has no acknowledgement would be lost with the content.
    fixture.until(|| agent.files().iter().all(|file| file.acknowledged == 2)).await;
    // Truncated, and grown past the old position before anybody could look.
    fixture.broker.stall(true);
    drop(agent);
    fixture.copytruncate("a.log", "copy");
    fixture.append("a.log", "a longer line than all before\nand more\n");
    fixture.broker.stall(false);
    let agent = fixture.start().await;
    fixture.expect(&["one", "two", "3", "a longer line than all before", "and more"]).await;
    let ids: std::collections::BTreeSet<_> =
        fixture.broker.got().iter().map(|got| got.header("sluice.file.id").to_owned()).collect();
    assert_eq!(ids.len(), 3);
    assert!(agent.losses().is_empty());
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_were_truncated_before_they_were_read_are_reported() {
    let fixture = Fixture::new();
    fixture.append("a.log", "one\nhalf a line");
    let agent = fixture.start().await;
    fixture.expect(&["one"]).await;
    fixture.until(|| agent.files().iter().any(|file| file.size == 15)).await;
    let backup = fixture.backup("a.log");
    fs::OpenOptions::new().write(true).truncate(true).open(fixture.path("a.log")).expect("truncated");
    fixture.append("a.log", "new\n");
    fixture.expect(&["one", "new"]).await;
    fixture.until(|| !agent.losses().is_empty()).await;
    let loss = &agent.losses()[0];
    assert_eq!((loss.start, loss.end, loss.path.clone()), (4, 15, fixture.path("a.log")));
    assert_eq!(fixture.gaps(&backup), [(4, 15)]);
    // The end writes a checkpoint, and a start another: nothing else is known of that content any more.
    agent.stop(DRAIN).await;
    fixture.start().await.stop(DRAIN).await;
    assert_eq!(fixture.gaps(&backup), [(4, 15)]);
    assert!(fixture.gaps(&fixture.path("a.log")).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_file_is_read_to_its_end_and_its_successor_from_0() {
    let fixture = Fixture::new();
    fixture.broker.stall(true);
    let lines: Vec<String> = (0..300).map(|n| format!("line {n}")).collect();
    fixture.append("a.log", lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    let agent = fixture.start().await;
    fixture.until(|| agent.files().iter().any(|file| file.size > 0)).await;
    fs::remove_file(fixture.path("a.log")).expect("removed");
    fixture.append("a.log", "new\n");
    fixture.broker.stall(false);
    let mut expect: Vec<&str> = lines.iter().map(String::as_str).collect();
    expect.push("new");
    fixture.expect(&expect).await;
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_files_and_folders_are_found_at_once() {
    let mut fixture = Fixture::new();
    fixture.config.inputs = vec![Input { paths: vec![glob(&fixture.folder, "**/*.log")], ..Input::default() }];
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fs::create_dir_all(fixture.path("x/y")).expect("made");
    fixture.append("x/y/a.log", "one\n");
    fixture.expect(&["one"]).await;
    fixture.append("x/b.log", "two\n");
    fixture.expect(&["one", "two"]).await;
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reader_per_file_whatever_leads_to_it() {
    let mut fixture = Fixture::new();
    let twice = vec![glob(&fixture.folder, "*.log"), glob(&fixture.folder, "a*"), glob(&fixture.folder, "a.log")];
    fixture.config.inputs = vec![Input { paths: twice, follow_symlinks: true, ..Input::default() }];
    fixture.append("a.log", "one\n");
    fs::hard_link(fixture.path("a.log"), fixture.path("hard.log")).expect("linked");
    std::os::unix::fs::symlink(fixture.path("a.log"), fixture.path("soft.log")).expect("linked");
    fs::write(fixture.folder.path().join("outside"), "far\n").expect("written");
    std::os::unix::fs::symlink(fixture.folder.path().join("outside"), fixture.path("far.log")).expect("linked");
    let agent = fixture.start().await;
    fixture.expect(&["one", "far"]).await;
    fixture.append("hard.log", "two\n");
    let mut outside = fs::OpenOptions::new().append(true).open(fixture.folder.path().join("outside")).expect("opened");
    outside.write_all(b"away\n").expect("written");
    fixture.expect(&["one", "two", "far", "away"]).await;
    assert_eq!(agent.files().len(), 2);
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_is_a_problem_and_no_hang() {
    let mut fixture = Fixture::new();
    fixture.config.rescan = Duration::from_millis(50);
    let fifo = fixture.path("fifo.log");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0)
        .expect("made");
    let _socket = std::os::unix::net::UnixListener::bind(fixture.path("socket.log")).expect("bound");
    fs::create_dir(fixture.path("folder.log")).expect("made");
    let folder = fixture.folder.path().to_string_lossy().into_owned();
    fixture.config.inputs.push(Input { paths: vec![folder], ..Input::default() });
    fixture.append("a.log", "one\n");
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.expect(&["one"]).await;
    fixture.until(|| agent.problems().len() == 3).await;
    let problems = agent.problems().join("\n");
    assert!(problems.contains("fifo.log") && problems.contains("socket.log"), "{problems}");
    assert!(problems.contains("name the files in it"), "{problems}");
    fs::remove_file(&fifo).expect("removed");
    fixture.until(|| agent.problems().len() == 2).await;
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_granted_later_are_used() {
    let mut fixture = Fixture::new();
    fixture.config.rescan = Duration::from_millis(50);
    fixture.append("a.log", "one\n");
    let rights = |mode| fs::set_permissions(fixture.path("a.log"), fs::Permissions::from_mode(mode)).expect("set");
    rights(0o000);
    // Root reads everything: then there is nothing to see here but that it works.
    let root = fs::File::open(fixture.path("a.log")).is_ok();
    let agent = fixture.start().await;
    if !root {
        fixture.until(|| agent.problems().iter().any(|problem| problem.contains("a.log"))).await;
    }
    rights(0o600);
    fixture.expect(&["one"]).await;
    fixture.until(|| agent.problems().is_empty()).await;
    drop(agent);
}

/// The globs may change between two runs: what is in none of them is left alone, and goes on where it stopped when it is
/// asked for again.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_asked_for_any_more_is_left_alone() {
    let mut fixture = Fixture::new();
    let (both, one) = (fixture.config.inputs.clone(), glob(&fixture.folder, "b.log"));
    fixture.append("a.log", "a1\n");
    fixture.append("b.log", "b1\n");
    let agent = fixture.start().await;
    fixture.expect(&["a1", "b1"]).await;
    agent.stop(Duration::from_secs(10)).await;
    fixture.config.inputs = vec![Input { paths: vec![one], ..Input::default() }];
    fixture.append("a.log", "a2\n");
    fixture.append("b.log", "b2\n");
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.expect(&["a1", "b1", "b2"]).await;
    assert_eq!(agent.files().len(), 1);
    agent.stop(Duration::from_secs(10)).await;
    fixture.config.inputs = both;
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.expect(&["a1", "b1", "b2", "a2"]).await;
}
