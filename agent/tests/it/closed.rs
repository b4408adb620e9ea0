//! More files than may be open, and directories that are away for a while.

use crate::fixture::{Fixture, caught_up, glob, metric};
use agent::Input;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const DRAIN: Duration = Duration::from_secs(10);
/// The fewest that the agent takes.
const OPEN: usize = 16;
const FILES: usize = 100;
/// Losses that the agent names one by one.
const LOSSES_SHOWN: usize = 64;

/// A fixture in which few of many files may be open; each has its first line.
fn crowded() -> (Fixture, Vec<String>) {
    let mut fixture = Fixture::new();
    fixture.config.open_files_max = OPEN;
    let lines: Vec<String> = (0..FILES).map(|file| format!("file {file} line 0")).collect();
    for (file, line) in lines.iter().enumerate() {
        fixture.append(&format!("{file}.log"), format!("{line}\n"));
    }
    (fixture, lines)
}

async fn expect_all(fixture: &Fixture, lines: &[String]) {
    fixture.expect(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_files_than_may_be_open_are_all_read() {
    let (fixture, mut lines) = crowded();
    let (agent, registry) = fixture.start_counted().await;
    caught_up(&agent).await;
    expect_all(&fixture, &lines).await;
    fixture.until(|| agent.files().len() == FILES).await;
    for round in 1..4 {
        for file in 0..FILES {
            let line = format!("file {file} line {round}");
            fixture.append(&format!("{file}.log"), format!("{line}\n"));
            lines.push(line);
        }
        expect_all(&fixture, &lines).await;
        fixture.until(|| (1..=OPEN as u64).contains(&metric(&registry, "files_open"))).await;
    }
    let values = fixture.broker.values();
    for file in 0..FILES {
        let of_file: Vec<_> = values.iter().filter(|value| value.starts_with(&format!("file {file} "))).collect();
        assert!(of_file.is_sorted(), "{of_file:?}");
    }
    drop(agent);
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.append("0.log", "more\n");
    lines.push("more".to_owned());
    expect_all(&fixture, &lines).await;
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn once_ships_more_files_than_may_be_open() {
    let (mut fixture, mut lines) = crowded();
    fixture.config.once = true;
    fixture.append("7.log", "without a newline");
    lines.push("without a newline".to_owned());
    let agent = fixture.start().await;
    caught_up(&agent).await;
    assert_eq!(fixture.broker.count(), lines.len());
    expect_all(&fixture, &lines).await;
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_closed_files_is_seen() {
    let (fixture, mut lines) = crowded();
    let agent = fixture.start().await;
    expect_all(&fixture, &lines).await;
    fixture.until(|| agent.files().iter().all(|file| file.acknowledged == file.size)).await;
    // Whichever of them are closed: most are.
    for file in 0..FILES {
        let name = format!("{file}.log");
        match file % 4 {
            0 => {
                let mut old = fs::OpenOptions::new().append(true).open(fixture.path(&name)).expect("opened");
                fixture.rename(&name, &format!("{file}.renamed"));
                fixture.append(&name, format!("file {file} successor\n"));
                old.write_all(format!("file {file} late\n").as_bytes()).expect("written");
                lines.push(format!("file {file} successor"));
                lines.push(format!("file {file} late"));
            }
            1 => {
                fs::write(fixture.path(&name), format!("file {file} truncated\n")).expect("written");
                lines.push(format!("file {file} truncated"));
            }
            2 => fs::remove_file(fixture.path(&name)).expect("removed"),
            _ => fixture.rename(&name, &format!("again{file}.log")),
        }
    }
    expect_all(&fixture, &lines).await;
    // Those that were removed are not followed any more, nor, after a while, those that were renamed.
    fixture.until(|| agent.files().len() == FILES * 3 / 4).await;
    // What is written into a file that was truncated a moment ago can pass for more of its old content: then it is
    // reported as lost, too, before it is read as the new file's.
    let number = |path: &Path| path.file_stem().and_then(|stem| stem.to_str()?.parse::<usize>().ok());
    let losses: Vec<_> =
        agent.losses().into_iter().filter(|loss| number(&loss.path).is_none_or(|file| file % 4 != 1)).collect();
    assert!(losses.is_empty(), "{losses:?}");
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_bytes_of_a_closed_file_that_is_deleted_are_reported() {
    let (fixture, lines) = crowded();
    fixture.broker.stall(true);
    let agent = fixture.start().await;
    fixture.until(|| agent.files().len() == FILES && agent.files().iter().any(|file| file.position > 0)).await;
    // Those of them that are open are read all the same.
    let unread: Vec<_> = agent.files().into_iter().filter(|file| file.position == 0).collect();
    unread.iter().for_each(|file| fs::remove_file(&file.path).expect("removed"));
    fixture.until(|| agent.losses().len() >= LOSSES_SHOWN).await;
    fixture.broker.stall(false);
    for loss in agent.losses() {
        let file = unread.iter().find(|file| file.path == loss.path).expect("one of them");
        assert_eq!((loss.start, loss.end), (0, file.size));
        let number = file.path.file_stem().expect("has one").to_string_lossy().into_owned();
        assert!(!fixture.broker.values().contains(&format!("file {number} line 0")));
    }
    fixture.until(|| fixture.broker.count() >= lines.len() - unread.len()).await;
    agent.stop(DRAIN).await;
}

/// Mounts and unmounts; needs root, and says so without.
struct Mount<'a> {
    at: &'a Path,
}

fn run(command: &str, arguments: &[&str], path: &Path) -> bool {
    Command::new(command).args(arguments).arg(path).output().is_ok_and(|output| output.status.success())
}

impl<'a> Mount<'a> {
    fn new(arguments: &[&str], at: &'a Path) -> Option<Self> {
        let mounted = run("mount", arguments, at);
        if !mounted {
            println!("this user may not mount: nothing is tested here");
        }
        mounted.then_some(Self { at })
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        // The agent has files open in it.
        run("umount", &["-l"], self.at);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_unmounted_for_a_while_is_read_on() {
    let mut fixture = Fixture::new();
    fixture.config.rescan = Duration::from_millis(50);
    fixture.config.forget_after = Duration::ZERO;
    fixture.config.inputs = vec![Input { paths: vec![glob(&fixture.folder, "m/*.log")], ..Input::default() }];
    let (disk, at) = (fixture.folder.path().join("disk"), fixture.path("m"));
    fs::create_dir(&disk).expect("made");
    fs::create_dir(&at).expect("made");
    let Some(_disk) = Mount::new(&["-t", "tmpfs", "none"], &disk) else { return };
    let bind = ["--bind", disk.to_str().expect("text")];
    let append = |text: &str| {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(disk.join("a.log")).expect("opened");
        file.write_all(text.as_bytes()).expect("written");
    };
    append("one\ntw");
    let mounted = Mount::new(&bind, &at).expect("this user may mount");
    let agent = fixture.start().await;
    fixture.expect(&["one"]).await;
    fixture.until(|| agent.files().iter().any(|file| file.size == 6)).await;
    drop(mounted);
    // Longer than the grace of files without a name, and many rescans: the rest of the line is still to come.
    tokio::time::sleep(fixture.config.rotated_grace * 2).await;
    append("o\n");
    let mounted = Mount::new(&bind, &at).expect("this user may mount");
    fixture.expect(&["one", "two"]).await;
    append("three\nfo");
    fixture.expect(&["one", "two", "three"]).await;
    // Or else a batch in flight would wait for the folder.
    fixture.until(|| agent.progress().records_acknowledged == 3).await;
    drop(agent);
    drop(mounted);
    // Also when it is away at the start.
    append("ur\n");
    let agent = fixture.start().await;
    caught_up(&agent).await;
    tokio::time::sleep(fixture.config.rotated_grace).await;
    let _mounted = Mount::new(&bind, &at).expect("this user may mount");
    fixture.expect(&["one", "two", "three", "four"]).await;
    assert!(agent.losses().is_empty(), "{:?}", agent.losses());
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_renamed_away_for_a_while_is_read_on() {
    let mut fixture = Fixture::new();
    fixture.config.rescan = Duration::from_millis(50);
    fixture.config.inputs = vec![Input { paths: vec![glob(&fixture.folder, "x/*.log")], ..Input::default() }];
    fixture.append_in("x", "a.log", "one\ntw");
    let away = fixture.folder.path().join("away");
    for (number, rest) in ["o\nth", "ree\nfo", "ur\n"].into_iter().enumerate() {
        let agent = fixture.start().await;
        // What the one before had in flight is made again only while the file is there.
        caught_up(&agent).await;
        let known = ["one", "two", "three"];
        fixture.expect(&known[..=number]).await;
        fs::rename(fixture.path("x"), &away).expect("renamed");
        tokio::time::sleep(fixture.config.rotated_grace * 2).await;
        if number == 1 {
            // Away while the agent starts, and for a while after.
            agent.stop(DRAIN).await;
            let agent = fixture.start().await;
            caught_up(&agent).await;
            fs::rename(&away, fixture.path("x")).expect("renamed");
            fixture.append("x/a.log", rest);
            fixture.expect(&["one", "two", "three"]).await;
            continue;
        }
        let mut file = fs::OpenOptions::new().append(true).open(away.join("a.log")).expect("opened");
        file.write_all(rest.as_bytes()).expect("written");
        fs::rename(&away, fixture.path("x")).expect("renamed");
        fixture.expect(&["one", "two", "three", "four"][..number + 2]).await;
        assert!(agent.losses().is_empty(), "{:?}", agent.losses());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_in_flight_wait_for_a_folder_that_is_away() {
    let mut fixture = Fixture::new();
    fixture.config.rescan = Duration::from_millis(50);
    fixture.config.forget_after = Duration::ZERO;
    fixture.config.inputs = vec![Input { paths: vec![glob(&fixture.folder, "x/*.log")], ..Input::default() }];
    fixture.append_in("x", "a.log", "one\n");
    fixture.broker.stall(true);
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.waiting() > 0).await;
    drop(agent);
    let away = fixture.folder.path().join("away");
    fs::rename(fixture.path("x"), &away).expect("renamed");
    let agent = fixture.start().await;
    fixture.until(|| agent.problems().iter().any(|problem| problem.contains("in flight"))).await;
    fs::rename(&away, fixture.path("x")).expect("renamed");
    fixture.broker.stall(false);
    fixture.expect(&["one"]).await;
    caught_up(&agent).await;
    assert!(agent.losses().is_empty(), "{:?}", agent.losses());
    agent.stop(DRAIN).await;
}

/// The same disk under another device number, as after a restart of the machine.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_has_another_number_has_the_same_files() {
    let mut fixture = Fixture::new();
    fixture.config.inputs = vec![Input { paths: vec![glob(&fixture.folder, "m/*.log")], ..Input::default() }];
    let (image, at) = (fixture.folder.path().join("image"), fixture.path("m"));
    fs::create_dir(&at).expect("made");
    fs::File::create(&image).and_then(|file| file.set_len(8 << 20)).expect("made");
    let loop_device = || {
        let shown = Command::new("losetup").args(["--find", "--show"]).arg(&image).output().ok()?;
        shown.status.success().then(|| String::from_utf8_lossy(&shown.stdout).trim().to_owned())
    };
    let (true, Some(first), Some(second)) = (run("mkfs.ext4", &["-q"], &image), loop_device(), loop_device()) else {
        println!("this user may not make disks: nothing is tested here");
        return;
    };
    let Some(mounted) = Mount::new(&[&first], &at) else { return };
    let device = || std::os::unix::fs::MetadataExt::dev(&fs::metadata(&at).expect("there"));
    let before = device();
    fixture.append("m/a.log", "one\ntwo\n");
    let agent = fixture.start().await;
    fixture.expect(&["one", "two"]).await;
    agent.stop(DRAIN).await;
    assert!(run("umount", &[], &at), "nothing is open in it");
    std::mem::forget(mounted);
    let _mounted = Mount::new(&[&second], &at).expect("this user may mount");
    assert_ne!(device(), before);
    fixture.append("m/a.log", "three\n");
    fixture.append("m/b.log", "new\n");
    let agent = fixture.start().await;
    fixture.expect(&["one", "two", "three", "new"]).await;
    let ids: std::collections::BTreeSet<_> =
        fixture.broker.got().iter().map(|got| got.header("sluice.file.id").to_owned()).collect();
    assert_eq!(ids.len(), 2);
    agent.stop(DRAIN).await;
    drop(_mounted);
    [first, second].iter().for_each(|device| drop(Command::new("losetup").args(["-d", device]).output()));
}
