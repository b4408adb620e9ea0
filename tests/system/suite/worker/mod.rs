//! The worker end to end: groups that grow and shrink, peaks, deaths in mid-bulk, dead letters, other far ends.
//!
//! `SLUICE_SOAK=full` runs the long forms.

mod dead;
mod gap;
mod group;
mod outputs;
mod peak;
mod reload;

use crate::Test;
use crate::harness::scene::Scene;
use crate::harness::{ports, process::Process, sluice};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::Duration;

/// Lists tests as `worker::SUITE::TEST`.
macro_rules! tests {
    ($suite:ident: $($test:ident),* $(,)?) => {
        vec![$((concat!("worker::", stringify!($suite), "::", stringify!($test)).to_owned(), $suite::$test as Test)),*]
    };
}

/// Every test, by name; the longest first.
pub fn all() -> Vec<(String, Test)> {
    [
        tests!(peak: is_worked_off),
        tests!(group: two_four_one, killed_in_mid_bulk, second_signal),
        tests!(dead: letters, dropped),
        tests!(gap: of_retention),
        tests!(outputs: file_and_topic),
        tests!(reload: of_changed_and_broken),
    ]
    .concat()
}

/// A number of the short form, or of the long one.
fn soak<T>(short: T, full: T) -> T {
    match std::env::var("SLUICE_SOAK").is_ok_and(|value| value == "full") {
        true => full,
        false => short,
    }
}

/// A worker of the topic `logs`, and where its status is.
fn start(scene: &Scene, name: &str, broker: &str, more: &[&str]) -> (Process, String) {
    let status = ports::free_address();
    let mut command = sluice::command(["worker", "--broker", broker, "--topic", "logs", "--group", "g"]);
    command.args(["--status-listen", &status]).args(more);
    (scene.start(name, command), status)
}

/// Produces `values` as a foreign producer does.
fn produce(broker: &str, topic: &str, values: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", broker).create()?;
    for value in values {
        let mut record = BaseRecord::<(), _>::to(topic).payload(&value);
        while let Err((error, back)) = producer.send(record) {
            anyhow::ensure!(error.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::QueueFull), "{error}");
            producer.poll(Duration::from_millis(10));
            record = back;
        }
    }
    producer.flush(Duration::from_secs(30))?;
    Ok(())
}
