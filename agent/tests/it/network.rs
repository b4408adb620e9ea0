//! The agent with its real client against brokers on sockets that stall, break off, forget to answer and move.

use crate::fixture::{Fixture, caught_up};
use crate::network_brokers::{Cluster, Fault, State};
use crate::random::{Random, seeds};
use agent::{Agent, Broker, Clock};
use bytes::Bytes;
use kafka_client::{Client, ClientConfig};
use kafka_wire::batch::{BatchHeader, PlainRecords};
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;

const TOPIC: &str = "t";
const PARTITIONS: i32 = 2;
const FILES: usize = 4;
const LINES: usize = 400;

// Codes of Kafka's protocol guide.
const NOT_LEADER: i16 = 6;
const REQUEST_TIMED_OUT: i16 = 7;
const TOO_LARGE: i16 = 10;
const NOT_ENOUGH_REPLICAS_AFTER_APPEND: i16 = 20;
const NOT_AUTHORIZED: i16 = 29;
const OUT_OF_ORDER: i16 = 45;

struct Network {
    fixture: Fixture,
    cluster: Cluster,
}

impl Network {
    async fn new() -> Self {
        let cluster = Cluster::start(2).await;
        cluster.create(TOPIC, PARTITIONS);
        let mut fixture = Fixture::new();
        fixture.config.topic = TOPIC.to_owned();
        fixture.config.rescan = Duration::from_millis(100);
        let mut client = ClientConfig::new(cluster.bootstrap());
        client.connect_timeout = Duration::from_millis(500);
        client.request_timeout = Duration::from_millis(200);
        client.retry_backoff_min = Duration::from_millis(2);
        client.retry_backoff_max = Duration::from_millis(20);
        fixture.config.client = client;
        Self { fixture, cluster }
    }

    async fn start(&self) -> Agent {
        let config = self.fixture.config.clone();
        let broker: Arc<dyn Broker> = Arc::new(agent::KafkaBroker::new(Client::new(config.client.clone())));
        let clock = Clock(Arc::new(|| 1_700_000_000_000));
        Agent::start_with(config, &mut Registry::default(), broker, clock).await.expect("starts")
    }

    fn write(&self, lines: std::ops::Range<usize>) {
        for file in 0..FILES {
            let text: String = lines.clone().map(|line| format!("{file} {line:05}\n")).collect();
            self.fixture.append(&format!("{file}.log"), text);
        }
    }

    fn values(&self) -> Vec<String> {
        let state = self.cluster.state();
        assert_eq!(state.violations, Vec::<String>::new());
        let batches = (0..PARTITIONS).flat_map(|at| &state.partitions[&(TOPIC.to_owned(), at)].log);
        batches.flat_map(values_of).collect()
    }

    /// All lines are there once, those of each file in their order.
    fn check(&self, what: &str) {
        let values = self.values();
        for file in 0..FILES {
            let prefix = format!("{file} ");
            let got: Vec<&String> = values.iter().filter(|value| value.starts_with(&prefix)).collect();
            let want: Vec<String> = (0..LINES).map(|line| format!("{file} {line:05}")).collect();
            assert!(got.iter().copied().eq(&want), "{what}: file {file}: {got:?}");
        }
        assert_eq!(values.len(), FILES * LINES, "{what}");
    }
}

fn values_of(batch: &Bytes) -> Vec<String> {
    let header = BatchHeader::read(batch).expect("sealed");
    let plain = PlainRecords::read(header, batch, 1 << 24).expect("readable");
    let value = |value: Option<&[u8]>| String::from_utf8_lossy(value.expect("a line")).into_owned();
    plain.iter().map(|record| value(record.expect("sound").value)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_the_network_and_of_brokers_leaves_each_line_once() {
    check_faults(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_and_a_killed_agent_leave_each_line_once() {
    check_faults(true).await;
}

async fn check_faults(killed: bool) {
    let faults: [(&str, &[Fault]); 11] = [
        ("stall", &[Fault::Stall]),
        ("reset in mid-request", &[Fault::ResetInRequest, Fault::None, Fault::ResetInRequest]),
        ("reset before append", &[Fault::ResetBeforeAppend; 3]),
        ("lost acknowledgement", &[Fault::LoseAcknowledgement; 3]),
        ("leader elsewhere", &[Fault::Refuse(NOT_LEADER); 4]),
        ("timed out after append", &[Fault::RefuseAfterAppend(REQUEST_TIMED_OUT); 3]),
        ("too few replicas after append", &[Fault::RefuseAfterAppend(NOT_ENOUGH_REPLICAS_AFTER_APPEND); 3]),
        ("garbage", &[Fault::Garble]),
        ("out of order", &[Fault::Refuse(OUT_OF_ORDER)]),
        ("too large", &[Fault::Refuse(TOO_LARGE)]),
        ("not authorized for a while", &[Fault::Refuse(NOT_AUTHORIZED); 3]),
    ];
    for (what, script) in faults {
        let network = Network::new().await;
        let agent = network.start().await;
        network.write(0..LINES / 4);
        network.fixture.until(|| network.values().len() >= FILES * LINES / 4).await;
        network.cluster.script(script.iter().copied());
        network.write(LINES / 4..LINES);
        let agent = if killed {
            network.fixture.until(|| network.cluster.state().faults.len() < script.len()).await;
            drop(agent);
            network.start().await
        } else {
            agent
        };
        network.fixture.until(|| network.values().len() >= FILES * LINES).await;
        caught_up(&agent).await;
        agent.stop(Duration::from_secs(10)).await;
        network.check(&format!("{what}, killed: {killed}"));
    }
}

fn fault(random: &mut Random, state: &mut State) -> Fault {
    if random.below(20) == 0 {
        let moved = (TOPIC.to_owned(), random.below(PARTITIONS as u64) as i32);
        state.partitions.get_mut(&moved).expect("created").leader = Some(random.below(2) as i32);
    }
    match random.below(40) {
        0 => Fault::Stall,
        1 | 2 => Fault::ResetBeforeAppend,
        3..=5 => Fault::LoseAcknowledgement,
        6..=8 => Fault::Refuse(NOT_LEADER),
        9..=11 => Fault::RefuseAfterAppend(NOT_ENOUGH_REPLICAS_AFTER_APPEND),
        12 => Fault::Refuse(NOT_AUTHORIZED),
        13 => Fault::Throttle(3),
        14 => Fault::Garble,
        _ => Fault::None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_at_random_and_kills_leave_each_line_once() {
    for seed in seeds(3) {
        println!("SLUICE_SEED={seed}");
        let network = Network::new().await;
        let mut random = Random::new(seed);
        let mut faults = Random::new(seed ^ 0x5eed);
        network.cluster.state().mixture = Some(Box::new(move |state| fault(&mut faults, state)));
        let mut agent = network.start().await;
        let mut written = 0;
        while written < LINES {
            let more = (1 + random.below(60) as usize).min(LINES - written);
            network.write(written..written + more);
            written += more;
            if random.below(3) == 0 {
                let enough = network.values().len() + random.below(100) as usize;
                network.fixture.until(|| network.values().len() >= enough.min(FILES * written)).await;
                drop(agent);
                agent = network.start().await;
            }
        }
        network.fixture.until(|| network.values().len() >= FILES * LINES).await;
        network.cluster.state().mixture = None;
        caught_up(&agent).await;
        agent.stop(Duration::from_secs(10)).await;
        network.check(&format!("SLUICE_SEED={seed}"));
    }
}
