//! What real servers refuse: nothing of it is lost, and nothing else waits for it.

use crate::harness::process::Process;
use crate::harness::scene::Scene;
use crate::harness::{documents, http, ports, sluice, topic, wait};
use crate::real;
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// For the worker to deliver, and to try again what is held.
const DELIVERY: Duration = Duration::from_secs(120);
/// Lines that wait for their index.
const HELD: u64 = 10;
/// Bytes of the long line, and how often it stands in its document.
const LONG: (usize, usize) = (1_000_000, 20);

pub fn elasticsearch(scene: &Scene) -> anyhow::Result<()> {
    on(scene, &real::elasticsearch()?.url, Big::TooMuch)
}

pub fn opensearch(scene: &Scene) -> anyhow::Result<()> {
    on(scene, &real::opensearch()?.url, Big::Taken)
}

/// What a server with a heap of 512 MB makes of a document of 20 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Big {
    Taken,
    /// Elasticsearch 9 counts four times its bytes, and takes a tenth of its heap at most.
    TooMuch,
}

/// Mapping conflict, field limit, write block, closed index and a document of 20 MB, all at once.
pub fn on(scene: &Scene, url: &str, big: Big) -> anyhow::Result<()> {
    let name = scene.own_name("refusals");
    let index = |dataset: &str| format!("{name}-{dataset}");
    prepare(url, &index)?;
    let broker = sluice::broker(scene)?;
    let worker = deliver(scene, &broker.address, url, &format!("{name}-<dataset>"))?;

    // What can be taken is taken, whatever waits beside it.
    for (dataset, wanted) in [("conflict", 4), ("few", 3), ("big", if big == Big::Taken { 3 } else { 2 })] {
        let count = || documents::count(url, &index(dataset));
        wait::until_equal(&format!("documents of {dataset}"), DELIVERY, wanted, count)?;
    }
    check_conflict(&documents::read(url, &index("conflict"))?)?;
    let found = documents::read(url, &index("big"))?;
    let longest = found.iter().filter_map(|found| found.source["text"].as_str()).map(str::len).max();
    let is_there = longest == Some(LONG.0 * LONG.1);
    ensure!(is_there == (big == Big::Taken), "the longest document has {longest:?} bytes");

    // What waits says so, and is delivered as soon as somebody has done something about it.
    let health = format!("http://{}/health", worker.status);
    for dataset in ["blocked", "closed"] {
        wait::until(&format!("{} in {health}", index(dataset)), DELIVERY, || {
            http::get(&health).is_ok_and(|(_, text)| text.contains(&index(dataset))).then_some(())
        })?;
    }
    ensure!(documents::count(url, &index("blocked"))? == 0, "nothing is written to a blocked index");
    send(
        http::client()
            .put(format!("{url}/{}/_settings", index("blocked")))
            .json(&json!({ "index.blocks.write": null })),
    )?;
    send(http::client().post(format!("{url}/{}/_open", index("closed"))))?;
    for dataset in ["blocked", "closed"] {
        let count = || documents::count(url, &index(dataset));
        wait::until_equal(&format!("documents of {dataset}"), DELIVERY, HELD, count)?;
    }
    // Rejected documents become dead letters when the batch is settled that they came in, which the held ones were in, too.
    check_dead_letters(&broker.address, big)?;
    // Everything is settled: the group stands at the end.
    topic::wait_until_committed(&broker.address, "refusals", "logs", DELIVERY)?;
    worker.process.interrupt()?;
    let ended = worker.process.wait(sluice::START)?;
    ensure!(ended.success(), "the worker ended with {ended} after Ctrl-C");
    Ok(())
}

/// Indices that will refuse something.
fn prepare(url: &str, index: &impl Fn(&str) -> String) -> anyhow::Result<()> {
    let put = |dataset: &str, body: Value| send(http::client().put(format!("{url}/{}", index(dataset))).json(&body));
    let shards = json!({ "number_of_shards": 1, "number_of_replicas": 0 });
    put(
        "conflict",
        json!({ "settings": shards, "mappings": { "properties": {
            "n": { "type": "long" }, "o": { "properties": { "p": { "type": "keyword" } } },
        }}}),
    )?;
    let mut few = shards.clone();
    few["index.mapping.total_fields.limit"] = json!(60);
    put("few", json!({ "settings": few }))?;
    let mut blocked = shards.clone();
    blocked["index.blocks.write"] = json!(true);
    put("blocked", json!({ "settings": blocked }))?;
    put("closed", json!({ "settings": shards }))?;
    put("big", json!({ "settings": shards, "mappings": { "properties": { "text": { "type": "text" } } } }))?;
    send(http::client().post(format!("{url}/{}/_close", index("closed"))))
}

struct Worker {
    process: Process,
    /// `HOST:PORT` of its health.
    status: String,
}

/// Writes the lines, ships them, and starts a worker.
fn deliver(scene: &Scene, broker: &str, url: &str, index: &str) -> anyhow::Result<Worker> {
    let datasets = ["conflict", "few", "blocked", "closed", "big"];
    let wide: serde_json::Map<String, Value> = (0..100).map(|number| (format!("field_{number}"), json!(1))).collect();
    let line = |value: Value| format!("{value}\n");
    let lines = |dataset: &str| match dataset {
        "conflict" => {
            [json!({"n": 1}), json!({"n": {"deep": true}}), json!({"n": "many"}), json!({"n": 2, "o": "flat"})]
                .map(line)
                .concat()
        }
        "few" => [json!({"a": 1}), Value::Object(wide.clone()), json!({"a": 2}), json!({"b": 3})].map(line).concat(),
        "big" => format!("short\n{}\nshort too\n", "word ".repeat(LONG.0 / 5)),
        _ => (0..HELD).map(|number| line(json!({ "a": number }))).collect(),
    };
    let mut inputs = String::new();
    for dataset in datasets {
        fs::write(scene.path(&format!("{dataset}.log")), lines(dataset)).context("write a log")?;
        inputs += &format!("    - {{paths: [{dataset}.log], dataset: {dataset}}}\n");
    }
    scene.file(
        "big.yml",
        format!("processors: [{{set: {{field: text, value: '{}'}}}}]\n", "{{{message}}}".repeat(LONG.1)),
    );
    let status = ports::free_address();
    scene.file(
        "sluice.yaml",
        format!(
            "agent:\n  broker: {broker}\n  checkpoints: checkpoints\n  status_listen: \"{}\"\n  inputs:\n{inputs}\
             worker:\n  broker: {broker}\n  group: refusals\n  index: \"{index}\"\n  status_listen: \"{status}\"\n  \
             pipelines: {{big: ./big.yml, \"*\": json}}\n  elasticsearch: {{urls: [\"{url}\"]}}\n",
            ports::free_address(),
        ),
    );
    let ended = scene.start("agent", sluice::command(["agent", "--once"])).wait(DELIVERY)?;
    ensure!(ended.success(), "agent --once ended with {ended}");
    Ok(Worker { process: scene.start("worker", sluice::command(["worker"])), status })
}

/// All four are there; what the mapping refused is text under `_malformed`.
fn check_conflict(found: &[documents::Found]) -> anyhow::Result<()> {
    let malformed = |field: &str| -> Vec<&str> {
        let mut texts: Vec<&str> =
            found.iter().filter_map(|found| found.source["_malformed"][field].as_str()).collect();
        texts.sort_unstable();
        texts
    };
    ensure!(malformed("n") == ["many", "{\"deep\":true}"], "_malformed.n is {:?}", malformed("n"));
    ensure!(malformed("o") == ["flat"], "_malformed.o is {:?}", malformed("o"));
    for document in found.iter().filter(|found| found.source.get("_malformed").is_some()) {
        ensure!(document.source["event"]["dataset"] == "conflict", "the rest of {:#} is as it was", document.source);
    }
    Ok(())
}

/// What the server never takes, and nothing else, is a dead letter: the original line, and what the server said.
fn check_dead_letters(broker: &str, big: Big) -> anyhow::Result<()> {
    let mut wanted = vec![(&b"{\"field_0\":1,"[..], "Limit of total fields [60] has been exceeded")];
    if big == Big::TooMuch {
        wanted.push((b"word word ", "rejected execution of primary operation"));
    }
    wait::until_equal("dead letters", DELIVERY, wanted.len() as u64, || topic::count(broker, "logs.dead"))?;
    let letters = topic::read(broker, "logs.dead")?;
    for (line, reason) in wanted {
        let letter = letters.iter().find(|letter| letter.value.starts_with(line)).context("a dead letter")?;
        let said: String = letter.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        ensure!(said.contains(reason), "want {reason:?} in {said}");
    }
    Ok(())
}

fn send(request: reqwest::blocking::RequestBuilder) -> anyhow::Result<()> {
    let answer = request.send()?;
    let (status, text) = (answer.status(), answer.text()?);
    ensure!(status.is_success(), "{status} {text}");
    Ok(())
}
