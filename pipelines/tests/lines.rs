//! `run_lines`: lines in, one document each out.

use pipelines::pipeline::Pipeline;
use pipelines::{LinesRun, run_lines};

#[test]
fn each_line_becomes_one_line_of_json() {
    let text = "
processors:
  - grok: {field: message, patterns: ['^%{WORD:kind} %{INT:n:int}$']}
  - grok: {field: kind, patterns: ['^keep$'], on_failure: [drop: {}]}
";
    let pipeline = Pipeline::parse("p.yml", text).unwrap();
    let mut out = Vec::new();
    let lines = b"keep 1\r\nother 2\n\nkeep 3\xff\nkeep 4";
    let run = run_lines(&pipeline, "2026-03-01T00:30:00Z".parse().unwrap(), &lines[..], &mut out).unwrap();
    assert_eq!(run, LinesRun { lines: 5, documents: 4, dropped: 1, failed: 2 });
    let start = r#"{"@timestamp":"2026-03-01T00:30:00.000Z","message":"#;
    let ecs = r#""ecs":{"version":"8.17.0"}"#;
    let failed = r#""error":{"message":"processor grok: Provided Grok expressions do not match field value: "#;
    let want = [
        format!(r#"{start}"keep 1",{ecs},"kind":"keep","n":1}}"#),
        format!(r#"{start}"",{ecs},{failed}[]"}},"tags":["_pipeline_failure"]}}"#),
        format!(
            r#"{start}"keep 3{}",{ecs},"tags":["_invalid_utf8","_pipeline_failure"],{failed}[keep 3{}]"}}}}"#,
            '\u{fffd}', '\u{fffd}'
        ),
        format!(r#"{start}"keep 4",{ecs},"kind":"keep","n":4}}"#),
    ];
    let got = String::from_utf8(out).unwrap();
    assert_eq!(got.lines().collect::<Vec<_>>(), want);
}

/// Whatever pieces a reader gives, and whatever comes before and behind a line, its document is the same.
#[test]
fn how_lines_are_read_does_not_matter() {
    let text = "
processors:
  - grok: {field: message, patterns: ['^%{WORD:word}( %{INT:number:int})?( %{GREEDYDATA:rest})?$'], ignore_failure: true}
";
    let pipeline = Pipeline::parse("p.yml", text).unwrap();
    let now = "2026-03-01T00:30:00Z".parse().unwrap();
    let long = format!("long 7 {}", "\u{e4}\"".repeat(30_000));
    let lines: [&[u8]; 12] = [
        b"one 1",
        b"",
        b"two 2 with \"quotes\" and \\ and \x01",
        b"\xff three",
        "vier 4 \u{1f600} \u{e4}\u{f6}".as_bytes(),
        b"five\r",
        long.as_bytes(),
        b"\r",
        b"cut \xf0\x9f\x98",
        b"six 123456789 x",
        b"seven -12 y",
        b"eight",
    ];
    let mut want = Vec::new();
    for line in lines {
        let line = [line.strip_suffix(b"\r").unwrap_or(line), b"\n"].concat();
        run_lines(&pipeline, now, &line[..], &mut want).unwrap();
    }
    let all = lines.join(&b'\n');
    for capacity in [1, 3, 7, 64, 1000, 1 << 15, 1 << 20] {
        let mut got = Vec::new();
        let reader = std::io::BufReader::with_capacity(capacity, &all[..]);
        let run = run_lines(&pipeline, now, reader, &mut got).unwrap();
        assert_eq!((run.lines, run.documents), (12, 12));
        assert!(got == want, "{capacity}: {}", String::from_utf8_lossy(&got));
    }
}
