//! Runs the cases in `tests/processor/`: a pipeline, an input document, and the document that comes out.
//!
//! One folder per processor, one file per subject, each a list of cases:
//! `{name, pipeline, input, expected}` where `input` and `expected` are fields, with `_index`, `_id` and `_routing`
//! among them where they matter. Instead of `expected` stands `failure` (message, processor_type and, where there is
//! one, processor_tag) when nothing handles a failure, or `dropped: true`. A case in which Elasticsearch's own answer
//! would be another on purpose says so under `differs`. The live comparison with OpenSearch reads the same files.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pipelines::document::{Document, Map, Value};
use pipelines::pipeline::{Context, MissingYear, Outcome, Pipeline};
use serde_json::Value as Json;

/// What a missing year is resolved against, and when the pipelines run.
const NOW: &str = "2026-03-01T00:30:00Z";

#[test]
fn processors_give_the_expected_documents() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/processor");
    let mut cases = 0;
    let mut wrong = Vec::new();
    for file in files(&root) {
        let text = fs::read_to_string(&file).unwrap();
        let list: Vec<Json> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for case in list {
            cases += 1;
            if let Err(reason) = check(&case) {
                wrong.push(format!("{}: {}: {reason}", file.strip_prefix(&root).unwrap().display(), case["name"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases > 100, "only {cases} cases were found");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn check(case: &Json) -> Result<(), String> {
    let pipeline = Pipeline::parse("case.json", &case["pipeline"].to_string()).map_err(|error| error.to_string())?;
    let mut document = Document::from_json(&case["input"].to_string()).map_err(|error| error.to_string())?;
    let now: Timestamp = NOW.parse().unwrap();
    let context = Context { reference: now, now, year: MissingYear::Nearest };
    let outcome = pipeline.run(&mut document, &context);
    let got = match outcome {
        Outcome::Done => fields(&document),
        Outcome::Dropped => serde_json::json!({"dropped": true}),
        Outcome::Failed(failure) => {
            let mut described = serde_json::json!({
                "message": failure.message,
                "processor_type": failure.processor_type,
            });
            if let Some(tag) = failure.processor_tag {
                described["processor_tag"] = Json::from(&*tag);
            }
            serde_json::json!({"failure": described})
        }
    };
    let want = match (&case["expected"], &case["failure"], &case["dropped"]) {
        (Json::Object(expected), Json::Null, Json::Null) => Json::Object(expected.clone()),
        (Json::Null, failure @ Json::Object(_), Json::Null) => serde_json::json!({"failure": failure}),
        (Json::Null, Json::Null, Json::Bool(true)) => serde_json::json!({"dropped": true}),
        _ => return Err("a case has one of expected, failure and dropped".to_owned()),
    };
    if got == want { Ok(()) } else { Err(format!("\n  got  {got}\n  want {want}")) }
}

/// The document's fields with the metadata that pipelines can set.
fn fields(document: &Document) -> Json {
    let mut json = Vec::new();
    document.write_json(&mut json);
    let mut fields: Json = serde_json::from_slice(&json).unwrap();
    for (name, value) in [("_index", document.index()), ("_id", document.id()), ("_routing", document.routing())] {
        if let Some(value) = value {
            fields[name] = Json::from(value);
        }
    }
    fields
}

#[test]
fn documents_can_be_made_from_maps() {
    let mut map = Map::new();
    map.insert("_id", "7");
    map.insert("a", Value::List(vec![Value::from(true)]));
    let document = Document::from_map(map);
    assert_eq!(fields(&document), serde_json::json!({"_id": "7", "a": [true]}));
}
