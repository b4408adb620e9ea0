//! kill -9 at random moments while files are written and rotated: each line is in the topic once, in its file's order.

use crate::harness::agent::Setup;
use crate::harness::random::Random;
use crate::harness::scene::Scene;
use crate::harness::sluice;
use crate::harness::soak::soak;
use crate::harness::writing::{self, Plan, Rotation};
use crate::real;
use std::ops::Range;
use std::thread;
use std::time::Duration;

/// More than is written before the last death.
const PLAN: Plan = Plan {
    rotation: Rotation::Mixed,
    streams: 4,
    lines_per_stream: 10_000_000,
    lines_per_rotation: 2_000,
    lines_per_second: 3_000,
};
/// Life of a process, in milliseconds: from before it is ready to well into its work.
const LIFE_MS: Range<u64> = 20..1_500;

pub fn our_broker(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    die_often(scene, &broker.address, "logs")
}

pub fn apache_kafka(scene: &Scene) -> anyhow::Result<()> {
    die_often(scene, &real::kafka()?.address, &scene.own_name("agent-kill"))
}

fn die_often(scene: &Scene, broker: &str, topic: &str) -> anyhow::Result<()> {
    let mut random = scene.random("agent::kill");
    let logs = scene.directory("logs");
    let setup = Setup::new(scene, broker, topic, &["logs/app-*"]);
    let writing = writing::start(&logs, PLAN, Random::new(random.next()))?;
    for _ in 0..soak(40, 200) {
        let agent = setup.start();
        // A random moment is what this is about, so there is nothing to wait for.
        thread::sleep(Duration::from_millis(random.of(LIFE_MS)));
        agent.kill()?;
    }
    let agent = setup.start();
    setup.finish(agent, &writing.end()?)?;
    Ok(())
}
