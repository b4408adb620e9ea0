//! Dead letters: listed, shown, sent back under the identity that they had, dropped.

use super::{Place, produce, wait_for_metric};
use crate::harness::destination::Destination;
use crate::harness::scene::Scene;
use crate::harness::{ports, sluice, topic, wait};
use anyhow::{Context, ensure};
use elasticsearch_stand_in::{ItemFault, StandIn};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `sluice dead` to its end; gives its standard output.
fn dead(place: &Place, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = sluice::command(["dead"]);
    command.args(arguments).args(["--broker", &place.broker, "--topic", &place.topic]);
    let output = command.output().context("run sluice dead")?;
    let (out, err) = (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr).into_owned());
    ensure!(output.status.success(), "sluice dead {arguments:?} ended with {}: {err}", output.status);
    Ok(out)
}

fn list(place: &Place, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
    let text = dead(place, &[&["list", "--json"], arguments].concat())?;
    text.lines().map(|line| serde_json::from_str(line).context("a letter")).collect()
}

/// A server that refuses what is bad, for two reasons.
fn refuse(server: &StandIn) {
    server.refuse(Box::new(|item| {
        let message = item.source.as_ref().ok()?.get("message")?.as_str()?;
        let kind =
            if message.contains("strict") { "strict_dynamic_mapping_exception" } else { "document_parsing_exception" };
        message.starts_with("bad").then(|| ItemFault::error(400, kind, &format!("cannot take {message}")))
    }));
}

fn lines(kind: &str, count: usize) -> Vec<String> {
    let word = |n: usize| ["good", "bad", "bad strict"][n % 3];
    (0..count).map(|n| format!("{} {kind} {n}", word(n))).collect()
}

pub fn letters(scene: &Scene) -> anyhow::Result<()> {
    list_show_and_replay(scene, &Place::ours(scene)?)
}

pub fn apache_kafka_letters(scene: &Scene) -> anyhow::Result<()> {
    list_show_and_replay(scene, &Place::apache_kafka(scene)?)
}

fn list_show_and_replay(scene: &Scene, place: &Place) -> anyhow::Result<()> {
    let Destination::StandIn(server) = Destination::stand_in() else { unreachable!("it is the stand-in") };
    refuse(&server);
    ensure!(list(place, &[])?.is_empty(), "letters before there is a topic");
    // Lines of a file, whose identity is in headers, and records of somebody else, whose identity is their place.
    let (foreign, own) = (lines("foreign", 30), lines("own", 30));
    produce(&place.broker, &place.topic, foreign.clone())?;
    scene.file("app.log", own.join("\n") + "\n");
    let mut agent = sluice::command(["agent", "--once", "--broker", &place.broker, "--topic", &place.topic]);
    agent.args(["--checkpoints", "checkpoints", "--status-listen", &ports::free_address()]).arg(scene.path("app.log"));
    ensure!(scene.start("agent", agent).wait(PATIENCE)?.success(), "the agent does not end well");
    let url = server.url();
    let (_worker, _) = place.start(scene, "worker", &["--elasticsearch", &url]);
    server.wait_for_documents(20, PATIENCE);
    wait::until_equal("letters", PATIENCE, 40, || Ok(list(place, &[])?.len()))?;

    let strict = list(place, &["--type", "strict_dynamic_mapping_exception"])?;
    ensure!(strict.len() == 20, "{} strict letters", strict.len());
    ensure!(list(place, &["--reason", "own 1", "--limit", "2"])?.len() == 2, "the limit");
    ensure!(list(place, &["--since", "1h"])?.len() == 40 && list(place, &["--until", "1h"])?.is_empty(), "times");
    let letter = &strict[0];
    ensure!(letter["status"] == 400 && letter["attempts"].as_u64() >= Some(1), "{letter}");
    ensure!(
        letter["source"]["topic"] == place.topic.as_str()
            && letter["index"].as_str().is_some_and(|it| it.starts_with("sluice-")),
        "{letter}"
    );
    let shown = dead(place, &["show", letter["place"].as_str().context("a place")?])?;
    ensure!(shown.contains("cannot take bad strict") && shown.contains(&format!("{}:", place.topic)), "{shown}");

    // One kind goes back while the server still refuses it: the same letters come again, and no others.
    let said = dead(place, &["replay", "--type", "strict_dynamic_mapping_exception"])?;
    ensure!(said.contains("20 dead letters"), "{said}");
    let again = || Ok(list(place, &["--type", "strict_dynamic_mapping_exception"])?.len());
    wait::until_equal("letters that were rejected again", PATIENCE, 20, again)?;
    ensure!(list(place, &[])?.len() == 40, "letters that count: {}", list(place, &[])?.len());
    let ids = |letters: &[Value]| -> BTreeSet<String> { letters.iter().map(|it| it["id"].to_string()).collect() };
    let now = list(place, &["--type", "strict_dynamic_mapping_exception"])?;
    ensure!(ids(&now) == ids(&strict) && ids(&now).len() == 20, "they have other ids: {:?}", now.first());

    // The server takes everything from now on.
    let expected = ids(&list(place, &[])?);
    server.refuse(Box::new(|_| None));
    ensure!(dead(place, &["replay"])?.contains("40 dead letters"), "not all were sent back");
    server.wait_for_documents(60, PATIENCE);
    ensure!(list(place, &[])?.is_empty(), "letters are left");
    // Again: nothing.
    ensure!(dead(place, &["replay"])?.contains("0 dead letters"), "something was sent back twice");
    let documents = server.documents();
    let messages: BTreeSet<&str> = documents.values().filter_map(|it| it["message"].as_str()).collect();
    ensure!(messages == foreign.iter().chain(&own).map(String::as_str).collect(), "{} messages", messages.len());
    ensure!(documents.len() == 60, "{} documents", documents.len());
    let replayed =
        documents.iter().filter(|(_, source)| source["message"].as_str().is_some_and(|it| it.starts_with("bad")));
    let got: BTreeSet<String> = replayed.map(|((_, id), _)| Value::from(id.as_str()).to_string()).collect();
    ensure!(got == expected, "documents have other ids than their letters");
    Ok(())
}

pub fn dropped(scene: &Scene) -> anyhow::Result<()> {
    drop_some_and_all(scene, &Place::ours(scene)?)
}

pub fn apache_kafka_dropped(scene: &Scene) -> anyhow::Result<()> {
    drop_some_and_all(scene, &Place::apache_kafka(scene)?)
}

fn drop_some_and_all(scene: &Scene, place: &Place) -> anyhow::Result<()> {
    let Destination::StandIn(server) = Destination::stand_in() else { unreachable!("it is the stand-in") };
    refuse(&server);
    produce(&place.broker, &place.topic, lines("foreign", 30))?;
    let url = server.url();
    let (_worker, status) = place.start(scene, "worker", &["--elasticsearch", &url]);
    wait::until_equal("letters", PATIENCE, 20, || Ok(list(place, &[])?.len()))?;
    let refused = sluice::command(["dead", "drop", "--broker", &place.broker, "--topic", &place.topic]).output()?;
    ensure!(!refused.status.success(), "all were dropped without being asked for");
    ensure!(
        dead(place, &["drop", "--reason", "strict", "--dry-run"])?.contains("10 dead letters would be"),
        "a dry run"
    );
    ensure!(dead(place, &["drop", "--reason", "strict"])?.contains("10 dead letters were"), "a part");
    ensure!(list(place, &[])?.len() == 10 && list(place, &["--reason", "strict"])?.is_empty(), "what is left");
    // What the metrics say follows with the next look.
    let series = format!("sluice_worker_dead_letters{{topic=\"{}.dead\"}}", place.topic);
    let open = |count: usize| wait_for_metric(&status, &format!("{series} {count}"), PATIENCE);
    open(10)?;
    ensure!(dead(place, &["drop", "--all"])?.contains("10 dead letters were"), "the rest");
    ensure!(list(place, &[])?.is_empty(), "letters are left");
    open(0)?;
    // Where the broker can delete records, the space is free.
    let offsets = topic::offsets(&place.broker, &format!("{}.dead", place.topic))?;
    eprintln!("worker::dead: offsets of logs.dead after everything was dropped: {offsets:?}");
    Ok(())
}
