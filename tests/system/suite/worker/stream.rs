//! Data streams on real servers: the worker makes them, a repetition is recognised, and after a roll-over it is not.

use super::{Place, produce};
use crate::harness::destination::Destination;
use crate::harness::http;
use crate::harness::scene::Scene;
use crate::real::{self, SearchServer};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const LINES: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(120);

pub fn elasticsearch(scene: &Scene) -> anyhow::Result<()> {
    on(scene, real::elasticsearch()?)
}

pub fn opensearch(scene: &Scene) -> anyhow::Result<()> {
    on(scene, real::opensearch()?)
}

fn on(scene: &Scene, server: &SearchServer) -> anyhow::Result<()> {
    let name = scene.own_name("stream");
    let place = Place::ours(scene)?;
    let url = &server.url;
    scene.file(
        "sluice.yaml",
        format!(
            "worker:\n  data_stream: true\n  index: {name}-<dataset>\n  elasticsearch: {{urls: [\"{url}\"], setup: true, \
             compression: gzip}}\n"
        ),
    );
    produce(&place.broker, &place.topic, (0..LINES).map(|n| format!("line {n}")))?;
    let destination = Destination::real(server, &name);
    deliver(scene, &place, "first")?;
    ensure!(destination.count()? == LINES, "{} documents after the first delivery", destination.count()?);
    let found = destination.read()?;
    let of_stream = |index: &str| index.starts_with(&format!(".ds-{name}-generic-"));
    ensure!(found.iter().all(|it| of_stream(&it.index)), "an index that is not behind the stream: {:?}", found[0]);
    let messages: BTreeSet<&str> = found.iter().filter_map(|it| it.line()).collect();
    ensure!(messages.len() as u64 == LINES, "{} different lines", messages.len());

    // Another group delivers all of it once more: each is there already.
    let again = deliver(scene, &Place { group: "again".into(), ..place.beside() }, "again")?;
    ensure!(again == LINES, "{again} of {LINES} were recognised");
    ensure!(destination.count()? == LINES, "{} documents after a repetition", destination.count()?);

    // The stream looks for ids in its newest index only: that is the limit that is documented.
    let rolled = http::client().post(format!("{url}/{name}-generic/_rollover")).send()?;
    let rolled: Value = rolled.json()?;
    ensure!(rolled["rolled_over"] == true, "{rolled}");
    let again = deliver(scene, &Place { group: "later".into(), ..place.beside() }, "later")?;
    ensure!(again == 0, "{again} were recognised after a roll-over");
    ensure!(destination.count()? == 2 * LINES, "{} documents after a roll-over", destination.count()?);
    Ok(())
}

/// Lets a worker of the place deliver all that is there; gives how many documents were there already.
fn deliver(scene: &Scene, place: &Place, name: &str) -> anyhow::Result<u64> {
    let (worker, status) = place.start(scene, &format!("worker-{name}"), &[]);
    place.wait_until_committed(PATIENCE)?;
    let (_, metrics) = http::get(&format!("http://{status}/metrics"))?;
    worker.interrupt()?;
    ensure!(worker.wait(PATIENCE)?.success(), "the worker does not end well");
    let outcome = "sluice_worker_documents_total{outcome=\"already_there\"} ";
    let count = metrics.lines().find_map(|line| line.strip_prefix(outcome));
    count.map_or(Ok(0), |count| count.trim().parse()).context("a count")
}
