//! How many documents there are over the time, as bars.

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Bars of a whole histogram at most: they have room on one screen.
const BARS_MAX: i64 = 24;
/// Columns of the longest bar, so that time and number beside it fit into 80 columns.
const COLUMNS: u64 = 48;
/// Seconds of a bar that a person can add up; beyond the last it is whole days.
const STEPS: [i64; 17] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200];
const DAY: i64 = 86_400;

pub struct Histogram {
    since: Timestamp,
    until: Timestamp,
    step: i64,
}

/// One bar: when it begins, and its documents.
#[derive(Debug, PartialEq, Eq)]
pub struct Bar {
    pub at: Timestamp,
    pub count: u64,
}

impl Bar {
    pub fn json(&self) -> Value {
        json!({ "@timestamp": self.at.to_string(), "count": self.count })
    }
}

impl Histogram {
    pub fn over(since: Timestamp, until: Timestamp) -> Self {
        let seconds = until.duration_since(since).as_secs().max(1);
        let step = STEPS.into_iter().find(|step| seconds / step < BARS_MAX);
        let step = step.unwrap_or_else(|| (seconds / BARS_MAX / DAY + 1) * DAY);
        Self { since, until, step }
    }

    pub fn aggregations(&self) -> Value {
        let (min, max) = (self.since.as_millisecond(), self.until.as_millisecond());
        json!({ "over_time": { "date_histogram": {
            "field": "@timestamp", "fixed_interval": format!("{}s", self.step), "min_doc_count": 0,
            "extended_bounds": { "min": min, "max": max },
        } } })
    }

    pub fn bars(&self, answer: &Value) -> Vec<Bar> {
        let buckets = answer.pointer("/aggregations/over_time/buckets").and_then(Value::as_array);
        let bar = |bucket: &Value| {
            let at = Timestamp::from_millisecond(bucket["key"].as_i64()?).ok()?;
            Some(Bar { at, count: bucket["doc_count"].as_u64()? })
        };
        buckets.into_iter().flatten().filter_map(bar).collect()
    }

    /// Times are in UTC, as those of the documents.
    pub fn draw(&self, bars: &[Bar], out: &mut impl Write) -> io::Result<()> {
        let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0).max(1);
        let format = if self.step < 60 { "%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M" };
        for bar in bars {
            let time = strtime::format(format, &bar.at.to_zoned(TimeZone::UTC)).unwrap_or_default();
            // What is there is seen, if only as half a block.
            let halves = (u128::from(bar.count) * u128::from(COLUMNS) * 2).div_ceil(u128::from(most)) as usize;
            let blocks = format!("{}{}", "█".repeat(halves / 2), if halves % 2 == 1 { "▌" } else { "" });
            writeln!(out, "{time} {blocks}{}{}", if bar.count > 0 { " " } else { "" }, crate::files::count(bar.count))?;
        }
        let total: u64 = bars.iter().map(|bar| bar.count).sum();
        writeln!(out, "{} documents, a bar has {}", crate::files::count(total), crate::progress::time(self.step as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    const START: Timestamp = Timestamp::constant(1_772_323_200, 0);

    #[test]
    fn any_time_has_some_bars_and_not_too_many() {
        for (seconds, step) in [(0, 1), (23, 1), (24, 2), (3600, 300), (86_400, 7200), (30 * DAY, 2 * DAY)] {
            let histogram = Histogram::over(START, START + SignedDuration::from_secs(seconds));
            assert_eq!(histogram.step, step, "{seconds} s");
            assert!(seconds / histogram.step < BARS_MAX, "{seconds} s");
        }
    }

    #[test]
    fn bars_have_eighty_columns() {
        let histogram = Histogram::over(START, START + SignedDuration::from_secs(3600));
        let answer = json!({ "aggregations": { "over_time": { "buckets": [
            { "key": 1_772_323_200_000_i64, "doc_count": 0 },
            { "key": 1_772_323_500_000_i64, "doc_count": 1 },
            { "key": 1_772_323_800_000_i64, "doc_count": 1_000_000 },
        ] } } });
        let mut out = Vec::new();
        histogram.draw(&histogram.bars(&answer), &mut out).expect("written");
        let text = String::from_utf8(out).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "2026-03-01 00:00 0");
        assert_eq!(lines[1], "2026-03-01 00:05 ▌ 1");
        assert_eq!(lines[2], format!("2026-03-01 00:10 {} 1,000,000", "█".repeat(48)));
        assert_eq!(lines[3], "1,000,001 documents, a bar has 5 min 00 s");
        assert!(lines.iter().all(|line| line.chars().count() < 80));
    }
}
