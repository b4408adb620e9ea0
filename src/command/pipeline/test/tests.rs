//! A package in a temporary folder, and what a test of it says.

use super::*;

const PIPELINE: &str = r#"
processors:
  - set: {field: event.ingested, copy_from: _ingest.timestamp}
  - grok: {field: message, patterns: ['^%{WORD:kind}( %{INT:n:int})?']}
  - drop: {if: ctx.kind == 'gone'}
  - fail: {if: ctx.kind == 'bad', message: no good}
"#;

/// A data stream of a package, and a run over its samples.
struct Package {
    folder: tempfile::TempDir,
}

impl Package {
    fn new(files: &[(&str, &str)]) -> Self {
        let package = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        package.write("elasticsearch/ingest_pipeline/default.yml", PIPELINE);
        let config = "fields: {tags: [t]}\ndynamic_fields: {event.ingested: '^20[0-9-]+T'}\n";
        package.write("_dev/test/pipeline/test-common-config.yml", config);
        files.iter().for_each(|(name, text)| package.write(&format!("_dev/test/pipeline/{name}"), text));
        package
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join("data_stream/log").join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn expected(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join("data_stream/log/_dev/test/pipeline").join(name)).expect("a file")
    }

    /// The report without the folder's name, and the tally.
    fn test(&self, update: bool) -> (String, Tally) {
        let run = Run { now: "2026-03-01T00:30:00Z".parse().expect("a time"), update, paint: Paint::PLAIN };
        let (mut report, mut tally) = (String::new(), Tally::default());
        for suite in suites::find(self.folder.path(), None).expect("suites") {
            run.suite(&suite, &Settings::default(), &mut report, &mut tally).expect("nothing stands in the way");
        }
        let prefix = format!("{}/data_stream/log/_dev/test/pipeline/", self.folder.path().display());
        (report.replace(&prefix, ""), tally)
    }
}

#[test]
fn differences_are_shown_by_field() {
    let expected = r#"{"expected": [
        {"tags": ["t"], "n": 1.0, "kind": "a", "message": "a 1", "event": {"ingested": "2020"}},
        null,
        {"tags": ["t"], "kind": "b", "m": 2, "message": "b 2"},
        null
    ]}"#;
    let package = Package::new(&[("test-x.log", "a 1\ngone\nb 2\nc\n"), ("test-x.log-expected.json", expected)]);
    let (report, tally) = package.test(false);
    assert_eq!(
        report,
        "FAILED test-x.log (4 events)\n  line 3 \"b 2\"\n    + n: 2\n    - m: 2\n  line 4 \"c\"\n    - (document): null\n    \
         + (document): {\"message\":\"c\",\"tags\":[\"t\"],\"kind\":\"c\"}\n"
    );
    assert_eq!((tally.different, tally.broken, tally.written), (2, 0, 0));
    assert_eq!(tally.summary(Paint::PLAIN), "1 files, 4 events: 2 documents are not as expected");
}

#[test]
fn update_writes_what_is_compared_with_afterwards() {
    let events = r#"{"events": [{"message": "a 1", "z": 1, "b": {"y": 1, "x": 2}}, {"message": "gone"}]}"#;
    let package = Package::new(&[("test-x.json", events)]);
    let (report, tally) = package.test(false);
    assert_eq!(report, "FAILED test-x.json (2 events)\n  test-x.json-expected.json is missing; --update writes it\n");
    assert_eq!(tally.broken, 1);
    let (report, tally) = package.test(true);
    assert_eq!(report, "written test-x.json (2 events)\n");
    assert_eq!((tally.broken, tally.written), (0, 1));
    let expected = package.expected("test-x.json-expected.json");
    assert!(expected.starts_with("{\n    \"expected\": [\n        {\n            \"b\": {\n                \"x\": 2,"));
    assert!(expected.ends_with("        null\n    ]\n}\n"), "{expected}");
    let (report, tally) = package.test(true);
    assert_eq!((&*report, tally.written), ("ok test-x.json (2 events)\n", 0));
}

#[test]
fn a_failed_pipeline_is_never_what_is_expected() {
    let package = Package::new(&[("test-x.log", "bad\n")]);
    let (report, tally) = package.test(true);
    assert_eq!(report.lines().next(), Some("FAILED test-x.log (1 events)"), "{report}");
    assert!(report.contains("line 1 \"bad\"\n    processor conditional: no good"), "{report}");
    assert_eq!((tally.written, tally.different + tally.broken), (0, 1));
}

#[test]
fn dynamic_fields_look_as_they_should() {
    let package = Package::new(&[
        ("test-x.log", "a\n"),
        ("test-x.log-expected.json", r#"{"expected": [{"message": "a", "tags": ["t"], "kind": "a"}]}"#),
    ]);
    assert_eq!(package.test(false).1.different, 0);
    package.write("_dev/test/pipeline/test-x.log-config.yml", "dynamic_fields: {event.ingested: '^19'}\n");
    let (report, tally) = package.test(false);
    assert_eq!(tally.different, 1);
    assert!(report.contains("event.ingested: \"2026-03-01T00:30:00Z\" does not match \"^19\""), "{report}");
    package.write("_dev/test/pipeline/test-x.log-config.yml", "skip: {reason: later}\n");
    assert_eq!(package.test(false).0, "skipped test-x.log: later\n");
}

#[test]
fn another_number_of_events_is_a_difference() {
    let package = Package::new(&[("test-x.log", "gone\n"), ("test-x.log-expected.json", r#"{"expected": []}"#)]);
    let (report, tally) = package.test(false);
    assert!(report.contains("1 events, and 0 documents are expected"), "{report}");
    assert_eq!(tally.broken, 1);
}
