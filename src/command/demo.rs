//! `sluice demo`: writes the logs of a made-up shop, so that there is something to look at.

use super::TICK;
use crate::cli::DemoArgs;
use crate::demo::{Entry, Phase, Source, Story};
use crate::files::count;
use crate::screen::{LiveLine, Screen};
use crate::shutdown;
use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two writes: what follows the files sees lines come one after the other.
const WRITE_EVERY: Duration = Duration::from_millis(50);
/// Lines between two looks at whether to end: a fraction of a second.
const LINES_AT_ONCE: u64 = 20_000;
/// A file of this size becomes `NAME.1`, in place of the one before it: who forgets a demo must not fill the disk.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub async fn run(args: DemoArgs, screen: &Screen) -> anyhow::Result<ExitCode> {
    let stop = shutdown::on_signal()?;
    let now = Timestamp::now();
    let seed = args.seed.unwrap_or_else(|| now.as_nanosecond() as u64);
    let mut logs = Logs::open(&args.folder)?;
    let is_new = logs.files.iter().all(|file| file.bytes == 0);
    let history = SignedDuration::from_secs(if is_new { args.history.into() } else { 0 });
    let mut story = Story::new(seed, now - history, args.rate);
    let end = args.seconds.map(|seconds| now + SignedDuration::from_secs(seconds.into()));
    screen.print(&introduction(&args, seed));
    let mut line = LiveLine::new(screen);
    write(&mut story, &mut logs, end, &stop, &mut line).await?;
    logs.flush()?;
    line.finish(&logs.summary());
    Ok(ExitCode::SUCCESS)
}

fn introduction(args: &DemoArgs, seed: u64) -> String {
    let folder = args.folder.display();
    let mut text = format!("writing to {folder} at {} lines/s, seed {seed}\n", args.rate);
    for source in Source::ALL {
        text.push_str(&format!("  {:12} {}\n", source.file_name(), source.format()));
    }
    text.push_str(&format!("\nnext\n  sluice up '{folder}/*.log'\n\n"));
    text
}

/// Until `end`, or a signal. What has begun is written whole.
async fn write(
    story: &mut Story,
    logs: &mut Logs,
    end: Option<Timestamp>,
    stop: &CancellationToken,
    line: &mut LiveLine,
) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(WRITE_EVERY);
    let mut shown = None;
    while !stop.is_cancelled() {
        let now = Timestamp::now();
        let until = end.map_or(now, |end| end.min(now));
        let lines_before = logs.lines();
        while story.now() < until && logs.lines() - lines_before < LINES_AT_ONCE {
            for entry in story.next() {
                logs.write(&entry)?;
            }
        }
        logs.flush()?;
        if shown.is_none_or(|at: tokio::time::Instant| at.elapsed() >= TICK) {
            line.show(logs.live(story.phase()));
            shown = Some(tokio::time::Instant::now());
        }
        if end.is_some_and(|end| story.now() >= end) {
            break;
        }
        // Behind the clock, as with what lies before the start, there is nothing to wait for.
        if story.now() >= until {
            tokio::select! { () = stop.cancelled() => (), _ = ticks.tick() => () }
        } else {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// The files, in the order of [`Source::ALL`].
struct Logs {
    files: Vec<Log>,
}

struct Log {
    source: Source,
    path: PathBuf,
    out: BufWriter<File>,
    bytes: u64,
    entries: u64,
    lines: u64,
}

impl Logs {
    fn open(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
        let files = Source::ALL.iter().map(|source| Log::open(*source, folder.join(source.file_name())));
        Ok(Self { files: files.collect::<Result<_, _>>()? })
    }

    fn write(&mut self, entry: &Entry) -> anyhow::Result<()> {
        let file = self.files.iter_mut().find(|file| file.source == entry.source);
        file.context("every source has a file")?.write(entry)
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.files
            .iter_mut()
            .try_for_each(|file| file.out.flush().with_context(|| format!("write {}", file.path.display())))
    }

    fn lines(&self) -> u64 {
        self.files.iter().map(|file| file.lines).sum()
    }

    fn live(&self, phase: Phase) -> String {
        let phase = match phase {
            Phase::Quiet => "quiet",
            Phase::Burst => "a burst of requests",
            Phase::Storm => "an error storm: the bank does not answer",
        };
        format!("written {} lines · {phase}", count(self.lines()))
    }

    fn summary(&self) -> String {
        let of = |file: &Log| format!("{} {}", file.source.file_name(), count(file.entries));
        let entries: Vec<String> = self.files.iter().map(of).collect();
        format!("written {} lines; entries: {}", count(self.lines()), entries.join(", "))
    }
}

impl Log {
    fn open(source: Source, path: PathBuf) -> anyhow::Result<Self> {
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        let file = opened.with_context(|| format!("open {}", path.display()))?;
        let bytes = file.metadata().with_context(|| format!("look at {}", path.display()))?.len();
        Ok(Self { source, path, out: BufWriter::new(file), bytes, entries: 0, lines: 0 })
    }

    fn write(&mut self, entry: &Entry) -> anyhow::Result<()> {
        if self.bytes >= FILE_BYTES_MAX {
            self.rotate()?;
        }
        writeln!(self.out, "{}", entry.text).with_context(|| format!("write {}", self.path.display()))?;
        self.bytes += entry.text.len() as u64 + 1;
        self.entries += 1;
        self.lines += entry.lines();
        Ok(())
    }

    fn rotate(&mut self) -> anyhow::Result<()> {
        self.out.flush().with_context(|| format!("write {}", self.path.display()))?;
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        fs::rename(&self.path, &old).with_context(|| format!("rename {}", self.path.display()))?;
        let (entries, lines) = (self.entries, self.lines);
        *self = Self { entries, lines, ..Self::open(self.source, self.path.clone())? };
        Ok(())
    }
}
