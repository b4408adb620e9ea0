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
