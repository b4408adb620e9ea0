//! The recorded answers to searches (`search/tests/queries/`) against a real OpenSearch.
//!
//! `cargo test -p search --test queries` compares the same answers with those of the embedded store. With `SLUICE_RECORD=1`
//! they are written anew; read the difference before you commit it.

#[path = "../../../search/tests/queries/compare.rs"]
mod compare;
#[path = "../../../search/tests/queries/corpus.rs"]
mod corpus;

use super::setup::setup;
use crate::harness::http;
use crate::harness::scene::Scene;
use crate::harness::soak::soak;
use crate::real;
use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Documents of one bulk request.
const BULK_DOCUMENTS: u64 = 5000;

/// Asks every query, over 4,000 documents or, in the full mode, 100,000.
pub fn answers_are_as_recorded(scene: &Scene) -> anyhow::Result<()> {
    let documents: u64 = soak(4000, 100_000);
    let server = real::opensearch()?;
    let name = scene.own_name("queries");
    setup(scene, &server.url, &format!("{name}-<dataset>"), &[])?;
    let index = format!("{}/{name}-all", server.url);
    fill(&index, documents)?;

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("search/tests/queries");
    let recording = folder.join(format!("answers-{documents}.ndjson"));
    let mut answers = Vec::new();
    for line in fs::read_to_string(folder.join("queries.ndjson"))?.lines() {
        let query: Value = serde_json::from_str(line)?;
        answers.push(ask(&index, &query).with_context(|| format!("query {}", query["name"]))?);
    }
    http::client().delete(&index).send()?.error_for_status()?;
    if std::env::var_os("SLUICE_RECORD").is_some() {
        let lines: String = answers.iter().map(|answer| format!("{answer}\n")).collect();
        return Ok(fs::write(&recording, lines)?);
    }
    let recorded = fs::read_to_string(&recording)?;
    let recorded = recorded.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    ensure!(recorded.len() == answers.len(), "{} queries, {} recorded answers", answers.len(), recorded.len());
    let wrong: Vec<String> = recorded
        .iter()
        .zip(&answers)
        // Estimates, and sums of floats, depend on how the server's segments came to be.
        .filter_map(|(recorded, now)| Some((recorded, compare::unequal(recorded, now)?)))
        .map(|(recorded, difference)| format!("{}: {difference}", recorded["name"]))
        .collect();
    if !wrong.is_empty() {
        bail!("{} answers are other than recorded:\n{}", wrong.len(), wrong.join("\n"));
    }
    Ok(())
}

fn fill(index: &str, documents: u64) -> anyhow::Result<()> {
    let settings = json!({ "settings": { "number_of_shards": 1, "number_of_replicas": 0 } });
    http::client().put(index).json(&settings).send()?.error_for_status()?;
    for first in (0..documents).step_by(BULK_DOCUMENTS as usize) {
        let lines = (first..documents.min(first + BULK_DOCUMENTS)).map(|number| {
            format!("{{\"create\":{{\"_id\":\"{}\"}}}}\n{}\n", corpus::id(number), corpus::document(number))
        });
        let request = http::client().post(format!("{index}/_bulk")).header("content-type", "application/x-ndjson");
        let answer: Value = request.body(lines.collect::<String>()).send()?.error_for_status()?.json()?;
        ensure!(answer["errors"] == false, "a document is refused: {answer}");
    }
    http::client().post(format!("{index}/_refresh")).send()?.error_for_status()?;
    Ok(())
}

/// What is compared of an answer.
fn ask(index: &str, query: &Value) -> anyhow::Result<Value> {
    let answer = http::client().post(format!("{index}/_search")).json(&corpus::body(&query["body"])).send()?;
    let status = answer.status().as_u16();
    let answer: Value = answer.json()?;
    if status != 200 {
        let cause = &answer["error"]["root_cause"][0];
        return Ok(json!({ "name": query["name"], "status": status, "type": cause["type"] }));
    }
    let hits = answer["hits"]["hits"].as_array().context("an answer has hits")?;
    let ids: Vec<&Value> = hits.iter().map(|hit| &hit["_id"]).collect();
    let mut kept =
        json!({ "name": query["name"], "status": status, "total": answer["hits"]["total"]["value"], "ids": ids });
    if let Some(aggregations) = answer.get("aggregations") {
        kept["aggregations"] = aggregations.clone();
    }
    Ok(kept)
}
