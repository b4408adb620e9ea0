//! The oracle: compares what was written with what arrived. Missing, doubled, torn or foreign, out of order: the first
//! differences of each kind are shown exactly.

use super::log_file::Written;
use anyhow::bail;
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

/// Differences of one kind that are shown.
const SHOWN_MAX: usize = 5;
/// Bytes of a line that are shown.
const LINE_BYTES_SHOWN: usize = 200;

/// A line as it arrived: a record of the topic, or a document of the index.
pub struct Arrived {
    pub line: Vec<u8>,
    /// Where it is now, for the reader of a difference.
    pub place: String,
    /// Within a key, lines must come in the order in which they were written; `None` where there is no order.
    pub order: Option<String>,
}

/// What differs. Empty means: every line is there exactly once, whole, and in order.
#[derive(Default)]
pub struct Differences {
    written: u64,
    arrived: u64,
    missing: Kind,
    doubled: Kind,
    foreign: Kind,
    out_of_order: Kind,
}

#[derive(Default)]
struct Kind {
    count: u64,
    first: Vec<String>,
}

impl Kind {
    fn add(&mut self, describe: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < SHOWN_MAX {
            self.first.push(describe());
        }
    }
}

/// Compares; `arrived` comes in the order of its place (partition by partition, offsets ascending).
pub fn compare(written: &[Written], arrived: impl IntoIterator<Item = Arrived>) -> Differences {
    let mut comparison = Comparison::new(written);
    for arrived in arrived {
        comparison.arrive(arrived);
    }
    comparison.end()
}

/// A comparison for which what arrived need not be in memory all at once.
pub struct Comparison<'w> {
    written: &'w [Written],
    expected: HashMap<Vec<u8>, (u32, u64)>,
    seen: HashMap<(u32, u64), String>,
    last: HashMap<(String, u32), (u64, String)>,
    differences: Differences,
}

impl<'w> Comparison<'w> {
    pub fn new(written: &'w [Written]) -> Self {
        let mut differences = Differences::default();
        let mut expected = HashMap::new();
        for Written { stream, lines } in written {
            differences.written += lines;
            for sequence in 0..*lines {
                let twin = expected.insert(stream.line(sequence).into_bytes(), (stream.number, sequence));
                assert!(twin.is_none(), "two written lines are equal: the generator is wrong");
            }
        }
        Self { written, expected, seen: HashMap::new(), last: HashMap::new(), differences }
    }

    /// Takes what arrived next, in the order of its place.
    pub fn arrive(&mut self, Arrived { line, place, order }: Arrived) {
        let differences = &mut self.differences;
        differences.arrived += 1;
        let Some(&(stream, sequence)) = self.expected.get(&line) else {
            differences.foreign.add(|| format!("{place}: {}", shown(&line)));
            return;
        };
        if let Some(first) = self.seen.get(&(stream, sequence)) {
            differences.doubled.add(|| format!("stream {stream} line {sequence}: {first} and {place}"));
            return;
        }
        if let Some(order) = order {
            match self.last.get(&(order.clone(), stream)) {
                Some((before, at)) if *before > sequence => differences.out_of_order.add(|| {
                    format!("stream {stream} line {sequence} at {place} comes after line {before} at {at} ({order})")
                }),
                _ => {}
            }
            self.last.insert((order, stream), (sequence, place.clone()));
        }
        self.seen.insert((stream, sequence), place);
    }

    pub fn end(self) -> Differences {
        let Self { written, seen, mut differences, .. } = self;
        for Written { stream, lines } in written {
            for sequence in (0..*lines).filter(|sequence| !seen.contains_key(&(stream.number, *sequence))) {
                differences.missing.add(|| {
                    format!("stream {} line {sequence}: {}", stream.number, shown(stream.line(sequence).as_bytes()))
                });
            }
        }
        differences
    }
}

impl Differences {
    /// An error unless there is no difference.
    pub fn check(self, place: &str) -> anyhow::Result<()> {
        match self.kinds().iter().all(|(_, kind)| kind.count == 0) {
            true => Ok(()),
            false => bail!("{place}: {self}"),
        }
    }

    fn kinds(&self) -> [(&'static str, &Kind); 4] {
        [
            ("missing", &self.missing),
            ("doubled", &self.doubled),
            ("torn or foreign", &self.foreign),
            ("out of order", &self.out_of_order),
        ]
    }
}

impl Display for Differences {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{} lines written, {} arrived", self.written, self.arrived)?;
        for (name, kind) in self.kinds().into_iter().filter(|(_, kind)| kind.count > 0) {
            write!(out, "\n{name}: {}", kind.count)?;
            for difference in &kind.first {
                write!(out, "\n  {difference}")?;
            }
            if kind.count > SHOWN_MAX as u64 {
                write!(out, "\n  …")?;
            }
        }
        Ok(())
    }
}

fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(LINE_BYTES_SHOWN)]);
    match line.len() > LINE_BYTES_SHOWN {
        true => format!("{text:?}… ({} bytes)", line.len()),
        false => format!("{text:?}"),
    }
}

/// The oracle finds what it is there to find.
pub fn finds_every_difference() -> anyhow::Result<()> {
    let stream = super::lines::Stream { number: 3, seed: 7, start: 0 };
    let written = [Written { stream, lines: 4 }];
    let arrive = |lines: &[&str]| {
        lines
            .iter()
            .enumerate()
            .map(|(offset, line)| Arrived {
                line: line.as_bytes().to_vec(),
                place: format!("offset {offset}"),
                order: Some("file".into()),
            })
            .collect::<Vec<_>>()
    };
    let lines: Vec<String> = (0..4).map(|sequence| stream.line(sequence)).collect();
    let [first, second, third, fourth] = [&*lines[0], &*lines[1], &*lines[2], &*lines[3]];
    let check = |arrived: &[&str], expect: [u64; 4]| {
        let differences = compare(&written, arrive(arrived));
        assert_eq!(differences.kinds().map(|(_, kind)| kind.count), expect, "{differences}");
    };
    check(&[first, second, third, fourth], [0, 0, 0, 0]);
    check(&[first, second, fourth], [1, 0, 0, 0]);
    check(&[first, second, second, third, fourth], [0, 1, 0, 0]);
    check(&[first, &second[..9], &second[9..], third, fourth], [1, 0, 2, 0]);
    check(&[first, third, second, fourth], [0, 0, 0, 1]);
    check(&[], [4, 0, 0, 0]);
    Ok(())
}
