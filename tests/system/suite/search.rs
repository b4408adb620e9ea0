//! `sluice search` and `sluice tail` on a real OpenSearch, and on the store of `sluice up`.

use crate::harness::scene::Scene;
use crate::harness::{http, sluice, wait};
use crate::real;
use anyhow::ensure;
use serde_json::{Value, json};
use std::process::Output;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// For a debug binary to ask a loaded server.
const ANSWER: Duration = Duration::from_secs(60);

/// Indexes `documents` and waits until they are found.
fn index(url: &str, index: &str, documents: &[Value]) -> anyhow::Result<()> {
    let mut body = String::new();
    for document in documents {
        body.push_str(&format!("{{\"create\":{{}}}}\n{document}\n"));
    }
    let request = http::client().post(format!("{url}/{index}/_bulk?refresh=true"));
    let answer: Value = request.header("content-type", "application/x-ndjson").body(body).send()?.json()?;
    ensure!(answer["errors"] == false, "{answer}");
    Ok(())
}

/// Milliseconds since 1970 at a moment that lies `seconds` back.
fn ago(seconds: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    (now - Duration::from_secs(seconds)).as_millis() as u64
}

fn document(seconds_ago: u64, host: &str, status: u16, message: &str) -> Value {
    let level = if status >= 500 { "error" } else { "info" };
    json!({
        "@timestamp": ago(seconds_ago), "host": { "name": host }, "message": message,
        "http": { "response": { "status_code": status } }, "log": { "level": level, "file": { "path": "/var/log/a.log" } },
    })
}

fn search(url: &str, index: &str, arguments: &[&str]) -> anyhow::Result<Output> {
    let place = ["--elasticsearch", url, "--index", index];
    Ok(sluice::command(["search"].iter().chain(arguments).chain(&place)).output()?)
}

pub fn finds_documents(scene: &Scene) -> anyhow::Result<()> {
    finds_documents_on(scene, &real::opensearch()?.url)
}

pub fn finds_documents_in_the_store(scene: &Scene) -> anyhow::Result<()> {
    let (url, _up) = super::page::with_store(scene)?;
    finds_documents_on(scene, &url)
}

/// Queries in Lucene's syntax, the time, the newest ones, NDJSON, bars, and what is wrong.
fn finds_documents_on(scene: &Scene, url: &str) -> anyhow::Result<()> {
    let name = scene.own_name("search");
    let mappings = json!({ "mappings": { "properties": { "@timestamp": { "type": "date" } } } });
    http::client().put(format!("{url}/{name}")).json(&mappings).send()?.error_for_status()?;
    let documents = [
        document(7200, "web1", 500, "too old"),
        document(600, "web1", 502, "first \u{1b}[2J failure"),
        document(300, "web2", 200, "all is well"),
        document(200, "db1", 503, "not of a web server"),
        document(100, "web2", 503, "second failure"),
    ];
    index(url, &name, &documents)?;

    let query = "http.response.status_code:>=500 AND host.name:web*";
    let output = search(url, &name, &[query, "--last", "1h"])?;
    let text = String::from_utf8(output.stdout)?;
    let lines: Vec<&str> = text.lines().collect();
    ensure!(output.status.success() && lines.len() == 2, "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    ensure!(lines[0].ends_with(r"502 error first \u{1b}[2J failure"), "{text}");
    ensure!(lines[1].ends_with("503 error second failure") && lines[1].contains(" a.log "), "{text}");

    let output = search(url, &name, &["status:>=500 AND host:web* AND NOT status:502", "--last", "1h"])?;
    let (text, told) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    ensure!(text.lines().count() == 1 && text.contains("second failure"), "{text}\n{told}");
    ensure!(told == "status stands for http.response.status_code\nhost stands for host.name\n", "{told}");
    let own = scene.own_name("own-status");
    index(url, &own, &[json!({ "@timestamp": ago(1), "status": 500, "message": "its own field" })])?;
    let output = search(url, &own, &["status:500"])?;
    let (text, told) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    ensure!(text.contains("its own field") && told.is_empty(), "{text}\n{told}");

    let output = search(url, &name, &["--json", "--limit", "3"])?;
    let found: Vec<Value> =
        String::from_utf8(output.stdout)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(found == documents[2..], "the newest three: {found:#?}");
    let told = String::from_utf8(output.stderr)?;
    ensure!(told.contains("the newest 3 of 5 documents"), "{told}");

    let output = search(url, &name, &[query, "--last", "1h", "--histogram"])?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(text.ends_with("2 documents, a bar has 5 min 00 s\n"), "{text}");
    ensure!((12..=14).contains(&text.lines().count()), "{text}");
    let output = search(url, &name, &["--histogram", "--json"])?;
    let bars = String::from_utf8(output.stdout)?;
    let bars = bars.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    ensure!(bars.iter().filter_map(|bar| bar["count"].as_u64()).sum::<u64>() == 5, "{bars:?}");

    for (arguments, said) in [
        (["--last", "1h", "message:(unclosed"], "message:(unclosed"),
        (["--index", "no-such-index", "x"], "error: the server refuses the search (404): no such index"),
        (["--index", "a/_delete", "x"], "is no name of an index"),
    ] {
        let index = if arguments[0] == "--index" { arguments[1] } else { name.as_str() };
        let arguments = if arguments[0] == "--index" { &arguments[2..] } else { &arguments[..] };
        let output = search(url, index, arguments)?;
        let told = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(2) && told.contains(said) && told.contains("hint: "), "{told}");
    }
    Ok(())
}

pub fn follows(scene: &Scene) -> anyhow::Result<()> {
    follows_on(scene, &real::opensearch()?.url)
}

pub fn follows_in_the_store(scene: &Scene) -> anyhow::Result<()> {
    let (url, _up) = super::page::with_store(scene)?;
    follows_on(scene, &url)
}

/// What is there first, then what comes, also when it is late; Ctrl-C ends it.
fn follows_on(scene: &Scene, url: &str) -> anyhow::Result<()> {
    let name = scene.own_name("tail");
    let mappings = json!({ "mappings": { "properties": { "@timestamp": { "type": "date" } } } });
    http::client().put(format!("{url}/{name}")).json(&mappings).send()?.error_for_status()?;
    index(url, &name, &[document(60, "web1", 500, "there already"), document(50, "web1", 200, "no error")])?;
    let arguments = ["tail", "level:error", "--elasticsearch", url, "--index", &name];
    let process = scene.start("tail", sluice::command(arguments));
    wait::until("what is there", ANSWER, || process.stdout().contains("there already").then_some(()))?;
    index(
        url,
        &name,
        &[document(0, "web1", 500, "new"), document(0, "web1", 200, "no error"), document(120, "web2", 502, "late")],
    )?;
    wait::until("what comes", ANSWER, || {
        let text = process.stdout();
        (text.contains(" new\n") && text.contains(" late\n")).then_some(())
    })?;
    let printed = process.stdout();
    process.interrupt()?;
    let ended = process.wait(ANSWER)?;
    ensure!(ended.success() && printed.lines().count() == 3 && !printed.contains("no error"), "{ended}: {printed}");
    Ok(())
}
