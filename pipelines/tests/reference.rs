//! Compares pipelines with what OpenSearch 3.8 answered to the same pipelines and documents.
//!
//! Each line of `tests/reference/*.ndjson` is a pipeline with documents and the recorded answers to them:
//! `{pipeline, docs, answers}`, where an answer is `{doc, ..}` with metadata beside it, `{error}` with the failure's text,
//! or null for a dropped document. Instead of `answers` stands `refused` when the pipeline is none. `with` holds further
//! pipelines by id, `texts` says why only the fact of a failure is compared and not its words, and `asked` the pipeline that OpenSearch got when its options have other names there. Where
//! Elasticsearch's meaning is another one than OpenSearch's, or ours is on purpose, `differs` says so: by the document's
//! number (or `refused`) the `reason`, and the answer that we `want`. The live comparison with OpenSearch
//! (`tests/system/suite/pipelines.rs` at the root) asks all of it again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use pipelines::document::{Document, Map, Value};
use pipelines::pipeline::{Context, LoadError, MissingYear, Outcome, Pipeline, Resolve, Settings};
use serde_json::Value as Json;

/// How many of a hundred cases may differ.
const DIFFERENCES_PERCENT_MAX: usize = 1;
const CASES_MIN: usize = 1500;
/// When the pipelines run. Times without a year are not among the cases.
const NOW: &str = "2026-03-01T00:30:00Z";

#[test]
fn documents_are_those_of_the_reference() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    files.sort();
    let mut tally = Tally::default();
    for file in &files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let group: Json =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}:{}: {error}", number + 1));
            check(&format!("{name}.ndjson:{}", number + 1), &group, &mut tally);
        }
    }
    assert!(
        tally.wrong.is_empty(),
        "{} of {} cases are other than the reference's answers:\n{}",
        tally.wrong.len(),
        tally.cases,
        tally.wrong.join("\n")
    );
    assert!(tally.cases >= CASES_MIN, "only {} cases", tally.cases);
    let differences_max = tally.cases * DIFFERENCES_PERCENT_MAX / 100;
    assert!(tally.differences <= differences_max, "{} of {} cases differ on purpose", tally.differences, tally.cases);
}

#[derive(Default)]
struct Tally {
    cases: usize,
    differences: usize,
    wrong: Vec<String>,
}

/// The pipelines beside the one that is checked.
struct Beside<'a>(Option<&'a serde_json::Map<String, Json>>);

impl Resolve for Beside<'_> {
    fn resolve(&self, id: &str) -> Result<Option<(String, String)>, LoadError> {
        Ok(self.0.and_then(|with| with.get(id)).map(|pipeline| (format!("{id}.json"), pipeline.to_string())))
    }

    fn all(&self) -> Vec<String> {
        self.0.map(|with| with.keys().cloned().collect()).unwrap_or_default()
    }
}

fn check(place: &str, group: &Json, tally: &mut Tally) {
    let docs = group["docs"].as_array().unwrap();
    let with = Beside(group.get("with").and_then(Json::as_object));
    let name = "_simulate_pipeline.json";
    let pipeline = Pipeline::parse_with(name, &group["pipeline"].to_string(), &Settings::default(), &with);
    let differs: BTreeMap<String, Json> =
        group.get("differs").map(|differs| serde_json::from_value(differs.clone()).unwrap()).unwrap_or_default();
    for difference in differs.values() {
        assert!(difference["reason"].is_string(), "{place}: a difference has a reason");
    }
    for (number, doc) in docs.iter().enumerate() {
        tally.cases += 1;
        let difference = differs.get(&number.to_string()).or_else(|| differs.get("refused"));
        tally.differences += usize::from(difference.is_some());
        let got = match &pipeline {
            Ok(pipeline) => answer(pipeline, doc),
            Err(error) => serde_json::json!({"refused": error.to_string()}),
        };
        let recorded = match group.get("answers") {
            Some(answers) => answers[number].clone(),
            None => serde_json::json!({"refused": group["refused"]}),
        };
        let want = difference.map_or(recorded, |difference| difference["want"].clone());
        let words = group.get("texts").is_none() || difference.is_some();
        if !is_same(&got, &want, words) {
            let pipeline = &group["pipeline"];
            tally.wrong.push(format!("{place} {pipeline} {doc}\n  got  {got}\n  want {want}"));
        }
    }
}

fn answer(pipeline: &Pipeline, doc: &Json) -> Json {
    let mut document = Document::from_json(&doc.to_string()).unwrap();
    for name in ["_index", "_id"] {
        if document.get(name).is_none() {
            document.set(name, name).unwrap();
        }
    }
    let now: Timestamp = NOW.parse().unwrap();
    let context = Context { reference: now, now, year: MissingYear::Current };
    match pipeline.run(&mut document, &context) {
        Outcome::Dropped => Json::Null,
        Outcome::Failed(failure) => serde_json::json!({"error": failure.message}),
        Outcome::Done => {
            let mut answer = serde_json::json!({"doc": json(document.source().clone())});
            for name in ["_index", "_id", "_routing"] {
                if let Some(value) = document.get(name)
                    && value.as_str() != Some(name)
                {
                    let mut map = Map::new();
                    map.insert(name, value.clone());
                    answer[name] = json(map)[name].clone();
                }
            }
            let mut ingest = document.ingest().clone();
            ingest.remove("timestamp");
            if !ingest.is_empty() {
                answer["_ingest"] = json(ingest);
            }
            answer
        }
    }
}

fn json(map: Map) -> Json {
    let mut bytes = Vec::new();
    let mut document = Document::new();
    document.set("m", Value::Map(map)).unwrap();
    document.write_json(&mut bytes);
    let mut json: Json = serde_json::from_slice(&bytes).unwrap();
    json["m"].take()
}

/// A refusal has words of its own here; everything else is the same, but for what nobody can see or rely on: what a loop
/// left in `_ingest` as null, and the variable that Java names where Painless met null, which changes with what the
/// expression met before.
fn is_same(got: &Json, want: &Json, words: bool) -> bool {
    match (got.get("refused"), want.get("refused")) {
        (None, None) => {}
        (Some(_), Some(_)) => return true,
        _ => return false,
    }
    let (mut got, mut want) = (got.clone(), want.clone());
    for answer in [&mut got, &mut want] {
        let Some(fields) = answer.as_object_mut() else { continue };
        if fields.get("_ingest").and_then(Json::as_object).is_some_and(|ingest| ingest.values().all(Json::is_null)) {
            fields.remove("_ingest");
        }
        if let Some(error) = fields.get_mut("error") {
            let null =
                error.as_str().is_some_and(|text| text.starts_with("Cannot invoke \"Object.getClass()\" because"));
            if null {
                *error = Json::from("null");
            } else if !words {
                *error = Json::from("a failure");
            }
        }
    }
    got == want
}
