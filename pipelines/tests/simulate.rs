//! `GET _ingest/pipeline` and `_simulate` against what OpenSearch 3.8 answered to the same requests.
//!
//! `tests/simulate.ndjson`: the first line has the stored pipelines, each further one a request and its answer, in which
//! timestamps are `T`. `tests/system/suite/pipelines.rs` at the root asks OpenSearch all of it again.

use pipelines::pipeline::Pipeline;
use pipelines::simulate::{self, Answer, BODY_BYTES_MAX, Catalogue};
use serde_json::{Value as Json, json};

const NOW: &str = "2026-03-01T00:30:00Z";

fn catalogue(stored: &Json) -> Catalogue {
    let load = |(id, pipeline): (&String, &Json)| {
        // What the others call is known only together.
        let text =
            pipeline.to_string().replace("\"name\":\"inner\"", "\"name\":\"inner\",\"ignore_missing_pipeline\":true");
        Pipeline::parse(&format!("{id}.json"), &text).expect("a stored pipeline")
    };
    let pipelines: Vec<Pipeline> = stored.as_object().expect("pipelines by id").iter().map(load).collect();
    Catalogue::of(&pipelines)
}

fn ask(method: &str, path: &str, body: &str, catalogue: &Catalogue) -> Answer {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let rest = path.strip_prefix("/_ingest/pipeline").expect("a path of ingest pipelines").trim_start_matches('/');
    if method == "GET" {
        return simulate::show((!rest.is_empty()).then_some(rest), catalogue);
    }
    let id = rest.strip_suffix("_simulate").expect("a simulation").trim_end_matches('/');
    let is_verbose = matches!(query, "verbose" | "verbose=true");
    simulate::simulate(
        body.as_bytes(),
        (!id.is_empty()).then_some(id),
        is_verbose,
        catalogue,
        NOW.parse().expect("a time"),
    )
}

/// What cannot be equal: times, where in a script it failed, and what was added to the stored pipeline above.
fn comparable(answer: &Json) -> Json {
    match answer {
        Json::Object(fields) => {
            let left_out = ["script_stack", "position", "ignore_missing_pipeline"];
            let kept = fields.iter().filter(|(name, value)| {
                // What a loop leaves behind is null, and nobody can see it.
                !(left_out.contains(&name.as_str()) || *name == "_value" && value.is_null())
            });
            kept.map(|(name, value)| {
                let value = match (name.as_str(), value) {
                    ("timestamp", Json::String(_)) => json!("T"),
                    // Java names a variable of its own.
                    ("reason", Json::String(text)) if text.starts_with("Cannot invoke ") => json!("Cannot invoke"),
                    _ => comparable(value),
                };
                (name.clone(), value)
            })
            .collect::<serde_json::Map<_, _>>()
            .into()
        }
        Json::Array(values) => values.iter().map(comparable).collect(),
        other => other.clone(),
    }
}

#[test]
fn answers_are_those_of_the_reference() {
    let mut lines =
        include_str!("simulate.ndjson").lines().map(|line| serde_json::from_str::<Json>(line).expect("JSON"));
    let catalogue = catalogue(&lines.next().expect("the stored pipelines")["stored"]);
    let (mut wrong, mut count) = (Vec::new(), 0);
    for case in lines {
        count += 1;
        let (method, path) = (case["method"].as_str().expect("a method"), case["path"].as_str().expect("a path"));
        let body = case["body"].as_str().unwrap_or_default();
        let Answer { status, body: got } = ask(method, path, body, &catalogue);
        let got: Json = serde_json::from_slice(&got).expect("the answer is JSON");
        let (got, want) = (comparable(&got), comparable(&case["answer"]));
        if case["status"] != status || got != want {
            wrong.push(format!("{method} {path} {body}\n  got  {status} {got}\n  want {} {want}", case["status"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} answers differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 40, "only {count} requests");
}

#[test]
fn rubbish_is_refused() {
    let catalogue = Catalogue::default();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_document = format!(r#"{{"pipeline":{{"processors":[]}},"docs":[{{"_source":{{"a":{deep}}}}}]}}"#);
    let deep_pipeline = format!(r#"{{"pipeline":{{"processors":{deep}}},"docs":[{{"_source":{{}}}}]}}"#);
    let script = r#"{"pipeline":{"processors":[{"script":{"source":"ctx.a = 1"}}]},"docs":[{"_source":{}}]}"#;
    for body in
        ["", " \n", "nonsense", "[]", "{", "\u{0}", "{\"docs\":[{}]}", &deep, &deep_document, &deep_pipeline, script]
    {
        let Answer { status, body: answer } = ask("POST", "/_ingest/pipeline/_simulate", body, &catalogue);
        let answer: Json = serde_json::from_slice(&answer).expect("the answer is JSON");
        assert_eq!(status, 400, "{answer}");
        assert_eq!(answer["status"], 400, "{answer}");
        assert!(answer["error"]["root_cause"][0]["reason"].is_string(), "{answer}");
    }
}

#[test]
fn answers_have_a_limit() {
    let document = format!(r#"{{"_source":{{"l":{:?},"t":"{}"}}}}"#, vec![1; 1000], "x".repeat(1 << 20));
    let loops = r#"{"foreach":{"field":"l","processor":{"set":{"field":"b","value":1}}}}"#;
    let sets = vec![r#"{"set":{"field":"a","value":1}}"#; 100].join(",");
    let body = format!(r#"{{"pipeline":{{"processors":[{loops},{sets}]}},"docs":[{document},{document}]}}"#);
    assert!(body.len() < BODY_BYTES_MAX);
    let Answer { status, body } = ask("POST", "/_ingest/pipeline/_simulate?verbose", &body, &Catalogue::default());
    assert_eq!(status, 413, "{}", String::from_utf8_lossy(&body[..200.min(body.len())]));
}
