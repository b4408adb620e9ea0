//! Which file is which: reused inodes, tiny files, twins, links, and what only looks like a file.

use crate::harness::agent::{Agent, Setup};
use crate::harness::lines::Stream;
use crate::harness::log_file::LogFile;
use crate::harness::scene::Scene;
use crate::harness::{process, sluice};
use anyhow::{Context, ensure};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

const TOPIC: &str = "logs";
/// New files until one gets the inode of the one that was deleted.
const TRIES: usize = 200;

fn lines(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name} line {number}")).collect()
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Replaces `path` by a file with other content and, if nobody else takes it, the same inode. Says whether it has that.
fn reuse_inode(path: &Path, content: &str) -> anyhow::Result<bool> {
    let inode = fs::metadata(path)?.ino();
    fs::remove_file(path)?;
    let aside = path.with_extension("aside");
    let mut others = Vec::new();
    loop {
        // It gets the name that is followed only when it is complete.
        let same = File::create_new(&aside)?.metadata()?.ino() == inode;
        if same || others.len() + 1 == TRIES {
            fs::write(&aside, content)?;
            fs::rename(&aside, path)?;
            others.iter().try_for_each(|other| fs::remove_file(other).context("remove another file"))?;
            return Ok(same);
        }
        let other = path.with_extension(format!("other-{}", others.len()));
        fs::rename(&aside, &other)?;
        others.push(other);
    }
}

/// An inode that is used again by a smaller and by a larger file, with and without an agent: each from 0.
pub fn inode_reused(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let setup = Setup::new(scene, &broker.address, TOPIC, &["logs/*.log"]).set("rotated_grace_s: 1");
    let path = scene.directory("logs").join("app.log");
    let mut wanted = lines("first", 300);
    fs::write(&path, text(&wanted))?;
    let mut agent = setup.start();
    setup.wait_for(300)?;
    let mut reused = 0;
    for (round, (count, is_up)) in [(100, false), (500, false), (200, true), (400, true)].into_iter().enumerate() {
        let next = lines(&format!("round {round}"), count);
        if is_up {
            // The inode is free only when the agent has let it go.
            let aside = scene.path("aside.log");
            fs::rename(&path, &aside)?;
            agent.wait_for_open(&aside, false)?;
            fs::rename(&aside, &path)?;
            reused += u32::from(reuse_inode(&path, &text(&next))?);
        } else {
            agent.kill()?;
            reused += u32::from(reuse_inode(&path, &text(&next))?);
            agent = setup.start();
        }
        wanted.extend(next);
        setup.wait_for(wanted.len() as u64)?;
    }
    setup.finish_with(agent, wanted)?;
    // A busy file system may give each inode to somebody else; then new files under the old name were tested.
    println!("agent::identity: {reused} of 4 inodes were used again");
    Ok(())
}

/// Empty files, files of one byte, and twins with the same first 4 KiB: each once, over restarts.
pub fn tiny_and_twins(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let setup = Setup::new(scene, &broker.address, TOPIC, &["logs/*.log"]);
    let logs = scene.directory("logs");
    let append = |name: &str, text: &str| -> anyhow::Result<()> {
        Ok(File::options().append(true).create(true).open(logs.join(name))?.write_all(text.as_bytes())?)
    };
    let head = lines(&"h".repeat(90), 45);
    let mut wanted = Vec::new();
    for name in ["twin-1.log", "twin-2.log", "twin-3.log"] {
        append(name, &text(&head))?;
        append(name, &format!("the end of {name}\n"))?;
        wanted.extend(head.clone());
        wanted.push(format!("the end of {name}"));
    }
    append("empty.log", "")?;
    append("newline.log", "\n")?;
    wanted.push(String::new());
    append("byte.log", "x")?;
    let mut agent = setup.start();
    for round in 0..3 {
        setup.wait_for(wanted.len() as u64)?;
        agent.kill()?;
        agent = setup.start();
        for name in ["twin-1.log", "twin-2.log", "twin-3.log", "empty.log"] {
            append(name, &format!("{name} round {round}\n"))?;
            wanted.push(format!("{name} round {round}"));
        }
    }
    append("byte.log", "\n")?;
    wanted.push("x".into());
    setup.finish_with(agent, wanted)
}

/// Links, overlapping globs, a FIFO, a socket and a name that is not UTF-8: one reader for each file, and no hang.
pub fn links_and_oddities(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let logs = scene.directory("logs");
    let paths = ["logs/*", "logs/*.log", "logs/**/*.log", "logs/real.log"];
    let setup = Setup::new(scene, &broker.address, TOPIC, &paths);
    let mut file = LogFile::create(logs.join("real.log"), Stream::new(0, 19))?;
    fs::hard_link(file.path(), logs.join("hard.log"))?;
    symlink("real.log", logs.join("symbolic.log"))?;
    symlink("nowhere.log", logs.join("dangling.log"))?;
    symlink(".", logs.join("circle"))?;
    symlink("loop.log", logs.join("loop.log"))?;
    rustix::fs::mkfifoat(rustix::fs::CWD, logs.join("fifo.log"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?;
    let _socket = UnixListener::bind(logs.join("socket.log"))?;
    fs::create_dir(logs.join("directory.log"))?;
    let mut odd = LogFile::create(logs.join(OsStr::from_bytes(b"odd-\xff\xfe.log")), Stream::new(1, 19))?;
    file.write(500)?;
    odd.write(300)?;
    let mut agent = setup.start();
    setup.wait_for(800)?;
    for _ in 0..2 {
        file.write(200)?;
        odd.write(200)?;
        setup.wait_for(file.written().lines + odd.written().lines)?;
        agent.kill()?;
        agent = setup.start();
    }
    fs::remove_file(logs.join("real.log"))?;
    file.write(100)?;
    setup.wait_for(file.written().lines + odd.written().lines)?;
    let readers = agent.open_files()?.iter().filter(|path| path.starts_with(&logs)).count();
    ensure!(readers <= 3, "the agent has {:?} open; want two files and a directory at most", agent.open_files()?);
    setup.finish(agent, &[file.written(), odd.written()])?;
    Ok(())
}

/// A file that may be read only later is read then, from its beginning; the others do not wait for it.
pub fn permission_granted_later(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let setup = Setup::new(scene, &broker.address, TOPIC, &["logs/*.log"]).set("rescan_s: 1");
    let logs = scene.directory("logs");
    let mut closed = LogFile::create(logs.join("closed.log"), Stream::new(0, 19))?;
    let mut open = LogFile::create(logs.join("open.log"), Stream::new(1, 19))?;
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o000))?;
    closed.write(500)?;
    open.write(500)?;
    let start = || -> anyhow::Result<Agent> {
        match File::open(closed.path()).is_ok() {
            // Root may read everything, unless it gives that right away.
            true => Ok(setup.start_within(&process::without_override()?)),
            false => Ok(setup.start()),
        }
    };
    let agent = start()?;
    setup.wait_for(500)?;
    agent.kill()?;
    let mut agent = start()?;
    agent.process.wait_for_stderr("closed.log", sluice::START)?;
    open.write(100)?;
    setup.wait_for(600)?;
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o600))?;
    setup.wait_for(1_100)?;
    setup.finish(agent, &[closed.written(), open.written()])?;
    Ok(())
}

/// A symbolic link out of the named folder is followed only when that is asked for.
pub fn links_out_of_the_folder(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let logs = scene.directory("logs");
    let secret = lines("secret", 10);
    fs::write(scene.directory("elsewhere").join("secret.log"), text(&secret))?;
    symlink("../elsewhere/secret.log", logs.join("link.log"))?;
    symlink("../elsewhere", logs.join("folder"))?;
    let own = lines("own", 10);
    fs::write(logs.join("own.log"), text(&own))?;
    let setup = Setup::named(scene, "careful", &broker.address, "careful", &["logs/**/*.log"]);
    setup.once()?;
    setup.finish_with(setup.start(), own.clone())?;
    let setup =
        Setup::named(scene, "asked", &broker.address, "asked", &["logs/**/*.log"]).input("follow_symlinks: true");
    setup.once()?;
    setup.finish_with(setup.start(), [own, secret].concat())
}
