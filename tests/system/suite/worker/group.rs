//! A group whose workers come, go and die: each line is there once.

use super::{Place, produce, start};
use crate::harness::destination::Destination;
use crate::harness::random::Random;
use crate::harness::scene::Scene;
use crate::harness::soak::soak;
use crate::harness::writing::{self, Plan, Rotation};
use crate::harness::{http, sluice, topic, wait};
use anyhow::ensure;
use elasticsearch_stand_in::Fault;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Standing still for so long is a failure.
const PATIENCE: Duration = Duration::from_secs(60);
/// As short as brokers allow by default, so that what a worker leaves behind is not waited for long.
const SESSION: &str = "worker: {session_timeout_s: 6}\n";

pub fn two_four_one(scene: &Scene) -> anyhow::Result<()> {
    grow_and_shrink(scene, &Place::ours(scene)?)
}

pub fn apache_kafka_two_four_one(scene: &Scene) -> anyhow::Result<()> {
    let place = Place::apache_kafka(scene)?;
    topic::create(&place.broker, &place.topic, 4, &[])?;
    grow_and_shrink(scene, &place)
}

/// Two workers, then four, then one, while lines flow.
fn grow_and_shrink(scene: &Scene, place: &Place) -> anyhow::Result<()> {
    let mut random = scene.random("worker::group");
    let lines = soak(40_000, 500_000);
    let streams = 8;
    let destination = Destination::stand_in();
    scene.file("sluice.yaml", SESSION);
    let plan = Plan {
        rotation: Rotation::Rename,
        streams,
        lines_per_stream: lines / u64::from(streams),
        lines_per_rotation: 8_000,
        lines_per_second: soak(8_000, 15_000),
    };
    let writing = writing::start(&scene.directory("logs"), plan, Random::new(random.next()))?;
    let _agent = place.agent(scene, "logs/app-*");
    let url = destination.url();
    let worker = |name: &str| place.start(scene, name, &["--elasticsearch", &url]).0;
    let mut workers = vec![worker("worker-1"), worker("worker-2")];
    destination.wait(lines / 5, PATIENCE)?;
    workers.extend([worker("worker-3"), worker("worker-4")]);
    destination.wait(lines / 2, PATIENCE)?;
    let last = workers.pop().expect("there are four");
    for worker in workers {
        worker.interrupt()?;
        let ended = worker.wait(PATIENCE)?;
        ensure!(ended.success(), "a worker ended with {ended} after Ctrl-C");
    }
    destination.wait(lines, PATIENCE)?;
    destination.check(&writing.finish()?)?;
    ensure!(
        last.stderr().contains(&format!("of topic {:?} from offset", place.topic)),
        "the last worker got no partition"
    );
    place.wait_until_committed(PATIENCE)?;
    Ok(())
}

pub fn killed_in_mid_bulk(scene: &Scene) -> anyhow::Result<()> {
    kill_in_mid_bulk(scene, &Place::ours(scene)?)
}

pub fn apache_kafka_killed_in_mid_bulk(scene: &Scene) -> anyhow::Result<()> {
    kill_in_mid_bulk(scene, &Place::apache_kafka(scene)?)
}

/// kill -9 while bulk requests are carried out whose answers never come.
fn kill_in_mid_bulk(scene: &Scene, place: &Place) -> anyhow::Result<()> {
    let lines = soak(20_000, 200_000);
    let Destination::StandIn(server) = Destination::stand_in() else { unreachable!("it is the stand-in") };
    scene.file("sluice.yaml", SESSION);
    topic::create(&place.broker, &place.topic, 3, &[])?;
    produce(&place.broker, &place.topic, (0..lines).map(|n| format!("line {n}")))?;
    let is_dead = Arc::new(AtomicBool::new(false));
    let seen = is_dead.clone();
    // From some request on everything is done, and nothing is answered.
    server.fault_source(Box::new(move |number, _| match number >= 1 && !seen.load(Ordering::Relaxed) {
        true => Fault::Hang,
        false => Fault::None,
    }));
    let url = server.url();
    let (worker, _) = place.start(scene, "worker", &["--elasticsearch", &url]);
    wait::until("requests without an answer", PATIENCE, || (server.requests().len() >= 3).then_some(()))?;
    worker.kill()?;
    is_dead.store(true, Ordering::Relaxed);
    let (worker, status) = place.start(scene, "worker", &["--elasticsearch", &url]);
    wait::until_count("documents", PATIENCE, lines, || Ok(server.document_count() as u64))?;
    place.wait_until_committed(PATIENCE)?;
    let documents = server.documents();
    let mut messages: Vec<&str> = documents.values().filter_map(|it| it["message"].as_str()).collect();
    messages.sort_unstable();
    messages.dedup();
    ensure!(messages.len() as u64 == lines && documents.len() as u64 == lines, "{} documents", documents.len());
    let (_, metrics) = http::get(&format!("http://{status}/metrics"))?;
    let repeated = "sluice_worker_documents_total{outcome=\"already_there\"} ";
    let repeated = metrics.lines().find_map(|line| line.strip_prefix(repeated)?.parse::<u64>().ok());
    ensure!(
        repeated.is_some_and(|count| count > 0),
        "nothing was repeated, so it did not die in mid-bulk: {repeated:?}"
    );
    worker.interrupt()?;
    ensure!(worker.wait(PATIENCE)?.success(), "the worker does not end well");
    Ok(())
}

/// SIGTERM works off what is open, for `drain_s`; a second one ends at once.
pub fn second_signal(scene: &Scene) -> anyhow::Result<()> {
    let Destination::StandIn(server) = Destination::stand_in() else { unreachable!("it is the stand-in") };
    let broker = sluice::broker(scene)?;
    produce(&broker.address, "logs", (0..100).map(|n| format!("line {n}")))?;
    server.fault_source(Box::new(|_, _| Fault::Hang));
    let url = server.url();
    for (drain_s, is_twice) in [(1, false), (600, true)] {
        scene.file("sluice.yaml", format!("worker: {{drain_s: {drain_s}}}\n"));
        let before = server.requests().len();
        let (mut worker, _) = start(scene, "worker", &broker.address, &["--elasticsearch", &url]);
        wait::until("a request", PATIENCE, || (server.requests().len() > before).then_some(()))?;
        worker.interrupt()?;
        let asked = Instant::now();
        if is_twice {
            // Only a worker that has heard the first one hears a second: until then two of them are one.
            wait::until("the end after a second signal", PATIENCE, || {
                (!worker.is_running() || worker.interrupt().is_err()).then_some(())
            })?;
        }
        let ended = worker.wait(PATIENCE)?;
        ensure!(
            ended.code() == Some(if is_twice { 130 } else { 0 }),
            "it ended with {ended} after {:?}",
            asked.elapsed()
        );
    }
    let committed = topic::committed(&broker.address, "g", "logs")?;
    ensure!(committed.values().all(|offset| *offset <= 0), "what was not answered is committed: {committed:?}");
    Ok(())
}
