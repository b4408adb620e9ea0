//! Two streams in one file, in pieces: each line is there, by position, and no boundary tears one.

use super::*;

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
