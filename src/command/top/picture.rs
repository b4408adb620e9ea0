//! The picture of `sluice top`: lines of text that fit the terminal.

use super::stages::{Stage, Unit, bottleneck};
use crate::command::paint::{fit, safe};
use crate::files::{count, size};
use std::fmt::Display;

/// Columns of a name at the beginning of a line.
const NAME_COLUMNS: usize = 10;

/// One line, and how it is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub text: String,
    pub weight: Weight,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Title,
    Plain,
    Faint,
    Good,
    Bad,
}

/// What there is to be seen, `columns` wide at the most. `problems`: what the parts say themselves.
pub fn picture(stages: &[Stage], problems: &[String], columns: usize) -> Vec<Row> {
    let mut rows = vec![row(Weight::Title, header())];
    if stages.is_empty() {
        rows.push(row(Weight::Bad, "no part answers on its status port; --status HOST:PORT names others"));
    }
    for stage in stages {
        rows.push(row(Weight::Plain, line(stage)));
        let facts: Vec<String> = stage
            .facts
            .iter()
            .filter_map(|(name, value, unit)| Some(format!("{name} {}", shown((*value)?, *unit))))
            .collect();
        if !facts.is_empty() {
            rows.push(row(Weight::Faint, format!("{:NAME_COLUMNS$} {}", "", facts.join(" · "))));
        }
        let errors: Vec<String> = stage.errors.iter().filter(|(_, count, _)| *count > 0.0).map(error).collect();
        if !errors.is_empty() {
            rows.push(row(Weight::Bad, format!("{:NAME_COLUMNS$} {}", "", errors.join(" · "))));
        }
    }
    if !stages.is_empty() {
        rows.push(row(Weight::Plain, ""));
        rows.push(match bottleneck(stages) {
            Some((name, why)) => row(Weight::Bad, format!("bottleneck: {name}: {why}")),
            None => row(Weight::Good, "nothing waits: every stage keeps up"),
        });
    }
    rows.extend(problems.iter().map(|problem| row(Weight::Bad, safe(problem))));
    for row in &mut rows {
        row.text = fit(&row.text, columns);
    }
    rows
}

fn row(weight: Weight, text: impl Into<String>) -> Row {
    Row { text: text.into(), weight }
}

fn header() -> String {
    columns("", &"RATE", &"BYTES", &"WAITING", &"LATE", &"TIME LEFT")
}

fn columns(
    name: &str,
    rate: &dyn Display,
    bytes: &dyn Display,
    waiting: &dyn Display,
    late: &dyn Display,
    left: &dyn Display,
) -> String {
    format!("{name:NAME_COLUMNS$} {rate:>18} {bytes:>12} {waiting:>13} {late:>8} {left:>10}")
}

fn line(stage: &Stage) -> String {
    let dash = || "-".to_owned();
    let rate = stage.rate.map_or_else(dash, |rate| format!("{} {}", number(rate), stage.unit));
    let bytes = stage.bytes_rate.map_or_else(String::new, |bytes| format!("{}/s", size(bytes as u64)));
    let waiting = match (stage.lag_bytes, stage.lag_records) {
        (Some(bytes), _) => size(bytes as u64),
        (None, Some(records)) => format!("{} rec", number(records)),
        (None, None) => String::new(),
    };
    let late = stage.lag_seconds.map_or_else(String::new, |late| duration(late.max(0.0)));
    let waits = stage.lag_records.is_some_and(|records| records > 0.0);
    let left = stage.seconds_left.filter(|_| waits).map_or_else(String::new, duration);
    columns(stage.name, &rate, &bytes, &waiting, &late, &left)
}

fn error((text, number_of, per): &(&'static str, f64, f64)) -> String {
    match *per > 0.0 {
        true => format!("{text} {} ({}/s)", number(*number_of), number(*per)),
        false => format!("{text} {}", number(*number_of)),
    }
}

fn shown(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Number => number(value),
        Unit::Bytes => size(value as u64),
        Unit::Seconds => duration(value),
        Unit::Rate => format!("{}/s", number(value)),
    }
}

fn number(value: f64) -> String {
    match value {
        value if value > 0.0 && value < 10.0 && value.fract() != 0.0 => format!("{value:.1}"),
        value if value >= 1e9 => format!("{:.1}G", value / 1e9),
        value if value >= 1e7 => format!("{:.1}M", value / 1e6),
        value => count(value.round() as u64),
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1000.0),
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds < 172_800.0 => format!("{:.0} h", seconds / 3600.0),
        seconds => format!("{:.0} d", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        let worst = Stage {
            name: "Pipelines",
            rate: Some(123_456_789.0),
            unit: "documents/s",
            bytes_rate: Some(1023.9 * 1024.0 * 1024.0),
            lag_records: Some(9.9e12),
            lag_seconds: Some(1e7),
            seconds_left: Some(1e7),
            facts: vec![("a bulk request takes", Some(0.0123), Unit::Seconds); 6],
            errors: vec![("batches repeated", 1e12, 1e6); 6],
            ..Stage::default()
        };
        let problems = ["the far end\u{1b}[2J ".repeat(20)];
        for columns in [20, 40, 80, 132] {
            for row in picture(&[worst.clone(), worst.clone()], &problems, columns) {
                assert!(row.text.width() <= columns, "{columns}: {:?}", row.text);
                assert!(!row.text.contains('\u{1b}'));
            }
        }
        // The table itself is never cut at 80.
        let rows = picture(&[worst], &[], 80);
        assert!(!rows[0].text.contains('…') && !rows[1].text.contains('…'), "{rows:?}");
    }

    #[test]
    fn a_stage_is_a_line_of_numbers() {
        let stage = Stage {
            name: "Agent",
            rate: Some(1234.4),
            unit: "lines/s",
            bytes_rate: Some(2048.0),
            lag_bytes: Some(512.0),
            lag_seconds: Some(3.0),
            errors: vec![("lines cut", 0.0, 0.0), ("ranges lost", 2.0, 0.5)],
            ..Stage::default()
        };
        let texts: Vec<String> = picture(&[stage], &[], 80).into_iter().map(|row| row.text).collect();
        let expect = [
            "                         RATE        BYTES       WAITING     LATE  TIME LEFT",
            "Agent           1,234 lines/s    2.0 KiB/s         512 B      3 s",
            "           ranges lost 2 (0.5/s)",
            "",
            "nothing waits: every stage keeps up",
        ];
        assert_eq!(texts, expect);
    }
}
