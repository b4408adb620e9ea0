//! Lines over slots and over a tree have the same outcome.

use super::{Came, Tally};
use crate::document::{Document, Origin};
use crate::pipeline::{Context, Outcome, Pipeline};

use std::borrow::Cow;
use std::path::Path;

const NOW: &str = "2025-11-23T12:00:00Z";

/// What becomes of lines over a tree, and over slots where that is possible; gives how many went over slots.
fn check(name: &str, text: &str, lines: &[&[u8]], origin: &Origin<'_>) -> usize {
    let load = || match text.is_empty() {
        true => Pipeline::load(name),
        false => Pipeline::parse(name, text),
    };
    let (slots, tree) = (load().unwrap(), load().unwrap());
    let now = NOW.parse().unwrap();
    let context = Context::at(origin.timestamp_ms, now);
    let mut count = 0;
    let mut tally = Tally::default();
    for line in lines {
        let shown = String::from_utf8_lossy(line);
        let mut json = Vec::new();
        let came = slots.run_line(line, origin, &context, &mut tally, |fields| {
            fields.write_json(&mut json);
            Some(fields.timestamp_ms())
        });
        let mut document = Document::from_line(line, origin);
        let outcome = tree.run(&mut document, &context);
        match came {
            Came::Tree => {
                // As its caller does.
                slots.run(&mut Document::from_line(line, origin), &context);
                continue;
            }
            Came::Dropped => assert_eq!(outcome, Outcome::Dropped, "{name} {text}\n{shown}"),
            Came::Done(timestamp_ms) => {
                assert_eq!(outcome, Outcome::Done, "{name} {text}\n{shown}");
                let mut expect = Vec::new();
                document.write_json(&mut expect);
                let read = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap();
                assert_eq!(read(&json), read(&expect), "{name} {text}\n{shown}");
                assert_eq!(timestamp_ms, document.timestamp_ms(), "{name} {text}\n{shown}");
            }
        }
        count += 1;
    }
    drop(tally);
    assert_eq!(slots.counts(), tree.counts(), "{name} {text}");
    count
}

fn full_origin<'a>(labels: &'a [(Cow<'a, str>, Cow<'a, str>)]) -> Origin<'a> {
    Origin {
        timestamp_ms: 1_763_899_200_123,
        host_name: Some("web\"1"),
        file_path: Some("/var/log/a b.log"),
        position: Some(77),
        dataset: Some("shop"),
        labels,
        stream: Some("stdout"),
        source_address: Some("192.0.2.1:5"),
        written_at: Some("2025-11-23T11:59:58.5Z"),
        truncated: true,
    }
}

#[test]
fn samples_of_ready_made_pipelines_are_the_same_documents() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library");
    let mut over_slots = Vec::new();
    for entry in folder.read_dir().unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if crate::library::text(&name).is_none() {
            continue;
        }
        for file in
            entry.path().read_dir().unwrap().flatten().filter(|file| file.path().extension() == Some("log".as_ref()))
        {
            let bytes = std::fs::read(file.path()).unwrap();
            let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            if check(&name, "", &lines, &Origin::default()) > lines.len() / 2 {
                over_slots.push(name.clone());
            }
            check(&name, "", &lines, &full_origin(&[("env".into(), "prod".into())]));
        }
    }
    for name in ["nginx-access", "apache-access"] {
        assert!(over_slots.iter().any(|known| known == name), "{over_slots:?}");
    }
}

#[test]
fn an_object_that_lost_its_last_field_stays() {
    let text = r#"
processors:
  - grok: {field: message, patterns: ['%{WORD:a.b.c} %{WORD:d.e}']}
  - remove: {field: a.b.c}
  - remove: {field: d}
  - rename: {field: host.name, target_field: x.y, ignore_missing: true}
"#;
    assert_eq!(check("removed", text, &[b"one two"], &Origin::default()), 1);
    assert_eq!(check("removed", text, &[b"one two"], &full_origin(&[])), 1);
}

#[test]
fn conditions_read_slots() {
    let text = r#"
processors:
  - grok: {field: message, patterns: ['%{WORD:a.b} %{INT:n:int}']}
  - set: {if: "ctx.a.b == 'yes' && ctx.n > 4", field: big, value: true}
  - set: {if: "ctx.x?.y == null", field: x.y, value: 'none'}
  - drop: {if: "ctx.message.contains('drop')"}
  - uppercase: {if: "ctx.host?.name != null", field: host.name}
  - set: {if: "ctx.a?.b.length() == 3 && ctx.a.isEmpty() == false", field: three, value: 1}
  - set: {if: "ctx.n == 5 && ctx.host?.name?.nothing?.at?.all == null", field: five, value: 1, ignore_failure: true}
  - set: {if: "ctx.a.b === ctx.a.b || ctx.a.b =~ /^n/", field: same, value: 1}
  - set: {if: "ctx.log?.flags instanceof List && ctx.log.flags.contains('truncated')", field: cut, value: 1}
  - set: {if: "ctx.labels?.env == 'prod'", field: is.prod, value: 1}
"#;
    let lines: &[&[u8]] = &[b"yes 5", b"yes 3", b"no 7", b"drop 1", b"", b"\xff 1"];
    assert_eq!(check("conditions", text, lines, &Origin::default()), 4);
    // Labels are there as JSON alone.
    assert_eq!(check("conditions", text, lines, &full_origin(&[("env".into(), "prod".into())])), 1);
}

#[test]
fn fields_that_may_be_objects_have_no_plan() {
    for processor in [
        "set: {field: message.x, value: 1}",
        "set: {field: host, value: 1}",
        "set: {field: '{{x}}', value: 1}",
        "set: {field: x, value: {a: 1}}",
        "rename: {field: log, target_field: x}",
        "json: {field: message}",
        "set: {field: _index, value: x}",
        "grok: {field: message, patterns: ['%{WORD:a} %{WORD:a.b}']}",
    ] {
        let text = format!("processors: [{{{processor}}}]");
        assert_eq!(check("object", &text, &[b"{}", b"a b"], &Origin::default()), 0, "{processor}");
    }
}

#[test]
fn what_has_no_plan_matters_only_where_it_runs() {
    let text = r#"
processors:
  - json: {if: "ctx.message.startsWith('{')", field: message, target_field: json}
  - foreach: {if: "ctx.list != null", field: list, processor: {uppercase: {field: _ingest._value}}}
  - pipeline: {if: "ctx.host?.name == null && ctx.message == 'call'", name: nowhere, ignore_missing_pipeline: true}
  - set: {if: "ctx.message == 'object'", field: x.y, value: {z: 1}}
  - set: {field: seen, copy_from: x.y.z, ignore_empty_value: true}
  - append: {field: tags, value: '{{{message}}}'}
"#;
    assert_eq!(check("passed", text, &[b"{}", b"plain", b"call", b"{\"a\":1}"], &Origin::default()), 1);
    assert_eq!(check("passed", text, &[b"{}", b"plain", b"call"], &full_origin(&[])), 2);
}

#[test]
fn a_pipeline_whose_lines_begin_anew_stops_trying() {
    let text = "processors: [{grok: {field: message, patterns: ['^x']}}]";
    let pipeline = Pipeline::parse("anew", text).unwrap();
    let context = Context::at(0, NOW.parse().unwrap());
    let tries = |line: &[u8]| {
        let mut tally = Tally::default();
        let came = (0..900).map(|_| pipeline.run_line(line, &Origin::default(), &context, &mut tally, |_| Some(())));
        came.filter(|came| *came == Came::Done(())).count()
    };
    assert_eq!(tries(b"x"), 900);
    assert_eq!(tries(b"y"), 0);
    // It has given up, and finds its way back.
    let done = tries(b"x");
    assert!((500..900).contains(&done), "{done}");
    assert_eq!(tries(b"x"), 900);
}

/// Pipelines of processors that know slots, over few fields so that they meet.
#[test]
fn random_pipelines_do_the_same() {
    let seed =
        std::env::var("SLUICE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("SLUICE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut planned, pipelines) = (0, 500);
    for _ in 0..pipelines {
        let count = random.usize(1..7);
        let processors: Vec<String> = (0..count).map(|_| processor(&mut random)).collect();
        let text = format!("processors:\n{}", processors.concat());
        let lines: Vec<String> = (0..6).map(|_| line(&mut random)).collect();
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        let origin = match random.usize(..4) {
            0 => Origin::default(),
            1 => full_origin(&[]),
            _ => file_origin(&mut random),
        };
        planned += usize::from(check("random", &text, &lines, &origin) > 0);
    }
    assert!(planned > pipelines / 10, "{planned} of {pipelines}");
}

/// Of what is known of the lines of a file.
fn file_origin(random: &mut fastrand::Rng) -> Origin<'static> {
    Origin {
        timestamp_ms: 1_763_899_200_123,
        host_name: [None, Some("web"), Some("web\"1")][random.usize(..3)],
        file_path: [None, Some("/a"), Some("/var/log/of/a/service/with/a/long/name/access.log")][random.usize(..3)],
        position: [None, Some(0), Some(1 << 40)][random.usize(..3)],
        dataset: [None, Some("web"), Some("nginx.access")][random.usize(..3)],
        ..Origin::default()
    }
}

fn one<'a>(random: &mut fastrand::Rng, of: &[&'a str]) -> &'a str {
    of[random.usize(..of.len())]
}

fn processor(random: &mut fastrand::Rng) -> String {
    const FIELDS: &[&str] = &[
        "a",
        "b",
        "c.d",
        "c.e.f",
        "message",
        "@timestamp",
        "host.name",
        "host.ip",
        "log.offset",
        "log.file.path",
        "log.file.size",
        "event.dataset",
        "event.kind",
        "ecs.version",
        "stream",
    ];
    let (field, other) = (one(random, FIELDS), one(random, FIELDS));
    let missing = one(random, &["", ", ignore_missing: true"]);
    let body = match random.usize(..15) {
        0 | 1 => {
            let pattern = one(
                random,
                &[
                    "%{WORD:a} %{INT:b:long}",
                    "%{DATA:c.d} %{GREEDYDATA:a}",
                    "%{WORD:a}|%{INT:a}",
                    "%{WORD:b} %{WORD:b}",
                ],
            );
            format!("grok: {{field: '{field}', patterns: ['{pattern}']{missing}")
        }
        2 => format!("set: {{field: '{field}', value: {}", one(random, &["1", "x", "''", "2.5", "true", "'a\"b'"])),
        3 => {
            format!("set: {{field: '{field}', copy_from: '{other}'{}", one(random, &["", ", ignore_empty_value: true"]))
        }
        4 => format!("set: {{field: '{field}', value: y, override: false"),
        5 => {
            let kind = one(random, &["long", "integer", "double", "float", "boolean", "ip", "string", "auto"]);
            format!("convert: {{field: '{field}', type: {kind}, target_field: '{other}'{missing}")
        }
        6 => {
            let field =
                one(random, &["a", "c", "c.e", "c.d", "a', 'b", "host", "log", "log.file", "event", "ecs", "stream"]);
            format!("remove: {{field: ['{field}']{missing}")
        }
        7 => format!(
            "rename: {{field: '{field}', target_field: '{other}'{}{missing}",
            one(random, &["", ", override: true"])
        ),
        8 => format!(
            "{}: {{field: '{field}', target_field: '{other}'{missing}",
            one(random, &["lowercase", "uppercase", "trim"])
        ),
        9 => format!("gsub: {{field: '{field}', pattern: '[0-9]+', replacement: '<$0>'{missing}"),
        10 => format!(
            "append: {{field: '{field}', value: {}{}",
            one(random, &["x", "[x, y]", "'{{{a}}}-{{c.d}}'"]),
            one(random, &["", ", allow_duplicates: false"])
        ),
        11 => format!(
            "append: {{field: '{field}', copy_from: '{other}'{}",
            one(random, &["", ", ignore_empty_values: true"])
        ),
        12 => format!(
            "set: {{field: '{field}', value: {}{}",
            one(random, &["'{{{b}}}/{{a}}'", "[x, 1]", "'{{log.offset}} at {{{@timestamp}}}'"]),
            one(random, &["", ", ignore_empty_value: true", ", override: false"])
        ),
        13 => format!(
            "date: {{field: '{field}', target_field: '{other}', formats: ['yyyy', 'ISO8601', 'UNIX']{}",
            one(random, &["", ", timezone: 'Europe/Berlin'", ", timezone: '{{{b}}}'"])
        ),
        _ => one(random, &["drop: {tag: d", "user_agent: {field: message, target_field: c"]).to_owned(),
    };
    let ignore = one(random, &["", ", ignore_failure: true"]);
    let condition = match random.usize(..4) {
        0 => format!(", if: \"ctx.{} != null\"", field.replace('.', "?.").replace('@', "")),
        1 => ", if: \"ctx.a == 'x' || ctx.c?.d == null\"".to_owned(),
        _ => String::new(),
    };
    format!("  - {body}{ignore}{condition}}}\n")
}

fn line(random: &mut fastrand::Rng) -> String {
    let words = ["x", "17", "2024", "true", "192.0.2.7", "a\"b\\", "ü", "", "Y", " ", "3.5", "2024-03-05T01:02:03Z"];
    let count = random.usize(..4);
    (0..count).map(|_| words[random.usize(..words.len())]).collect::<Vec<_>>().join(" ")
}
