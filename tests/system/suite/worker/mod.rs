//! The worker end to end: groups that grow and shrink, peaks, deaths in mid-bulk, dead letters, other far ends.
//!
//! `SLUICE_SOAK=full` runs the long forms.

mod dead;
mod gap;
mod group;
mod outputs;
mod peak;
mod reload;
mod stream;

use crate::Test;
use crate::harness::scene::Scene;
use crate::harness::sluice::{self, Broker};
use crate::harness::{http, ports, process::Process, topic, wait};
use crate::real;
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
        tests!(group: two_four_one, apache_kafka_two_four_one, killed_in_mid_bulk, apache_kafka_killed_in_mid_bulk),
        tests!(group: second_signal),
        tests!(stream: elasticsearch, opensearch),
        tests!(dead: letters, apache_kafka_letters, dropped, apache_kafka_dropped),
        tests!(gap: of_retention),
        tests!(outputs: file_and_topic),
        tests!(reload: of_changed_and_broken),
    ]
    .concat()
}

/// Where the lines of a test are, and who reads them.
struct Place {
    broker: String,
    topic: String,
    group: String,
    /// Our broker ends with it.
    _broker: Option<Broker>,
}

impl Place {
    /// A broker of the test's own.
    fn ours(scene: &Scene) -> anyhow::Result<Self> {
        let broker = sluice::broker(scene)?;
        Ok(Self { broker: broker.address.clone(), topic: "logs".into(), group: "g".into(), _broker: Some(broker) })
    }

    /// Apache Kafka, which has other tests' topics beside.
    fn apache_kafka(scene: &Scene) -> anyhow::Result<Self> {
        let broker = real::kafka()?.address.clone();
        let name = scene.own_name("worker");
        Ok(Self { broker, topic: name.clone(), group: name, _broker: None })
    }

    /// The same place, whose broker is somebody else's to end.
    fn beside(&self) -> Self {
        let Self { broker, topic, group, .. } = self;
        Self { broker: broker.clone(), topic: topic.clone(), group: group.clone(), _broker: None }
    }

    /// A worker of the topic, and where its status is.
    fn start(&self, scene: &Scene, name: &str, more: &[&str]) -> (Process, String) {
        let status = ports::free_address();
        let mut command = sluice::command(["worker", "--broker", &self.broker]);
        command.args(["--topic", &self.topic, "--group", &self.group, "--status-listen", &status]).args(more);
        (scene.start(name, command), status)
    }

    /// An agent that follows the files of `paths`.
    fn agent(&self, scene: &Scene, paths: &str) -> Process {
        let mut command = sluice::command(["agent", "--broker", &self.broker, "--topic", &self.topic]);
        command
            .args(["--checkpoints", "checkpoints", "--status-listen", &ports::free_address()])
            .arg(scene.path(paths));
        scene.start("agent", command)
    }

    /// Waits until the group has committed all that the topic has.
    fn wait_until_committed(&self, deadline: Duration) -> anyhow::Result<()> {
        topic::wait_until_committed(&self.broker, &self.group, &self.topic, deadline)
    }
}

/// A worker of the topic `logs`, and where its status is.
fn start(scene: &Scene, name: &str, broker: &str, more: &[&str]) -> (Process, String) {
    let (broker, topic, group) = (broker.to_owned(), "logs".to_owned(), "g".to_owned());
    Place { broker, topic, group, _broker: None }.start(scene, name, more)
}

/// Waits until the metrics at `status` have this line.
fn wait_for_metric(status: &str, line: &str, deadline: Duration) -> anyhow::Result<()> {
    wait::until_equal(line, deadline, true, || {
        Ok(http::get(&format!("http://{status}/metrics"))?.1.lines().any(|one| one == line))
    })
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
