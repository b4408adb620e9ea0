//! Whatever blocks, growth and crashes a file is read through: the records are those of the whole file, and each range
//! makes its records again.
//!
//! `SLUICE_SEED=N` repeats a run; a failure prints its seed.

mod containers;
mod groups;
mod spools;

use super::*;
use std::time::{SystemTime, UNIX_EPOCH};

/// xorshift64*: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Position, value, whether it is cut, and the other headers.
type Shown = (u64, String, bool, String);

fn show(base: u64, record: &Record<'_>) -> Shown {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let extras: Vec<String> = record.extras.each().map(|(key, value)| format!("{key}={}", text(value))).collect();
    (base + record.start as u64, text(&record.value), record.cut, extras.join(" "))
}

fn at_once(framer: &Framer, content: &[u8], line_bytes_max: usize) -> Vec<Shown> {
    let span = Span { base: 0, skip: Skip::NOTHING, line_bytes_max };
    let mut got = Vec::new();
    let outcome = framer.frame(content, span, End::Final, |chunk| {
        got.extend(chunk.records.iter().map(|record| show(0, record)));
        true
    });
    assert_eq!((outcome.end, outcome.damaged), (content.len(), None));
    got
}

/// A range that a batch was made of.
#[derive(Debug)]
struct Batch {
    start: usize,
    end: usize,
    before: Skip,
    cut: bool,
    records: Vec<Shown>,
}

/// Reads `content` while it grows, in small blocks, with batches of some chunks, and crashes between any two.
fn step_by_step(framer: &Framer, content: &[u8], line_bytes_max: usize, random: &mut Random) -> Vec<Shown> {
    step_by_step_of(80, framer, content, line_bytes_max, random)
}

fn step_by_step_of(
    block_bytes_max: usize,
    framer: &Framer,
    content: &[u8],
    line_bytes_max: usize,
    random: &mut Random,
) -> Vec<Shown> {
    let (mut position, mut skip, mut there, mut wide) = (0, Skip::NOTHING, 0, false);
    let mut got = Vec::new();
    loop {
        there = content.len().min(there + random.below(block_bytes_max));
        let block = if wide { framer.window_bytes(line_bytes_max) } else { 1 + random.below(block_bytes_max) };
        let data = &content[position..there.min(position + block).max(position)];
        let at_end = data.len() < block;
        let end = match (at_end, wide) {
            (true, _) if there == content.len() => End::Final,
            (false, true) => End::Full,
            _ => End::More,
        };
        let span = Span { base: position as u64, skip, line_bytes_max };
        let (mut batches, mut chunks, crash_after): (Vec<Batch>, _, _) = (Vec::new(), 0, random.below(8));
        framer.frame(data, span, end, |chunk| {
            assert!(chunk.start < chunk.end || chunk.records.is_empty(), "{chunk:?}");
            let joins = batches.last().is_some_and(|last| last.end == position + chunk.start);
            if !joins || random.below(2) == 0 {
                let start = position + chunk.start;
                batches.push(Batch { start, end: start, before: skip, cut: false, records: Vec::new() });
            }
            let batch = batches.last_mut().expect("there is one");
            batch.records.extend(chunk.records.iter().map(|record| show(span.base, record)));
            (batch.end, batch.cut, skip) = (position + chunk.end, chunk.cut, chunk.skip);
            chunks += 1;
            chunks <= crash_after
        });
        for batch in &batches {
            let span = Span { base: batch.start as u64, skip: batch.before, line_bytes_max };
            let mut again = Vec::new();
            framer.frame_range(&content[batch.start..batch.end], span, batch.cut, |chunk| {
                again.extend(chunk.records.iter().map(|record| show(span.base, record)));
                true
            });
            assert_eq!(again, batch.records, "{batch:?}");
            got.extend(again);
        }
        let before = position;
        position = batches.last().map_or(position, |batch| batch.end);
        wide = !at_end && position == before;
        if end == End::Final && position == content.len() {
            return got;
        }
    }
}

fn seeds(each: impl Fn(&mut Random)) {
    seeds_of(60, each);
}

fn seeds_of(count: u64, each: impl Fn(&mut Random)) {
    let given = std::env::var("SLUICE_SEED").ok().map(|seed| seed.parse::<u64>().expect("a number"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
    let (first, count) = given.map_or((now, count), |seed| (seed, 1));
    for seed in first..first + count {
        println!("SLUICE_SEED={seed}");
        each(&mut Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1));
    }
}

fn multiline(rule: Rule) -> Format {
    Format { multiline: Some(Multiline { rule, timeout_millis: 5000 }), ..Format::default() }
}

/// Lines whose values hold what delimiters are made of, and some that are much too long.
fn texts(random: &mut Random, alphabet: &[&str]) -> Vec<String> {
    let count = random.below(30);
    let text = |random: &mut Random| {
        let length = if random.below(8) == 0 { 100 } else { 12 };
        (0..random.below(length)).map(|_| *random.pick(alphabet)).collect()
    };
    (0..count).map(|_| text(random)).collect()
}

/// Checks that both ways lead to the same records, and that their values are `values`, cut at the limit.
fn check(format: &Format, content: &[u8], values: Option<&[String]>, random: &mut Random) {
    let framer = Framer::compile(format).expect("sound");
    for line_bytes_max in [40, 1000] {
        let whole = at_once(&framer, content, line_bytes_max);
        for _ in 0..3 {
            assert_eq!(step_by_step(&framer, content, line_bytes_max, random), whole, "{format:?}");
        }
        let Some(values) = values else { continue };
        let got: Vec<(&str, bool)> = whole.iter().map(|(_, value, cut, _)| (value.as_str(), *cut)).collect();
        let beginning =
            |value: &'_ String| (0..=line_bytes_max.min(value.len())).rev().find(|&at| value.is_char_boundary(at));
        let cut = |value: &'static str| value;
        let _ = cut;
        let want: Vec<(&str, bool)> = values
            .iter()
            .map(|value| (&value[..beginning(value).expect("0 is one")], value.len() > line_bytes_max))
            .collect();
        assert_eq!(got, want, "{format:?}");
    }
}

#[test]
fn plain_lines_are_those_of_the_fast_way() {
    seeds(|random| {
        let alphabet = ["a", "b\r", "\r", "ü", "\u{3042}", "\n", "\r\n"];
        let content = texts(random, &alphabet).join("\n").into_bytes();
        check(&Format::default(), &content, None, random);
        let framer = Framer::default();
        let mut lines = crate::lines::Lines::new(&content, 0, 1000);
        let mut want: Vec<(u64, Vec<u8>)> =
            lines.by_ref().map(|line| (line.start as u64, line.value.to_vec())).collect();
        if lines.position() < content.len() {
            let last = crate::lines::unfinished(&content, lines.position(), 1000);
            want.push((last.start as u64, last.value.to_vec()));
        }
        let got = at_once(&framer, &content, 1000);
        let got: Vec<(u64, Vec<u8>)> = got.into_iter().map(|(at, value, _, _)| (at, value.into_bytes())).collect();
        assert_eq!(got, want);
    });
}

#[test]
fn delimiters_and_encodings_give_what_was_written() {
    seeds(|random| {
        let texts_of = |random: &mut Random, alphabet: &[&str]| texts(random, alphabet);
        for (delimiter, alphabet) in
            [("||", &["a", "x|y", "\n", "\r"][..]), ("\0", &["a", "\n"]), ("\r\n\r\n", &["a", "\r\nb"])]
        {
            let lines = texts_of(random, alphabet);
            let lines: Vec<String> = lines.into_iter().map(|line| line.replace("\r\n\r\n", "") + ".").collect();
            let content: String = lines.iter().flat_map(|line| [line, delimiter]).collect();
            let format = Format { delimiter: Some(delimiter.to_owned()), ..Format::default() };
            check(&format, content.as_bytes(), Some(&lines), random);
        }
        // U+0A0A, U+0D0A, U+0A00 and U+000A's neighbours: bytes that look like a newline at any place.
        let wide = ["a", "\u{0a0a}", "\u{0d0a}", "\u{0a00}", "\u{010a}", "\u{1f600}", "\r"];
        for (label, mark) in [("utf-16le", true), ("utf-16be", true), ("utf-16le", false), ("utf-16be", false)] {
            for (delimiter, newline) in [(None, "\n"), (None, "\r\n"), (Some("\u{0a0a}\u{0a0a}"), "\u{0a0a}\u{0a0a}")] {
                let lines = texts_of(random, &wide).into_iter().map(|line| line.replace("\u{0a0a}\u{0a0a}", "") + ".");
                let lines: Vec<String> = lines.map(|line| line.replace("\u{0a0a}\u{0a0a}", "")).collect();
                let text: String = lines.iter().flat_map(|line| [line, newline]).collect();
                let text = if mark { format!("\u{feff}{text}") } else { text };
                let bytes = if label == "utf-16le" { u16::to_le_bytes } else { u16::to_be_bytes };
                let content: Vec<u8> = text.encode_utf16().flat_map(bytes).collect();
                let (encoding, delimiter) = (Some(label.to_owned()), delimiter.map(str::to_owned));
                check(&Format { encoding, delimiter, ..Format::default() }, &content, Some(&lines), random);
            }
        }
        for (label, alphabet) in
            [("latin1", &["a", "ä", "€", "é"][..]), ("gbk", &["a", "中", "文", "|"]), ("shift_jis", &["ソ", "a", "表"])]
        {
            let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).expect("known");
            for delimiter in [None, Some("§")].into_iter().take(if label == "latin1" { 2 } else { 1 }) {
                let lines = texts_of(random, alphabet);
                let text: String = lines.iter().flat_map(|line| [line, delimiter.unwrap_or("\n")]).collect();
                let content = encoding.encode(&text).0;
                let (encoding, delimiter) = (Some(label.to_owned()), delimiter.map(str::to_owned));
                check(&Format { encoding, delimiter, ..Format::default() }, &content, Some(&lines), random);
            }
        }
    });
}

#[test]
fn no_window_is_larger_than_what_one_agent_may_take() {
    let rule = || multiline(Rule::Start("^>".into()));
    let encoding = || Some("utf-16le".to_owned());
    for format in [
        Format::default(),
        Format { encoding: encoding(), ..Format::default() },
        Format { container: Some(Container::Auto), encoding: encoding(), ..rule() },
        Format { spool: true, ..rule() },
    ] {
        let window = Framer::compile(&format).expect("sound").window_bytes(1 << 20);
        assert!(((1 << 20)..=8 << 20).contains(&window), "{format:?}: {window}");
    }
}

#[test]
fn a_wrong_format_is_refused_with_its_key() {
    let check = |format: Format, want: &str| {
        let error = Framer::compile(&format).expect_err("wrong");
        assert!(error.to_string().starts_with(want), "{error}");
        assert!(!error.hint().is_empty());
    };
    let plain = Format::default;
    check(Format { encoding: Some("utf-9".into()), ..plain() }, "encoding \"utf-9\" is not known");
    check(Format { delimiter: Some(String::new()), ..plain() }, "delimiter is empty");
    let format = Format { encoding: Some("latin1".into()), delimiter: Some("中".into()), ..plain() };
    check(format, "delimiter \"中\" cannot be written in windows-1252");
    check(
        Format { include_lines: vec!["ok".into(), "(".into()], ..plain() },
        "include_lines \"(\" is not a regular expression: ",
    );
    check(Format { exclude_lines: vec!["(?=x)".into()], ..plain() }, "exclude_lines \"(?=x)\" is not a regular");
    check(multiline(Rule::Start("[".into())), "multiline.start \"[\" is not");
    check(multiline(Rule::Continuation("*".into())), "multiline.continuation \"*\" is not");
}
