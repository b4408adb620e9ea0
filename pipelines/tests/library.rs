//! Runs each ready-made pipeline over its sample lines, `tests/library/NAME/*.log`, and compares the documents with those in
//! `*.log-expected.json` beside them: the layout of Elastic's packages, so that `sluice pipeline test` runs them too.
//!
//! `UPDATE_EXPECTED=1 cargo test -p pipelines --test library` writes the expected files anew; read the difference.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pipelines::document::{Document, Map};
use pipelines::library;
use pipelines::pipeline::{Context, Outcome, Pipeline, Settings};
use serde_json::{Value, json};

/// Each pipeline is shown as many kinds of lines at least.
const SAMPLES_MIN: usize = 6;
/// Every value that `log.level` has when a ready-made pipeline has read it.
const LEVELS: &[&str] = &["trace", "debug", "info", "notice", "warn", "error", "critical", "fatal"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library")
}

/// Sample files of a pipeline, in the order of their names.
fn samples(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.sort();
    paths
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// `*.log-config.yml`: what every document has beside its message, and where a record of several lines begins.
#[derive(serde::Deserialize)]
struct Config {
    fields: serde_json::Map<String, Value>,
    multiline: Option<Multiline>,
}

#[derive(serde::Deserialize)]
struct Multiline {
    first_line_pattern: String,
}

impl Config {
    fn of(path: &Path) -> Config {
        let path = beside(path, "-config.yml");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn records(&self, text: &str) -> Vec<String> {
        let Some(multiline) = &self.multiline else { return text.lines().map(str::to_owned).collect() };
        let first = regex::Regex::new(&multiline.first_line_pattern).unwrap();
        let mut records: Vec<String> = Vec::new();
        for line in text.lines() {
            match records.last_mut() {
                Some(record) if !first.is_match(line) => record.extend(["\n", line]),
                _ => records.push(line.to_owned()),
            }
        }
        records
    }
}

fn run(pipeline: &Pipeline, record: &str, config: &Config) -> Value {
    let mut document = Document::from_map(Map::new());
    document.set("message", record).unwrap();
    for (name, value) in &config.fields {
        document.set(name, value.as_str().expect("fields are texts")).unwrap();
    }
    let read_at: Timestamp = config.fields["@timestamp"].as_str().unwrap().parse().unwrap();
    let outcome = pipeline.run(&mut document, &Context::at(read_at.as_millisecond(), read_at));
    assert_eq!(outcome, Outcome::Done, "{}: {record:?}", pipeline.name());
    let mut out = Vec::new();
    document.write_json(&mut out);
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn ready_made_pipelines_give_the_expected_documents() {
    let mut all_faults = Vec::new();
    // What is on this machine must not tell: tests/geoip.rs has databases of its own.
    let no_databases = tempfile::tempdir().unwrap();
    let settings = Settings { geoip_folder: no_databases.path().to_owned(), ..Settings::default() };
    for name in library::names() {
        let pipeline = Pipeline::load_with(name, &settings).unwrap_or_else(|error| panic!("{error}"));
        let mut count = 0;
        for path in samples(name) {
            let config = Config::of(&path);
            let records = config.records(&fs::read_to_string(&path).unwrap());
            let got: Vec<Value> = records.iter().map(|record| run(&pipeline, record, &config)).collect();
            count += got.len();
            for (record, document) in records.iter().zip(&got) {
                all_faults.extend(faults(name, record, document));
            }
            let expected = beside(&path, "-expected.json");
            if std::env::var_os("UPDATE_EXPECTED").is_some() {
                let text = serde_json::to_string_pretty(&json!({"expected": got})).unwrap();
                fs::write(&expected, text + "\n").unwrap();
            }
            let want = fs::read_to_string(&expected).unwrap_or_else(|error| panic!("{}: {error}", expected.display()));
            let want: Value = serde_json::from_str(&want).unwrap();
            let want = want["expected"].as_array().unwrap();
            for (number, (got, want)) in got.iter().zip(want).enumerate() {
                assert_eq!(got, want, "{}, record {}", path.display(), number + 1);
            }
            assert_eq!(got.len(), want.len(), "{}", path.display());
        }
        assert!(count >= SAMPLES_MIN, "{name} has {count} samples; want {SAMPLES_MIN}");
    }
    assert!(all_faults.is_empty(), "{}", all_faults.join("\n"));
}

/// What does not hold of what holds for every document of every ready-made pipeline.
fn faults(name: &str, record: &str, document: &Value) -> Vec<String> {
    let at = |pointer: &str| document.pointer(pointer);
    let mut faults = Vec::new();
    let mut want = |holds: bool, fault: &str| {
        if !holds {
            faults.push(format!("{name}: {fault}: {record:?}\n{document:#}"));
        }
    };
    // The journal writes what is not text as a list of bytes.
    let is_message = |message: &Value| message.is_string() || (name == "journald" && message.is_array());
    want(at("/message").is_some_and(is_message), "no message");
    want(at("/@timestamp").is_some_and(Value::is_string), "no time");
    want(at("/_tmp").is_none(), "something is left over");
    want(name == "generic" || at("/event/dataset").is_some_and(Value::is_string), "no dataset");
    if let Some(level) = at("/log/level") {
        want(level.as_str().is_some_and(|level| LEVELS.contains(&level)), "unknown level");
    }
    let tags = at("/tags").and_then(Value::as_array);
    if tags.is_some_and(|tags| tags.contains(&json!("_pipeline_failure"))) {
        want(at("/error/message").is_some(), "no reason");
        want(at("/message") == Some(&json!(record)), "the line is lost");
    }
    faults
}
