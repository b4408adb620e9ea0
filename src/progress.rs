//! How far a run has come that ends by itself: bytes, rate and time left.

use crate::files::size;
use agent::{FileId, FileState};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// What the rate is an average of: longer than a stall of a flush, shorter than a person's patience.
const RATE_WINDOW: Duration = Duration::from_secs(5);
/// Without a byte for so long, a run waits for something: a start takes less.
const WAITING: Duration = Duration::from_secs(2);
/// Characters of the bar.
const BAR_WIDTH: usize = 24;

/// The bytes of the files that are shipped. A compressed file counts with what lies on the disk: how much comes out of
/// it is not known before its end.
#[derive(Debug, Default)]
pub struct Backfill {
    files: HashMap<FileId, Part>,
    /// What was done at a time.
    looks: VecDeque<(Instant, u64)>,
}

/// One file.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// How far it was at the first look.
    first: u64,
    at: u64,
    end: u64,
}

impl Backfill {
    /// Takes in how far the files are.
    pub fn look(&mut self, now: Instant, files: &[FileState]) {
        // A file that is not followed any more was read to its end.
        self.files.values_mut().for_each(|part| part.at = part.end);
        for file in files {
            let (at, end) = match file.archive {
                Some(archive) => (archive.read, archive.bytes),
                None => (file.acknowledged, file.size),
            };
            let part = self.files.entry(file.id).or_insert(Part { first: at, at, end });
            // A file that became an archive meanwhile counts anew.
            part.first = part.first.min(at);
            (part.at, part.end) = (at, end.max(at));
        }
        self.looks.push_back((now, self.done()));
        while self.looks.get(1).is_some_and(|&(at, _)| now.duration_since(at) >= RATE_WINDOW) {
            self.looks.pop_front();
        }
    }

    fn done(&self) -> u64 {
        self.files.values().map(|part| part.at - part.first).sum()
    }

    fn total(&self) -> u64 {
        self.files.values().map(|part| part.end - part.first).sum()
    }

    /// Bytes in a second, of late.
    fn rate(&self) -> f64 {
        let (Some((first, before)), Some((last, now))) = (self.looks.front(), self.looks.back()) else { return 0.0 };
        let seconds = last.duration_since(*first).as_secs_f64();
        if seconds > 0.0 { now.saturating_sub(*before) as f64 / seconds } else { 0.0 }
    }

    /// `[#####-----]`, for a terminal.
    pub fn bar(&self) -> String {
        let filled = (self.part() * BAR_WIDTH as f64) as usize;
        format!("[{}{}]", "#".repeat(filled), "-".repeat(BAR_WIDTH - filled))
    }

    /// From 0 to 1.
    fn part(&self) -> f64 {
        let (done, total) = (self.done(), self.total());
        if total == 0 { 1.0 } else { (done as f64 / total as f64).clamp(0.0, 1.0) }
    }

    /// Percent, bytes, rate and time left.
    pub fn text(&self) -> String {
        let (done, total, rate) = (self.done(), self.total(), self.rate());
        let mut text = format!("{:3.0}%", (self.part() * 100.0).floor());
        if total > 0 {
            text.push_str(&format!(" · {} of {}", size(done), size(total)));
        }
        if self.is_waiting() {
            text.push_str(" · waiting");
        } else if done < total && rate >= 1.0 {
            let left = time((total - done) as f64 / rate);
            text.push_str(&format!(" · {}/s · {left} left", size(rate as u64)));
        }
        text
    }

    /// Nothing has moved of late, although there is something to do.
    pub fn is_waiting(&self) -> bool {
        let (first, last) = (self.looks.front(), self.looks.back());
        let looked = first.zip(last).is_some_and(|(first, last)| last.0.duration_since(first.0) >= WAITING);
        looked && self.done() < self.total() && self.rate() < 1.0
    }
}

/// A time for people.
pub fn time(seconds: f64) -> String {
    let whole = seconds.ceil() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// What a run has done: lines, bytes, seconds, rate.
pub fn totals(progress: &agent::Progress, took: Duration) -> String {
    let seconds = took.as_secs_f64().max(0.001);
    format!(
        "{} lines and {} read, {} records acknowledged in {seconds:.1} s, {}/s",
        crate::files::count(progress.lines_read),
        size(progress.bytes_read),
        crate::files::count(progress.records_acknowledged),
        size((progress.bytes_read as f64 / seconds) as u64),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent::Archive;

    fn file(id: u64, acknowledged: u64, size: u64, archive: Option<Archive>) -> FileState {
        FileState {
            id: FileId(id),
            path: "a".into(),
            dataset: None,
            detected: false,
            size,
            position: acknowledged,
            acknowledged,
            nameless: false,
            archive,
            lag_seconds: 0,
            problem: None,
            last_error: None,
        }
    }

    #[test]
    fn bytes_rate_and_time_left() {
        let start = Instant::now();
        let mut run = Backfill::default();
        let half_read = Archive { read: 0, bytes: 1024 };
        // 1 KiB of the plain file was shipped by an earlier run.
        run.look(start, &[file(1, 1024, 4096, None), file(2, 0, 0, Some(half_read))]);
        assert_eq!((run.text().as_str(), run.is_waiting()), ("  0% · 0 B of 4.0 KiB", false));
        let half_read = Archive { read: 512, bytes: 1024 };
        run.look(start + Duration::from_secs(2), &[file(1, 2560, 4096, None), file(2, 9000, 9000, Some(half_read))]);
        assert_eq!(run.text(), " 50% · 2.0 KiB of 4.0 KiB · 1.0 KiB/s · 2 s left");
        assert_eq!(run.bar(), "[############------------]");
        // The archive is not followed any more.
        run.look(start + Duration::from_secs(4), &[file(1, 4096, 4096, None)]);
        assert_eq!((run.text().as_str(), run.is_waiting()), ("100% · 4.0 KiB of 4.0 KiB", false));
    }

    #[test]
    fn a_stall_shows_and_nothing_to_do_is_done() {
        let start = Instant::now();
        let mut run = Backfill::default();
        run.look(start, &[]);
        assert_eq!(run.text(), "100%");
        for seconds in 0..20 {
            run.look(start + Duration::from_secs(seconds), &[file(1, seconds.min(5) * 10, 1000, None)]);
        }
        assert!(run.is_waiting(), "{}", run.text());
    }

    #[test]
    fn times_for_people() {
        assert_eq!((time(0.2), time(59.0), time(61.0)), ("1 s".into(), "59 s".into(), "1 min 01 s".into()));
        assert_eq!(time(7325.0), "2 h 02 min");
    }
}
