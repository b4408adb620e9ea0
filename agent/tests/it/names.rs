//! Which files there are: names that come and go, watches that do not suffice, links, and directories that are away.

use crate::fixture::{Fixture, caught_up, glob, metric};
use agent::{From, Input};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

const DRAIN: Duration = Duration::from_secs(10);

fn input(fixture: &Fixture, name: &str) -> Input {
    Input { paths: vec![glob(&fixture.folder, name)], ..Input::default() }
}

/// Lets files live for a while, one each `pace`; returns when the last one is gone.
fn live_shortly(fixture: &Fixture, files: std::ops::Range<usize>, pace: Duration, life: Duration) {
    std::thread::scope(|scope| {
        for file in files {
            let born = Instant::now();
            let path = fixture.path(&format!("short{file}.log"));
            scope.spawn(move || {
                fs::write(&path, format!("line of {file}\n")).expect("written");
                std::thread::sleep(life);
                fs::remove_file(&path).expect("removed");
            });
            std::thread::sleep(pace.saturating_sub(born.elapsed()));
        }
    });
}

fn short_lived(fixture: &Fixture) -> usize {
    fixture.broker.values().iter().collect::<BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_live_50_ms_are_read_and_every_other_one_is_counted() {
    const FILES: usize = 100;
    // A machine that does not let the agent's threads run for 50 ms proves nothing: then there is another round.
    const ROUNDS: usize = 12;
    let life = Duration::from_millis(50);
    let fixture = Fixture::new();
    let (agent, registry) = fixture.start_counted().await;
    caught_up(&agent).await;
    let missed = || metric(&registry, "files_missed_total") as usize;
    for round in 1.. {
        let before = missed();
        tokio::task::block_in_place(|| live_shortly(&fixture, (round - 1) * FILES..round * FILES, life, life));
        fixture.until(|| short_lived(&fixture) + missed() >= round * FILES).await;
        assert_eq!(short_lived(&fixture) + missed(), round * FILES);
        assert_eq!(fixture.broker.count(), short_lived(&fixture), "none twice");
        println!("{} of {FILES} missed", missed() - before);
        if (missed() - before) * 100 <= FILES {
            break;
        }
        assert!(round < ROUNDS, "{} of {FILES} missed", missed() - before);
    }
    agent.stop(DRAIN).await;
}

/// Faster than anybody can be: what is not read is counted, to the last one.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_gone_at_once_are_read_or_counted() {
    const FILES: usize = 300;
    let fixture = Fixture::new();
    let (agent, registry) = fixture.start_counted().await;
    caught_up(&agent).await;
    for file in 0..FILES {
        let path = fixture.path(&format!("short{file}.log"));
        fs::write(&path, format!("line of {file}\n")).expect("written");
        fs::remove_file(&path).expect("removed");
    }
    let missed = || metric(&registry, "files_missed_total") as usize;
    fixture.until(|| short_lived(&fixture) + missed() >= FILES).await;
    assert_eq!((short_lived(&fixture) + missed(), fixture.broker.count()), (FILES, short_lived(&fixture)));
    assert!(missed() > 0, "such files can be missed: the test does not show that they are counted");
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_appears_moves_and_goes_is_followed() {
    let mut fixture = Fixture::new();
    fixture.config.inputs = vec![input(&fixture, "**/*.log")];
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fs::create_dir_all(fixture.folder.path().join("away/x/y")).expect("made");
    fs::write(fixture.folder.path().join("away/x/y/a.log"), "one\n").expect("written");
    fs::rename(fixture.folder.path().join("away"), fixture.path("tree")).expect("renamed");
    fixture.expect(&["one"]).await;
    fixture.rename("tree/x", "tree/z");
    fixture.append("tree/z/y/a.log", "two\n");
    fixture.append("tree/z/y/b.log", "three\n");
    fixture.expect(&["one", "two", "three"]).await;
    fs::remove_dir_all(fixture.path("tree")).expect("removed");
    fixture.until(|| agent.files().is_empty()).await;
    // The same names again are other directories, and other files.
    fixture.append_in("tree/z/y", "a.log", "four\n");
    fixture.expect(&["one", "two", "three", "four"]).await;
    assert!(agent.problems().is_empty() && agent.losses().is_empty(), "{:?}", agent.problems());
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_does_not_exist_yet_is_waited_for() {
    let mut fixture = Fixture::new();
    fixture.config.inputs = vec![input(&fixture, "later/deep/*.log"), input(&fixture, "later/one.txt")];
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.append_in("later/deep", "a.log", "one\n");
    fixture.append("later/one.txt", "two\n");
    fixture.expect(&["one", "two"]).await;
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_watches_the_rescan_finds_the_same_and_health_says_so() {
    let mut fixture = Fixture::new();
    fixture.config.inputs = vec![input(&fixture, "**/*.log")];
    fixture.config.rescan = Duration::from_millis(50);
    // The logs folder has one; what is below has none.
    fixture.config.watches_max = 1;
    fixture.append_in("x", "a.log", "one\n");
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.until(|| agent.problems().iter().any(|problem| problem.contains("cannot be watched"))).await;
    fixture.append("x/a.log", "two\n");
    fixture.append_in("y/z", "b.log", "three\n");
    fixture.expect(&["one", "two", "three"]).await;
    fixture.rename("x/a.log", "x/a.log.1");
    fixture.append("x/a.log.1", "late\n");
    fixture.append("x/a.log", "new\n");
    fixture.expect(&["one", "two", "three", "late", "new"]).await;
    fs::remove_dir_all(fixture.path("y")).expect("removed");
    fs::rename(fixture.path("x/a.log"), fixture.path("a.log")).expect("renamed");
    fs::remove_dir_all(fixture.path("x")).expect("removed");
    fixture.until(|| agent.problems().is_empty()).await;
    fixture.append("a.log", "watched\n");
    fixture.expect(&["one", "two", "three", "late", "new", "watched"]).await;
    agent.stop(DRAIN).await;
}

/// Something changes faster than it can be taken in, until the kernel's queue is full.
#[tokio::test(flavor = "multi_thread")]
async fn after_an_overflow_everything_is_found_and_health_recovers() {
    let mut fixture = Fixture::new();
    fixture.config.rescan = Duration::from_millis(500);
    let agent = fixture.start().await;
    caught_up(&agent).await;
    let overflowed = || agent.problems().iter().any(|problem| problem.contains("faster than"));
    let stop = Arc::new(AtomicBool::new(false));
    // Changes of rights are the cheapest events; alternating ones are not merged.
    let files = Arc::new(["storm.a.log", "storm.b.log"].map(|name| {
        fixture.append(name, format!("{name}\n"));
        fs::File::open(fixture.path(name)).expect("opened")
    }));
    // Several threads: beside one, on a machine with other work, the agent may keep pace.
    let storm: Vec<_> = (0..4)
        .map(|_| {
            let (stop, files) = (Arc::clone(&stop), Arc::clone(&files));
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    for file in files.iter() {
                        file.set_permissions(fs::Permissions::from_mode(0o640)).expect("set");
                    }
                }
            })
        })
        .collect();
    fixture.until(overflowed).await;
    fixture.append("made-in-the-storm.log", "one\n");
    stop.store(true, Ordering::SeqCst);
    storm.into_iter().for_each(|thread| thread.join().expect("ends"));
    fixture.expect(&["one", "storm.a.log", "storm.b.log"]).await;
    fixture.until(|| agent.problems().is_empty()).await;
    fixture.append("made-in-the-storm.log", "two\n");
    fixture.expect(&["one", "two", "storm.a.log", "storm.b.log"]).await;
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_out_of_the_folder_are_followed_only_when_asked() {
    let mut fixture = Fixture::new();
    let outside = fixture.folder.path().join("outside");
    fs::create_dir(&outside).expect("made");
    fs::write(outside.join("far"), "far\n").expect("written");
    symlink(outside.join("far"), fixture.path("far.log")).expect("linked");
    symlink(&outside, fixture.path("folder")).expect("linked");
    symlink(fixture.path(""), fixture.path("loop")).expect("linked");
    symlink("inner", fixture.path("near.log")).expect("linked");
    fixture.append("inner", "near\n");
    fixture.config.inputs = vec![input(&fixture, "**/*.log")];
    let agent = fixture.start().await;
    caught_up(&agent).await;
    // Also one that comes later.
    symlink(outside.join("far"), fixture.path("far2.log")).expect("linked");
    fixture.append("a.log", "one\n");
    fixture.expect(&["near", "one"]).await;
    assert!(agent.problems().is_empty(), "{:?}", agent.problems());
    drop(agent);
    fixture.config.inputs[0].follow_symlinks = true;
    let agent = fixture.start().await;
    fixture.expect(&["near", "one", "far"]).await;
    // A link whose file comes later, in a folder that is reached by a link.
    symlink(outside.join("to-come"), fixture.path("to-come.log")).expect("linked");
    fs::write(outside.join("to-come"), "came\n").expect("written");
    fs::write(outside.join("b.log"), "in the folder\n").expect("written");
    fixture.expect(&["near", "one", "far", "came", "in the folder"]).await;
    // The file under a link is another one.
    fs::rename(outside.join("to-come"), outside.join("to-come.1")).expect("renamed");
    fs::write(outside.join("to-come"), "next\n").expect("written");
    fixture.expect(&["near", "one", "far", "came", "in the folder", "next"]).await;
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_named_in_full_is_asked_for() {
    let mut fixture = Fixture::new();
    let outside = fixture.folder.path().join("outside");
    fs::write(&outside, "far\n").expect("written");
    symlink(&outside, fixture.path("far.log")).expect("linked");
    fixture.config.inputs = vec![input(&fixture, "far.log")];
    let agent = fixture.start().await;
    fixture.expect(&["far"]).await;
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_and_a_name_that_is_not_text_do_no_harm() {
    use std::os::unix::ffi::OsStrExt;
    let mut fixture = Fixture::new();
    fixture.config.inputs[0].follow_symlinks = true;
    symlink("/dev/zero", fixture.path("zero.log")).expect("linked");
    let odd = fixture.path("").join(std::ffi::OsStr::from_bytes(b"\xff\xfe.log"));
    fs::write(&odd, "odd\n").expect("written");
    let agent = fixture.start().await;
    fixture.expect(&["odd"]).await;
    fixture.until(|| agent.problems().iter().any(|problem| problem.contains("zero.log"))).await;
    drop(agent);
    // The checkpoint knows the name, too.
    fs::write(&odd, "odd\nmore\n").expect("written");
    let agent = fixture.start().await;
    fixture.expect(&["odd", "more"]).await;
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_files_are_left_alone_until_they_change() {
    let mut fixture = Fixture::new();
    fixture.config.inputs[0].ignore_older = Some(Duration::from_secs(3600));
    let now = Duration::from_millis(fixture.now_millis() as u64);
    for (name, age) in [("old.log", 7200), ("fresh.log", 600)] {
        fixture.append(name, format!("{name}\n"));
        let file = fs::File::options().append(true).open(fixture.path(name)).expect("opened");
        file.set_modified(UNIX_EPOCH + now - Duration::from_secs(age)).expect("set");
    }
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.expect(&["fresh.log"]).await;
    fixture.append("old.log", "awake\n");
    fixture.expect(&["fresh.log", "old.log", "awake"]).await;
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_to_start_is_each_inputs_own() {
    let mut fixture = Fixture::new();
    fixture.config.from = From::End;
    let beginning = Input { from: Some(From::Beginning), ..input(&fixture, "all.log") };
    fixture.config.inputs = vec![beginning, input(&fixture, "*.log")];
    fixture.append("all.log", "one\n");
    fixture.append("new.log", "two\n");
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.append("new.log", "three\n");
    fixture.append("later.log", "four\n");
    fixture.expect(&["one", "three", "four"]).await;
    agent.stop(DRAIN).await;
}

/// What is not readable yet, in a directory that is not either, is read as soon as it is. Root reads everything, so
/// for root this runs as somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_granted_later_are_seen_at_once() {
    const NOBODY: [&str; 3] = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut fixture = Fixture::new();
    fixture.config.inputs = vec![input(&fixture, "**/*.log")];
    fixture.append("a.log", "one\n");
    fixture.append_in("x", "b.log", "two\n");
    let rights = |name: &str, mode| {
        fs::set_permissions(fixture.path(name), fs::Permissions::from_mode(mode)).expect("set");
    };
    rights("a.log", 0o000);
    rights("x", 0o000);
    if fs::File::open(fixture.path("a.log")).is_ok() {
        let name = "names::rights_that_are_granted_later_are_seen_at_once";
        // Where everybody may run it.
        let everybodys = tempfile::tempdir().expect("folder");
        fs::set_permissions(everybodys.path(), fs::Permissions::from_mode(0o755)).expect("set");
        let this = everybodys.path().join("it");
        fs::copy(std::env::current_exe().expect("known"), &this).expect("copied");
        let ended = Command::new("setpriv").args(NOBODY).arg(this).args(["--exact", name, "--nocapture"]).output();
        let ended = ended.expect("setpriv runs");
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success() && said.contains("1 passed"), "as nobody: {said}");
        return;
    }
    let agent = fixture.start().await;
    fixture.until(|| agent.problems().iter().any(|problem| problem.contains("a.log"))).await;
    fixture.until(|| agent.problems().iter().any(|problem| problem.contains("x\" cannot be read"))).await;
    rights("a.log", 0o600);
    fixture.expect(&["one"]).await;
    rights("x", 0o700);
    fixture.append("x/b.log", "three\n");
    fixture.expect(&["one", "two", "three"]).await;
    fixture.until(|| agent.problems().is_empty()).await;
    agent.stop(DRAIN).await;
}
