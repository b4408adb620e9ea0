//! What brokers and networks do: they die, stall, cut connections, lose answers, change leaders and refuse batches.

use crate::harness::agent::Setup;
use crate::harness::lines::Stream;
use crate::harness::log_file::LogFile;
use crate::harness::proxy::Proxy;
use crate::harness::random::Random;
use crate::harness::scene::Scene;
use crate::harness::soak::soak;
use crate::harness::writing::{self, Plan, Rotation, Writing};
use crate::harness::{ports, sluice, topic, wait};
use crate::real::{self, KafkaNode};
use anyhow::ensure;
use rustix::process::Signal;
use std::time::Duration;

/// More than is written before a test ends the writing.
const PLAN: Plan = Plan {
    rotation: Rotation::Rename,
    streams: 4,
    lines_per_stream: 10_000_000,
    lines_per_rotation: 10_000,
    lines_per_second: 3_000,
};
/// For a cluster of JVMs to change its mind beside other tests.
const CHANGE: Duration = Duration::from_secs(90);

fn begin_writing(scene: &Scene, random: &mut Random) -> anyhow::Result<Writing> {
    writing::start(&scene.directory("logs"), PLAN, Random::new(random.next()))
}

/// Connections to our broker are cut within requests and answers.
pub fn our_broker_cut_off(scene: &Scene) -> anyhow::Result<()> {
    let mut random = scene.random("agent::cluster");
    let (port, broker) = (ports::free(), ports::free_address());
    let advertised = format!("127.0.0.1:{port}");
    let mut command = sluice::command(["broker", "--listen", &broker, "--advertise", &advertised, "--data", "data"]);
    command.args(["--status-listen", &ports::free_address()]);
    let proxy = Proxy::start(port, broker.parse()?, Random::new(random.next()))?;
    let mut process = scene.start("broker", command);
    sluice::wait_for_broker(&mut process, &broker)?;
    cut_off(scene, &advertised, &proxy, &mut random)
}

/// Connections to Apache Kafka are cut within requests and answers.
pub fn apache_kafka_cut_off(scene: &Scene) -> anyhow::Result<()> {
    let mut random = scene.random("agent::cluster");
    let port = ports::free();
    let advertised = format!("127.0.0.1:{port}");
    let properties = format!("advertised.listeners=PLAINTEXT://{advertised}");
    let mut kafka = KafkaNode::new(scene, "kafka", ports::free(), &properties)?;
    let proxy = Proxy::start(port, kafka.address().parse()?, Random::new(random.next()))?;
    kafka.start()?;
    cut_off(scene, &advertised, &proxy, &mut random)
}

fn cut_off(scene: &Scene, address: &str, proxy: &Proxy, random: &mut Random) -> anyhow::Result<()> {
    let setup = Setup::new(scene, address, "logs", &["logs/app-*"]);
    let agent = setup.start();
    let writing = begin_writing(scene, random)?;
    proxy.be_bad(true);
    let cuts = soak(20, 2_000);
    wait::until(&format!("{cuts} cuts"), CHANGE * soak(1, 30), || (proxy.cuts() >= cuts).then_some(()))?;
    let written = writing.end()?;
    proxy.be_bad(false);
    setup.finish(agent, &written)?;
    Ok(())
}

/// Two nodes of Apache Kafka: the one that leads is killed, comes back and is made leader again, stalls, and is killed again.
pub fn apache_kafka_leaders(scene: &Scene) -> anyhow::Result<()> {
    const TOPIC: &str = "logs";
    let mut random = scene.random("agent::cluster");
    let controller = ports::free();
    let quick = "broker.heartbeat.interval.ms=500\nbroker.session.timeout.ms=3000\nreplica.lag.time.max.ms=3000\n\
                 leader.imbalance.check.interval.seconds=1\nleader.imbalance.per.broker.percentage=0\n";
    let mut first = KafkaNode::new(scene, "first", controller, quick)?;
    let broker_only = format!("{quick}process.roles=broker\nnode.id=1\nlisteners=PLAINTEXT://127.0.0.1:PORT\n");
    let mut second = KafkaNode::new(scene, "second", controller, &broker_only)?;
    first.start()?;
    second.start()?;
    topic::create_replicated(&first.address(), TOPIC, 4, 2, &[])?;
    let leaders_are = |wanted: &dyn Fn(&topic::Partition) -> bool| {
        wait::until("the leaders and their followers", CHANGE, || {
            let partitions = topic::partitions(&first.address(), TOPIC).ok()?;
            (partitions.len() == 4 && partitions.iter().all(wanted)).then_some(())
        })
    };
    let is_whole = |partition: &topic::Partition| partition.in_sync.len() == 2;
    let is_preferred = |partition: &topic::Partition| is_whole(partition) && partition.leader == partition.replicas[0];
    leaders_are(&is_preferred)?;
    let setup = Setup::new(scene, &first.address(), TOPIC, &["logs/app-*"]);
    let agent = setup.start();
    let writing = begin_writing(scene, &mut random)?;
    setup.wait_for(5_000)?;
    second.kill()?;
    leaders_are(&|partition| partition.leader == 0)?;
    second.start()?;
    leaders_are(&is_preferred)?;
    setup.wait_for_more(5_000)?;
    second.signal(Signal::STOP)?;
    leaders_are(&|partition| partition.leader == 0)?;
    second.signal(Signal::CONT)?;
    leaders_are(&is_whole)?;
    second.kill()?;
    leaders_are(&|partition| partition.leader == 0)?;
    setup.finish(agent, &writing.end()?)?;
    Ok(())
}

/// Apache Kafka stalls, is killed, and comes back.
pub fn apache_kafka_dies(scene: &Scene) -> anyhow::Result<()> {
    let mut random = scene.random("agent::cluster");
    let mut kafka = KafkaNode::new(scene, "kafka", ports::free(), "")?;
    kafka.start()?;
    let setup = Setup::new(scene, &kafka.address(), "logs", &["logs/app-*"]);
    let agent = setup.start();
    let writing = begin_writing(scene, &mut random)?;
    for _ in 0..soak(2, 20) {
        setup.wait_for_more(3_000)?;
        kafka.signal(Signal::STOP)?;
        // Written while nobody answers: more than is in flight at once.
        agent.wait_for_metric("lag_bytes", |bytes| bytes > 1_000_000)?;
        kafka.signal(Signal::CONT)?;
        setup.wait_for_more(3_000)?;
        kafka.kill()?;
        kafka.start()?;
    }
    setup.finish(agent, &writing.end()?)?;
    Ok(())
}

/// A topic of Apache Kafka takes smaller batches than the agent makes: they are split, and nothing jumps the queue.
pub fn batch_too_large(scene: &Scene) -> anyhow::Result<()> {
    let broker = &real::kafka()?.address;
    let topic = &scene.own_name("agent-large");
    topic::create(broker, topic, 2, &[("max.message.bytes", "4000")])?;
    let setup = Setup::new(scene, broker, topic, &["*.log"]).set("compression: none");
    let mut file = LogFile::create(scene.path("app.log"), Stream::new(0, 13))?;
    file.write(5_000)?;
    let agent = setup.start();
    setup.wait_for(2_000)?;
    file.rotate(100)?;
    file.write(1_000)?;
    setup.wait_for(file.written().lines)?;
    let problems = agent.page("/health")?;
    ensure!(problems.contains("\"ready\""), "the agent complains: {problems}");
    setup.finish(agent, &[file.written()])?;
    Ok(())
}
