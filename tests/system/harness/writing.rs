//! Programs that write their logs while the system under test runs: several files, torn lines, rotation, in the background.

use super::lines::Stream;
use super::log_file::{LogFile, Written};
use super::random::Random;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How files are rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Renamed, and a new one is created.
    Rename,
    /// By turns, at random: renamed, or copied and truncated.
    Mixed,
}

/// What is written.
#[derive(Debug, Clone)]
pub struct Plan {
    pub rotation: Rotation,
    pub streams: u32,
    pub lines_per_stream: u64,
    /// Between two rotations of a file, on average.
    pub lines_per_rotation: u64,
    /// Of all streams together.
    pub lines_per_second: u64,
}

/// Lines of one write: from a single one up to more than the agent reads in one go.
const WRITE_LINES_MAX: u64 = 600;
/// Lines that a writer writes at most to a file that has been renamed before it notices.
const LATE_LINES_MAX: u64 = 50;

/// Writers at work. Dropping them stops them.
pub struct Writing {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<Vec<Written>>>>,
}

/// Starts to write `app-N.log` files in `folder`.
pub fn start(folder: &Path, plan: Plan, mut random: Random) -> anyhow::Result<Writing> {
    let mut files = Vec::new();
    for number in 0..plan.streams {
        files.push(LogFile::create(folder.join(format!("app-{number}.log")), Stream::new(number, random.next()))?);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let thread = thread::spawn({
        let stop = stop.clone();
        move || write(files, &plan, &mut random, &stop)
    });
    Ok(Writing { stop, thread: Some(thread) })
}

fn write(mut files: Vec<LogFile>, plan: &Plan, random: &mut Random, stop: &AtomicBool) -> anyhow::Result<Vec<Written>> {
    let begin = Instant::now();
    let mut total = 0;
    while total < u64::from(plan.streams) * plan.lines_per_stream && !stop.load(Ordering::Relaxed) {
        let file = usize::try_from(random.of(0..u64::from(plan.streams))).expect("few streams");
        let file = &mut files[file];
        let left = plan.lines_per_stream - file.written().lines;
        let count = random.of(1..WRITE_LINES_MAX).min(left);
        if random.once_in((plan.lines_per_rotation * 2 / WRITE_LINES_MAX).max(1)) {
            if plan.rotation == Rotation::Mixed && random.once_in(2) {
                file.copy_and_truncate()?;
            } else {
                let late = random.of(0..LATE_LINES_MAX).min(left - count);
                file.rotate(late)?;
                total += late;
            }
        }
        match random.once_in(3) {
            true => file.write_torn(count, random)?,
            false => file.write(count)?,
        }
        total += count;
        let due = Duration::from_secs(total) / u32::try_from(plan.lines_per_second).expect("a modest rate");
        thread::sleep(due.saturating_sub(begin.elapsed()));
    }
    for file in &mut files {
        file.write(0)?;
    }
    Ok(files.iter().map(LogFile::written).collect())
}

impl Writing {
    pub fn is_done(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends the writing with whole lines, and says what was written.
    pub fn end(self) -> anyhow::Result<Vec<Written>> {
        self.stop.store(true, Ordering::Relaxed);
        self.finish()
    }

    /// Waits until everything is written, and says what.
    pub fn finish(mut self) -> anyhow::Result<Vec<Written>> {
        let thread = self.thread.take().expect("it is taken only here, and by drop");
        thread.join().expect("the writer does not panic")
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The test has failed already: what the writer says does not matter any more.
            let _ = thread.join();
        }
    }
}
