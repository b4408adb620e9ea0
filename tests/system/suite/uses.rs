//! The five uses of a message queue, each as a scenario with a plain Kafka client: decoupling, asynchronous work with retry
//! topics, peak shaving, messaging, logs (`tests/real/uses.py`). On our broker and on Apache Kafka.

use crate::harness::scene::Scene;
use crate::harness::sluice;
use crate::real;
use anyhow::ensure;

pub fn our_broker(scene: &Scene) -> anyhow::Result<()> {
    on(scene, &sluice::broker(scene)?.address)
}

pub fn apache_kafka(scene: &Scene) -> anyhow::Result<()> {
    on(scene, &real::kafka()?.address)
}

fn on(scene: &Scene, broker: &str) -> anyhow::Result<()> {
    let output = real::kafka_python("uses.py", &[broker, &scene.own_name("use")])?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(
        output.status.success() && said(&output.stdout).contains("every use passed"),
        "{}\n{}\n{}",
        output.status,
        said(&output.stdout),
        said(&output.stderr)
    );
    Ok(())
}
