//! Whatever blocks, growth and crashes a file is read through: the records are those of the whole file, and each range
//! makes its records again.
//!
//! `SLUICE_SEED=N` repeats a run; a failure prints its seed.

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
fn groups_are_whole_whatever_they_are_read_through() {
    seeds(|random| {
        let alphabet = ["a", " ", "b"];
        let mut lines: Vec<String> = Vec::new();
        for text in texts(random, &alphabet) {
            lines.push(if random.below(3) == 0 { format!("> {text}") } else { format!(" {text}") });
        }
        let mut groups: Vec<String> = Vec::new();
        for line in &lines {
            match groups.last_mut() {
                Some(group) if !line.starts_with('>') => *group += &format!("\n{line}"),
                _ => groups.push(line.clone()),
            }
        }
        let newline = ["\n", "\r\n"][random.below(2)];
        let content: String = lines.iter().flat_map(|line| [line, newline]).collect();
        check(&multiline(Rule::Start("^>".into())), content.as_bytes(), Some(&groups), random);
        check(&multiline(Rule::Continuation("^ ".into())), content.as_bytes(), Some(&groups), random);
        let wide: Vec<u8> = content.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let format = Format { encoding: Some("utf-16le".into()), ..multiline(Rule::Start("^>".into())) };
        check(&format, &wide, Some(&groups), random);
        let format = Format {
            include_lines: vec!["a.*a".into(), "b".into()],
            exclude_lines: vec!["^> b".into()],
            ..multiline(Rule::Start("^>".into()))
        };
        let passes = |group: &String| {
            (group.matches('a').count() > 1 && regex("a.*a", group) || group.contains('b')) && !group.starts_with("> b")
        };
        if groups.iter().all(|group| group.len() <= 40) {
            let kept: Vec<String> = groups.iter().filter(|group| passes(group)).cloned().collect();
            check(&format, content.as_bytes(), Some(&kept), random);
        }
        check(&format, content.as_bytes(), None, random);
    });
}

fn regex(pattern: &str, text: &str) -> bool {
    ::regex::Regex::new(pattern).expect("sound").is_match(text)
}

#[test]
fn traces_are_the_same_in_pieces() {
    let fixtures = [
        (Preset::Java, include_str!("preset/fixtures/java.txt")),
        (Preset::Python, include_str!("preset/fixtures/python.txt")),
        (Preset::Go, include_str!("preset/fixtures/go.txt")),
        (Preset::Rust, include_str!("preset/fixtures/rust.txt")),
        (Preset::Dotnet, include_str!("preset/fixtures/dotnet.txt")),
    ];
    seeds(|random| {
        let (preset, fixture) = *random.pick(&fixtures);
        let lines: Vec<&str> = fixture.lines().filter(|line| *line != "=====").collect();
        // In any order: what is torn must not hang together in one way here and in another there.
        let content: String = (0..random.below(80)).map(|_| format!("{}\n", random.pick(&lines))).collect();
        let framer = Framer::compile(&multiline(Rule::Preset(preset))).expect("sound");
        let whole = at_once(&framer, content.as_bytes(), 10_000);
        for _ in 0..3 {
            assert_eq!(step_by_step(&framer, content.as_bytes(), 10_000, random), whole, "{content}");
        }
    });
}

/// Lines of two streams as a container runtime writes them, and the records that they are, by position.
fn contained(docker: bool, random: &mut Random, alphabet: &[&str]) -> (Vec<u8>, Vec<(u64, String, String)>) {
    let mut content = Vec::new();
    let mut records: Vec<(u64, String, String)> = Vec::new();
    // What is open in each stream: where it began, when, and what has been written of it.
    let mut open: [Option<(u64, String, String)>; 2] = [None, None];
    for step in 0..random.below(60) {
        let stream = random.below(2);
        let name = ["stdout", "stderr"][stream];
        let time = format!("2026-01-02T03:04:05.{step:09}Z");
        let text: String = (0..random.below(20)).map(|_| *random.pick(alphabet)).collect();
        let last = random.below(3) > 0;
        let at = content.len() as u64;
        let line = open[stream].get_or_insert_with(|| (at, time.clone(), String::new()));
        line.2 += &text;
        if docker {
            let log = if last { text + "\n" } else { text };
            let line = serde_json::json!({"log": log, "stream": name, "time": time});
            content.extend_from_slice(format!("{line}\n").as_bytes());
        } else {
            let tag = if last { "F" } else { "P" };
            content.extend_from_slice(format!("{time} {name} {tag} {text}\n").as_bytes());
        }
        if let (true, Some((at, time, text))) = (last, &mut open[stream]) {
            records.push((*at, std::mem::take(text), format!("stream={name} @timestamp={time}")));
            open[stream] = None;
        }
    }
    // The container has ended: what it had not finished is all that there is.
    for (stream, open) in ["stdout", "stderr"].iter().zip(open) {
        records.extend(open.map(|(at, time, text)| (at, text, format!("stream={stream} @timestamp={time}"))));
    }
    records.sort();
    (content, records)
}

#[test]
fn container_logs_are_the_lines_that_the_application_wrote() {
    seeds(|random| {
        let docker = random.below(2) == 0;
        let alphabet = if docker { &["a", "\"", "\t", "ü", "\\"][..] } else { &["a", " ", "ü"] };
        let (content, records) = contained(docker, random, alphabet);
        for container in [if docker { Container::Docker } else { Container::Cri }, Container::Auto] {
            let framer = Framer::compile(&Format { container: Some(container), ..Format::default() }).expect("sound");
            let whole = at_once(&framer, &content, 10_000);
            let got: Vec<_> = whole.iter().map(|(at, value, _, extras)| (*at, value.clone(), extras.clone())).collect();
            assert_eq!(got, records);
            for line_bytes_max in [10, 10_000] {
                let whole = at_once(&framer, &content, line_bytes_max);
                assert_eq!(step_by_step(&framer, &content, line_bytes_max, random), whole);
            }
            let format = Format { container: Some(container), ..multiline(Rule::Continuation("^a".into())) };
            check(&format, &content, None, random);
            check(&Format { exclude_lines: vec!["a.*a".into()], ..format.clone() }, &content, None, random);
            resumes_anywhere(&framer, &content, random);
            resumes_anywhere(&Framer::compile(&format).expect("sound"), &content, random);
        }
    });
}

/// Checks that framing that goes on at any boundary, or where it waits, finds what it would have found, also when what
/// stands at the front is the rest of something that was cut.
fn resumes_anywhere(framer: &Framer, content: &[u8], random: &mut Random) {
    let mut skip = Skip::NOTHING;
    for bit in [Skip::pieces(0), Skip::pieces(1), Skip::group(0), Skip::group(1)] {
        skip = if random.below(2) == 0 { skip | bit } else { skip };
    }
    let frame = |at: usize, skip: Skip, end: End| {
        let (mut records, mut seams) = (Vec::new(), Vec::new());
        let span = Span { base: at as u64, skip, line_bytes_max: 1000 };
        let outcome = framer.frame(&content[at..], span, end, |chunk| {
            records.extend(chunk.records.iter().map(|record| show(at as u64, record)));
            seams.push((at + chunk.end, chunk.skip, records.len()));
            true
        });
        (records, seams, outcome)
    };
    let (whole, mut seams, _) = frame(0, skip, End::Final);
    let (so_far, _, outcome) = frame(0, skip, End::More);
    seams.push((outcome.end, outcome.skip, so_far.len()));
    for (at, skip, records) in seams {
        assert_eq!(frame(at, skip, End::Final).0, whole[records..], "from {at}, {skip:?}");
    }
}

/// Two streams whose long lines come in pieces, so that no boundary fits into a window.
#[test]
fn what_is_longer_than_any_window_is_cut_once_in_each_stream() {
    seeds_of(10, |random| {
        let line_bytes_max = 100;
        let (mut content, mut want) = (Vec::new(), Vec::new());
        let mut open: [Option<(u64, String)>; 2] = [None, None];
        for number in 0..random.below(60) {
            let stream = random.below(2);
            let last = random.below(9) == 0;
            let text = format!("{number:04}{}", "x".repeat(line_bytes_max + random.below(16_000)));
            let line = format!(
                "2026-01-02T03:04:05.678Z {} {} {text}\n",
                ["stdout", "stderr"][stream],
                if last { "F" } else { "P" }
            );
            let at = content.len() as u64;
            open[stream].get_or_insert_with(|| (at, text[..line_bytes_max].to_owned()));
            content.extend_from_slice(line.as_bytes());
            if last {
                want.extend(open[stream].take());
            }
        }
        want.extend(open.into_iter().flatten());
        want.sort();
        let pieces = Format { container: Some(Container::Cri), ..Format::default() };
        // All lines of a group begin with a digit, and so do all lines.
        let groups = Format { container: Some(Container::Cri), ..multiline(Rule::Start("^0".into())) };
        for format in [pieces, groups] {
            let framer = Framer::compile(&format).expect("sound");
            let got = step_by_step_of(framer.window_bytes(line_bytes_max), &framer, &content, line_bytes_max, random);
            let got: Vec<_> = got.into_iter().map(|(at, value, cut, _)| (at, value, cut)).collect();
            let mut got_sorted = got.clone();
            got_sorted.sort();
            assert_eq!(got, got_sorted);
            assert_eq!(got, want.iter().map(|(at, value)| (*at, value.clone(), true)).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_spool_gives_back_what_was_put_in() {
    seeds(|random| {
        let values = texts(random, &["a", "\n", "\r\n", "ü"]);
        let mut content = Vec::new();
        for value in &values {
            let source = ["", "10.0.0.1:514"][random.below(2)];
            spool::put_entry(&mut content, (!source.is_empty()).then_some(source), value.as_bytes(), false);
        }
        check(&Format::spool(), &content, Some(&values), random);
    });
}

#[test]
fn a_damaged_spool_says_where() {
    let mut content = Vec::new();
    spool::put_entry(&mut content, None, b"one", false);
    let sound = content.len();
    content.extend_from_slice(&[0xff; 20]);
    let framer = Framer::compile(&Format::spool()).expect("sound");
    let span = Span { base: 0, skip: Skip::NOTHING, line_bytes_max: 100 };
    for end in [End::More, End::Full, End::Final] {
        let mut records = 0;
        let outcome = framer.frame(&content, span, end, |chunk| {
            records += chunk.records.len();
            true
        });
        assert_eq!((outcome.end, outcome.damaged, records), (sound, Some(sound), 1));
    }
}

#[test]
fn a_timeout_ends_groups_of_whole_lines_and_nothing_else() {
    let check = |format: &Format, content: &str, want: &[&str], end: usize| {
        let framer = Framer::compile(format).expect("sound");
        let span = Span { base: 0, skip: Skip::NOTHING, line_bytes_max: 1000 };
        let mut got = Vec::new();
        let outcome = framer.frame(content.as_bytes(), span, End::Idle, |chunk| {
            got.extend(chunk.records.iter().map(|record| show(0, record).1));
            true
        });
        assert_eq!(
            (got, outcome.end, outcome.waits),
            (want.iter().map(|value| (*value).to_owned()).collect(), end, false),
            "{content}"
        );
        let more = framer.frame(content.as_bytes(), span, End::More, |_| true);
        assert!(more.end < end || want.is_empty());
    };
    let rule = Rule::Start("^>".into());
    check(&multiline(rule.clone()), "> a\n b\n> c\n d\nunfin", &["> a\n b", "> c\n d"], 14);
    check(&multiline(rule.clone()), "unfin", &[], 0);
    let container = Format { container: Some(Container::Cri), ..multiline(rule) };
    let line = |stream: &str, tag: &str, text: &str| format!("2026-01-02T03:04:05.000000000Z {stream} {tag} {text}\n");
    let whole = line("stdout", "F", "> a") + &line("stdout", "F", "b");
    let piece = line("stderr", "P", "> begun");
    check(&container, &whole, &["> a\nb"], whole.len());
    check(&container, &(whole.clone() + &piece), &["> a\nb"], whole.len());
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
