//! Clients of other languages and older versions with every codec, producing and consuming in a group, and what their admin
//! clients ask, on our broker and on Apache Kafka: the second shows that the program itself is right.

use crate::Test;
use crate::harness::scene::Scene;
use crate::harness::sluice;
use crate::harness::soak;
use crate::real;
use anyhow::ensure;

/// A test of a program of `tests/real/client`, and the version that it has to say.
macro_rules! programs {
    ($($test:ident: $program:literal $version:literal,)*) => {
        vec![$((
            stringify!($test),
            (|scene| on(scene, &sluice::broker(scene)?.address, $program, $version)) as Test,
            (|scene| on(scene, &real::kafka()?.address, $program, $version)) as Test,
        )),*]
    };
}

/// What runs on Apache Kafka, too: each program in one version. `SLUICE_SOAK=full` runs all there.
const CONTROLS: [&str; 6] = ["java_4_1", "franz_go", "sarama", "kafka_python", "aiokafka", "librdkafka_2_6"];

pub fn all() -> Vec<(String, Test)> {
    let programs = programs! {
        java_2_8: "kafka-clients-2.8.2" "2.8.2",
        java_3_9: "kafka-clients-3.9.1" "3.9.1",
        java_4_1: "kafka-clients-4.1.1" "4.1.1",
        franz_go: "franz-go" "v1.22.3",
        franz_go_older: "franz-go-older" "v1.15.3",
        sarama: "sarama" "v1.61.1",
        sarama_older: "sarama-older" "v1.41.3",
        kafka_python: "kafka-python" "3.0.12",
        aiokafka: "aiokafka" "0.14.0",
        librdkafka_2_6: "confluent-kafka" "2.6.1",
    };
    let all_controls = soak::is_full();
    let mut tests = Vec::new();
    for (name, ours, kafka) in programs {
        tests.push((format!("client_programs::{name}"), ours));
        if all_controls || CONTROLS.contains(&name) {
            tests.push((format!("client_programs::apache_kafka_{name}"), kafka));
        }
    }
    tests
}

fn on(scene: &Scene, broker: &str, program: &str, version: &str) -> anyhow::Result<()> {
    let output = real::client(program, &[broker, &scene.own_name(program)])?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(
        output.status.success() && said(&output.stdout).contains(&format!("every codec passed with {version}\n")),
        "{program}: {}\n{}\n{}",
        output.status,
        said(&output.stdout),
        said(&output.stderr)
    );
    Ok(())
}
