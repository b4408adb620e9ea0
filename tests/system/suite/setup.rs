//! `sluice setup` on real servers: twice without harm, changes of others left alone, and the template takes what our pipelines
//! make.

use crate::harness::process::Ended;
use crate::harness::scene::Scene;
use crate::harness::{http, sluice};
use crate::real;
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::process::Command;

/// For one run of the command.
const RUN: std::time::Duration = std::time::Duration::from_secs(60);

pub fn elasticsearch(scene: &Scene) -> anyhow::Result<()> {
    on(scene, &real::elasticsearch()?.url, "Elasticsearch 9.2.0")
}

pub fn opensearch(scene: &Scene) -> anyhow::Result<()> {
    on(scene, &real::opensearch()?.url, "OpenSearch 3.8.0")
}

/// All of it on the server at `url`, which shall be recognised as `server`.
pub fn on(scene: &Scene, url: &str, server: &str) -> anyhow::Result<()> {
    let name = scene.own_name("setup");
    let index = format!("{name}-<dataset>-<yyyy.MM>");
    let template = || http::get(&format!("{url}/_index_template/{name}"));
    let run = |what: &str, flags: &[&str], done: &str| -> anyhow::Result<()> {
        let said = setup(scene, url, &index, flags)?;
        ensure!(said.starts_with(&format!("{server} at {url}")), "{what}: {said}");
        ensure!(said.contains(&format!("{done} index template {name}")), "{what}: want {done:?} in {said}");
        Ok(())
    };
    run("dry run", &["--dry-run"], "would make   ")?;
    // Which of the two there is depends on the modules that a distribution has; Elasticsearch's zips have few.
    let has_match_only_text = setup(scene, url, &index, &["--dry-run"])?.contains("match_only_text");
    ensure!(has_match_only_text || server.starts_with("Elasticsearch"), "OpenSearch has match_only_text");
    let text = if has_match_only_text { "match_only_text" } else { "text" };
    ensure!(template()?.0 == 404, "a dry run makes no template");
    run("first", &[], "made         ")?;
    let first = template()?;
    ensure!(first.0 == 200, "there is a template: {first:?}");
    run("second", &[], "is there     ")?;
    ensure!(template()? == first, "the second run changes nothing");
    check_mappings(url, &format!("{name}-shop-2026.11"), text)?;

    let mut changed: Value = serde_json::from_str(&first.1)?;
    let mut changed = changed["index_templates"][0]["index_template"].take();
    // Elasticsearch 9 shows when, and takes no template that says it.
    for shown in ["created_date", "created_date_millis", "modified_date", "modified_date_millis"] {
        changed.as_object_mut().context("a template is an object")?.remove(shown);
    }
    changed["template"]["settings"]["index"]["number_of_replicas"] = json!("0");
    put(&format!("{url}/_index_template/{name}"), &changed)?;
    let before = template()?;
    run("changed by somebody", &[], "left alone   ")?;
    ensure!(template()? == before, "what somebody has changed is left alone");
    run("overwrite", &["--overwrite"], "replaced     ")?;
    run("after that", &[], "is there     ")?;
    let mut flags = vec!["--kibana", "kibana.ndjson"];
    // The zip of Elasticsearch 7 has no data streams.
    if !server.starts_with("Elasticsearch 7") {
        flags.push("--data-stream");
        // Other options make another template, which may replace the one that nobody has touched.
        run("data stream", &["--data-stream"], "replaced     ")?;
        let stream = format!("{url}/{name}-stream/_create/a");
        let request = http::client().put(stream).json(&json!({ "@timestamp": "2026-11-28T00:00:00Z" }));
        let answer: Value = request.send()?.json()?;
        ensure!(answer["_index"].as_str().is_some_and(|index| index.starts_with(".ds-")), "a data stream: {answer}");
    }
    let said = setup(scene, url, &index, &flags)?;
    ensure!(said.contains("wrote kibana.ndjson"), "{said}");
    let objects = std::fs::read_to_string(scene.path("kibana.ndjson"))?;
    let first: Value = serde_json::from_str(objects.lines().next().context("a line")?)?;
    ensure!(first["attributes"]["title"] == format!("{name}-*"), "data view {first}");
    Ok(())
}

/// A run of `sluice setup`: what it says.
pub fn setup(scene: &Scene, url: &str, index: &str, flags: &[&str]) -> anyhow::Result<String> {
    let mut command: Command = sluice::command(["setup", "--elasticsearch", url, "--index", index]);
    command.args(flags);
    let Ended { status, out, err } = scene.start("setup", command).finish(RUN)?;
    ensure!(status.success(), "sluice setup ended with {status}: {err}");
    Ok(out)
}

/// The template is applied to `index`: it takes all that our pipelines make, and what contradicts itself.
fn check_mappings(url: &str, index: &str, text: &str) -> anyhow::Result<()> {
    let made = [
        include_str!("../../../pipelines/tests/library/nginx-access/nginx-access.log-expected.json"),
        include_str!("../../../pipelines/tests/library/syslog/syslog.log-expected.json"),
        include_str!("../../../pipelines/tests/library/journald/journald.log-expected.json"),
        include_str!("../../../pipelines/tests/library/json/json.log-expected.json"),
    ];
    let mut documents: Vec<Value> = Vec::new();
    for text in made {
        let expected: Value = serde_json::from_str(text)?;
        documents.extend(expected["expected"].as_array().context("a list")?.iter().cloned());
    }
    // A list of a number and an object is refused by every mapping: that is what rescue and dead letters are for.
    documents.retain(|document| !document["a"]["b"].is_array());
    documents.extend([
        json!({ "host": { "name": "web1" }, "log": { "offset": 7, "file": { "path": "/var/log/a.log" } } }),
        json!({ "labels": { "port": 80 } }),
        json!({ "labels": { "port": "http" } }),
        json!({ "http": { "response": { "status_code": "none" } }, "source": { "ip": "nobody" } }),
        json!({ "when": "2026-11-28" }),
        json!({ "when": "tomorrow", "long": "x".repeat(40_000) }),
        json!({ "_malformed": { "n.deep": "{\"a\":1}" } }),
        json!({ "_malformed": { "n": "many" } }),
    ]);
    let mut body = String::new();
    for mut document in documents.clone() {
        document.as_object_mut().context("an object")?.entry("@timestamp").or_insert(json!("2026-11-28T00:00:00Z"));
        body += &format!("{{\"create\":{{\"_index\":\"{index}\"}}}}\n{document}\n");
    }
    let request =
        http::client().post(format!("{url}/_bulk?refresh=true")).header("content-type", "application/x-ndjson");
    let answer: Value = request.body(body).send()?.json()?;
    for (item, document) in answer["items"].as_array().context("items")?.iter().zip(&documents) {
        // A dot in a name of an object may contradict another one where there is no type for any object.
        ensure!(item["create"]["status"] == 201, "{item} for {document}");
    }
    let mapping: Value = serde_json::from_str(&http::get(&format!("{url}/{index}/_mapping"))?.1)?;
    let kind = |path: &str| {
        let pointer = format!("/{index}/mappings/properties/{}", path.replace('.', "/properties/"));
        mapping.pointer(&format!("{pointer}/type")).and_then(Value::as_str).unwrap_or("object").to_owned()
    };
    for (path, wanted) in [
        ("@timestamp", "date"),
        ("message", text),
        ("host.name", "keyword"),
        ("log.offset", "long"),
        ("http.response.status_code", "long"),
        ("source.ip", "ip"),
        ("labels.port", "keyword"),
        ("when", "keyword"),
        ("service.name", "keyword"),
    ] {
        ensure!(kind(path) == wanted, "{path}: want {wanted}; got {}", kind(path));
    }
    Ok(())
}

fn put(url: &str, body: &Value) -> anyhow::Result<()> {
    let answer = http::client().put(url).json(body).send()?;
    let (status, text) = (answer.status(), answer.text()?);
    ensure!(status.is_success(), "PUT {url}: {status} {text}");
    Ok(())
}
