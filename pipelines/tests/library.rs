//! Runs each ready-made pipeline over `tests/library/NAME.log` and compares with `NAME.expected.ndjson`.
//!
//! `UPDATE_EXPECTED=1 cargo test -p pipelines --test library` writes the expected files anew; read the difference.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use pipelines::document::{Document, Origin};
use pipelines::library;
use pipelines::pipeline::{Context, Outcome, Pipeline};

/// When all sample lines were read.
const READ_AT: &str = "2026-03-01T00:30:00Z";

#[test]
fn ready_made_pipelines_give_the_expected_documents() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library");
    for name in library::names() {
        let lines = fs::read(folder.join(name).with_extension("log")).unwrap_or_else(|error| panic!("{name}: {error}"));
        let got = documents(name, &lines);
        let path = folder.join(format!("{name}.expected.ndjson"));
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&path, &got).unwrap();
        }
        let want = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (number, (got, want)) in got.lines().zip(want.lines()).enumerate() {
            assert_eq!(got, want, "{name}, line {}", number + 1);
        }
        assert_eq!(got.lines().count(), want.lines().count(), "{name}");
    }
}

fn documents(name: &str, lines: &[u8]) -> String {
    let pipeline = Pipeline::load(name).unwrap_or_else(|error| panic!("{error}"));
    let read_at: Timestamp = READ_AT.parse().unwrap();
    let context = Context::at(read_at.as_millisecond(), read_at);
    let mut out = Vec::new();
    let mut position = 0;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let origin = Origin {
            timestamp_ms: read_at.as_millisecond(),
            host_name: Some("web1"),
            file_path: Some("/var/log/sample.log"),
            position: Some(position),
            dataset: Some(name),
            ..Origin::default()
        };
        position += line.len() as u64;
        let mut document = Document::from_line(line.strip_suffix(b"\n").unwrap_or(line), &origin);
        assert_eq!(pipeline.run(&mut document, &context), Outcome::Done, "{name}: {}", line.escape_ascii());
        document.write_json(&mut out);
        out.push(b'\n');
    }
    String::from_utf8(out).unwrap()
}
