//! Lines that belong together, by patterns and by presets, and what their timeout ends.

use super::*;

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
        (Preset::Java, include_str!("../preset/fixtures/java.txt")),
        (Preset::Python, include_str!("../preset/fixtures/python.txt")),
        (Preset::Go, include_str!("../preset/fixtures/go.txt")),
        (Preset::Rust, include_str!("../preset/fixtures/rust.txt")),
        (Preset::Dotnet, include_str!("../preset/fixtures/dotnet.txt")),
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
