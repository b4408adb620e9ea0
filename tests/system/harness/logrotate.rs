//! Debian's logrotate with a config and a state file of its own, and programs that do what its scripts ask of them.

use super::lines::Stream;
use super::log_file::{LogFile, Written};
use super::random::Random;
use super::scene::Skipped;
use super::wait;
use anyhow::{Context, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const LOGROTATE: &str = "/usr/sbin/logrotate";
/// For a program to write what is waited for.
const WRITTEN: Duration = Duration::from_secs(60);
/// Lines of one write.
const WRITE_LINES_MAX: u64 = 40;
/// A line in so many is written in two pieces.
const TORN: u64 = 4;

/// A program with its log and its way of rotation.
pub struct Program {
    log: PathBuf,
    written: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<Written>>>,
    /// Config and state file of logrotate.
    config: PathBuf,
    state: PathBuf,
}

/// How a program and logrotate's scripts talk: each makes the file, and the other removes it when it has done its part.
struct Flags {
    before: PathBuf,
    after: PathBuf,
}

impl Program {
    /// Starts a program that writes `folder/NAME.log`, rotated in `modes` (directives of logrotate). What logrotate needs
    /// for itself goes to `aside`.
    pub fn start(folder: &Path, aside: &Path, name: &str, modes: &str, stream: Stream) -> anyhow::Result<Self> {
        let probe = Command::new(LOGROTATE).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !probe.is_ok_and(|status| status.success()) {
            return Err(Skipped { reason: format!("needs {LOGROTATE}") }.into());
        }
        let log = folder.join(format!("{name}.log"));
        let flags = Flags { before: aside.join(format!("{name}.before")), after: aside.join(format!("{name}.after")) };
        let ask = |flag: &Path| format!("touch {flag:?}; while [ -e {flag:?} ]; do sleep 0.01; done");
        let text = format!(
            "{log:?} {{\n  rotate 1000\n  {modes}\n  prerotate\n    {}\n  endscript\n  postrotate\n    {}\n  endscript\n}}\n",
            ask(&flags.before),
            ask(&flags.after)
        );
        let config = aside.join(format!("{name}.conf"));
        fs::write(&config, text).with_context(|| format!("write {config:?}"))?;
        let file = LogFile::create(log.clone(), stream)?;
        let (written, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let truncates = modes.contains("copytruncate");
        let thread = thread::spawn({
            let (written, stop) = (written.clone(), stop.clone());
            move || run(file, &flags, truncates, Random::new(stream.seed), &written, &stop)
        });
        Ok(Self { log, written, stop, thread: Some(thread), config, state: aside.join(format!("{name}.state")) })
    }

    /// Rotates once, after at least `lines` more lines.
    pub fn rotate_after(&self, lines: u64) -> anyhow::Result<()> {
        let wanted = self.written.load(Ordering::Relaxed) + lines;
        wait::until(&format!("{wanted} lines in {:?}", self.log), WRITTEN, || {
            let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            (ended || self.written.load(Ordering::Relaxed) >= wanted).then_some(())
        })?;
        let mut command = Command::new(LOGROTATE);
        let output = command.arg("-f").arg("-s").arg(&self.state).arg(&self.config).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() && said.is_empty(), "logrotate of {:?}: {}: {said}", self.log, output.status);
        Ok(())
    }

    /// Ends the program, and says what it has written.
    pub fn end(mut self) -> anyhow::Result<Written> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it is taken only here, and by drop").join().expect("the program does not panic")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The test has failed already: what the program says does not matter any more.
            let _ = thread.join();
        }
    }
}

fn run(
    mut file: LogFile,
    flags: &Flags,
    truncates: bool,
    mut random: Random,
    written: &AtomicU64,
    stop: &AtomicBool,
) -> anyhow::Result<Written> {
    let mut waits = false;
    while !stop.load(Ordering::Relaxed) {
        if flags.before.exists() {
            // What is written between logrotate's copy and its truncation is lost by logrotate.
            waits = truncates;
            file.write(0)?;
            fs::remove_file(&flags.before)?;
        }
        if flags.after.exists() {
            waits = false;
            if !truncates {
                file.reopen()?;
            }
            fs::remove_file(&flags.after)?;
        }
        if !waits {
            let lines = random.of(1..WRITE_LINES_MAX);
            match random.once_in(TORN) {
                true => file.write_torn(lines, &mut random)?,
                false => file.write(lines)?,
            }
            written.store(file.written().lines, Ordering::Relaxed);
        }
        // The program's own pace: a thousand lines a second.
        thread::sleep(Duration::from_millis(20));
    }
    file.write(0)?;
    Ok(file.written())
}
