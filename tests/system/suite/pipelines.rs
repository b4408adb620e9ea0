//! The recorded answers in `pipelines/tests/reference/` against a real OpenSearch.
//!
//! With `SLUICE_RECORD=1` the answers are written anew; read the difference before you commit it.

use crate::harness::http;
use crate::harness::scene::Scene;
use crate::real;
use anyhow::{Context, bail};
use serde_json::{Value as Json, json};
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by who has pipelines stored on the shared server: both tests store some under the same names, and one looks at the
/// list of all.
fn stored_pipelines() -> MutexGuard<'static, ()> {
    static STORED: Mutex<()> = Mutex::new(());
    STORED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every pipeline and document that has a recorded answer is asked again. `cargo test -p pipelines --test reference`
/// compares the same answers with ours.
pub fn answers_are_as_recorded(_: &Scene) -> anyhow::Result<()> {
    let server = real::opensearch()?;
    let _stored = stored_pipelines();
    let record = std::env::var_os("SLUICE_RECORD").is_some();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/tests/reference");
    let mut wrong = Vec::new();
    let mut cases = 0;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "ndjson") {
            continue;
        }
        let mut lines = Vec::new();
        for (number, line) in fs::read_to_string(&path)?.lines().enumerate() {
            let mut group: Json =
                serde_json::from_str(line).with_context(|| format!("{}:{}", path.display(), number + 1))?;
            let answered = ask(&server.url, &group)?;
            cases += group["docs"].as_array().map_or(0, Vec::len);
            for name in ["answers", "refused"] {
                if !record && !is_same(group.get(name), answered.get(name)) {
                    let place = format!("{}:{}", path.file_name().unwrap_or_default().display(), number + 1);
                    wrong.push(format!(
                        "{place} {}\n  recorded {:?}\n  now      {:?}",
                        group["pipeline"],
                        group.get(name),
                        answered.get(name)
                    ));
                }
                match answered.get(name) {
                    Some(value) => group[name] = value.clone(),
                    None => drop(group.as_object_mut().and_then(|group| group.remove(name))),
                }
            }
            lines.push(group.to_string());
        }
        if record {
            fs::write(&path, lines.join("\n") + "\n")?;
        }
    }
    println!("{cases} answers of OpenSearch");
    if !wrong.is_empty() {
        bail!("{} answers are other than recorded:\n{}", wrong.len(), wrong.join("\n"));
    }
    Ok(())
}

/// Every request to `_ingest/pipeline` that has a recorded answer is asked again. `cargo test -p pipelines --test simulate`
/// compares the same answers with ours.
pub fn simulations_are_as_recorded(_: &Scene) -> anyhow::Result<()> {
    let server = real::opensearch()?;
    let _stored = stored_pipelines();
    let client = http::client();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/tests/simulate.ndjson");
    let text = fs::read_to_string(&path)?;
    let mut cases = text.lines().map(serde_json::from_str::<Json>);
    let stored = cases.next().context("the stored pipelines come first")??;
    let stored = stored["stored"].as_object().context("stored pipelines have ids")?;
    for (id, pipeline) in stored {
        client.put(format!("{}/_ingest/pipeline/{id}", server.url)).json(pipeline).send()?.error_for_status()?;
    }
    let mut wrong = Vec::new();
    for case in cases {
        let case = case?;
        let url = format!("{}{}", server.url, case["path"].as_str().context("a case has a path")?);
        let request = match case["body"].as_str() {
            Some(body) => client.post(&url).header("content-type", "application/json").body(body.to_owned()),
            None => client.get(&url),
        };
        let answer = request.send()?;
        let status = answer.status().as_u16();
        let now = without_times(answer.json()?);
        // What Java calls a variable changes with what the server met before.
        let is_null = now.to_string().contains("Cannot invoke ") && case.to_string().contains("Cannot invoke ");
        if case["status"] != status || (now != case["answer"] && !is_null) {
            wrong.push(format!("{}\n  recorded {}\n  now      {status} {now}", case["path"], case["answer"]));
        }
    }
    for id in stored.keys() {
        client.delete(format!("{}/_ingest/pipeline/{id}", server.url)).send()?;
    }
    if !wrong.is_empty() {
        bail!("{} answers are other than recorded:\n{}", wrong.len(), wrong.join("\n"));
    }
    Ok(())
}

/// The answer with `T` for each timestamp.
fn without_times(mut answer: Json) -> Json {
    match &mut answer {
        Json::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                *value = match name == "timestamp" && value.is_string() {
                    true => json!("T"),
                    false => without_times(value.take()),
                };
            }
        }
        Json::Array(values) => values.iter_mut().for_each(|value| *value = without_times(value.take())),
        _ => {}
    }
    answer
}

/// The text that Java gives where Painless met null changes with what the server met before.
fn is_same(one: Option<&Json>, other: Option<&Json>) -> bool {
    let (Some(Json::Array(one)), Some(Json::Array(other))) = (one, other) else {
        return one.is_some() == other.is_some();
    };
    let text = |answer: &Json| answer["error"].as_str().map(str::to_owned);
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| match (text(one), text(other)) {
            (Some(one), Some(other)) => {
                one == other
                    || one == "None"
                    || other == "None"
                    || one.starts_with("Cannot invoke") && other.starts_with("Cannot invoke")
            }
            _ => one == other,
        })
}

/// `{answers}` or `{refused}` of a group.
fn ask(url: &str, group: &Json) -> anyhow::Result<Json> {
    let client = http::client();
    let with = group.get("with").and_then(Json::as_object);
    for (id, pipeline) in with.into_iter().flatten() {
        client.put(format!("{url}/_ingest/pipeline/{id}")).json(pipeline).send()?.error_for_status()?;
    }
    let pipeline = group.get("asked").unwrap_or(&group["pipeline"]);
    let docs = group["docs"].as_array().context("a group has documents")?;
    let answered = simulate(url, pipeline, docs)?;
    let answer = match answered.get("docs").and_then(Json::as_array) {
        Some(answers) => json!({ "answers": answers.iter().map(answer).collect::<Vec<_>>() }),
        // Some failures end the whole request: then each document is asked alone.
        None => {
            let each = docs
                .iter()
                .map(|doc| simulate(url, pipeline, std::slice::from_ref(doc)))
                .collect::<Result<Vec<_>, _>>()?;
            let probe = simulate(url, pipeline, &[json!({"q": "only to see whether it is refused"})])?;
            let reasons: Vec<String> =
                each.iter().chain([&probe]).filter_map(|one| one.get("error")).map(deepest).collect();
            if reasons.len() == each.len() + 1
                && reasons.iter().all(|reason| *reason == reasons[0])
                && group.get("answers").is_none()
            {
                json!({ "refused": reasons[0] })
            } else {
                let answers = each.iter().map(|one| one.pointer("/docs/0").map_or_else(|| answer(one), answer));
                json!({ "answers": answers.collect::<Vec<_>>() })
            }
        }
    };
    for (id, _) in with.into_iter().flatten() {
        client.delete(format!("{url}/_ingest/pipeline/{id}")).send()?;
    }
    Ok(answer)
}

fn simulate(url: &str, pipeline: &Json, docs: &[Json]) -> anyhow::Result<Json> {
    let docs: Vec<Json> = docs.iter().map(|doc| json!({ "_source": doc })).collect();
    let body = json!({ "pipeline": pipeline, "docs": docs });
    Ok(http::client().post(format!("{url}/_ingest/pipeline/_simulate")).json(&body).send()?.json()?)
}

/// One document's answer in the form of the recorded ones.
fn answer(doc: &Json) -> Json {
    if doc.is_null() {
        return Json::Null;
    }
    if let Some(error) = doc.get("error") {
        return json!({ "error": deepest(error) });
    }
    let doc = &doc["doc"];
    let mut answer = json!({ "doc": doc["_source"] });
    for (name, value) in doc.as_object().into_iter().flatten() {
        let given = matches!(name.as_str(), "_index" | "_id") && value == name.as_str();
        if !matches!(name.as_str(), "_source" | "_ingest") && !given {
            answer[name] = value.clone();
        }
    }
    let ingest: serde_json::Map<String, Json> = doc["_ingest"]
        .as_object()
        .map(|ingest| {
            ingest
                .iter()
                .filter(|(name, _)| *name != "timestamp")
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        })
        .unwrap_or_default();
    if !ingest.is_empty() {
        answer["_ingest"] = Json::Object(ingest);
    }
    answer
}

/// The innermost reason: what a handler gets to see.
fn deepest(error: &Json) -> String {
    let mut error = error;
    while let Some(cause) = error.get("caused_by") {
        error = cause;
    }
    let reason = error["reason"].as_str().unwrap_or("None");
    reason.replace("org.opensearch.", "org.elasticsearch.")
}
