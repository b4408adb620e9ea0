//! Kafka 4.1's command-line tools, each way of calling them that means something on one node: on our broker, and on Apache
//! Kafka, which shows that what is wanted here is what Kafka answers.

use crate::harness::scene::Scene;
use crate::harness::{sluice, topic, wait};
use crate::real::{self, KafkaTools};
use anyhow::{Context, ensure};
use std::cell::{Cell, RefCell};
use std::fs;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const ALL_GROUPS: &str = "org.apache.kafka.tools.GroupsCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
const FEATURES: &str = "org.apache.kafka.tools.FeatureCommand";
const CLUSTER: &str = "org.apache.kafka.tools.ClusterTool";
const VERSIONS: &str = "org.apache.kafka.tools.BrokerApiVersionsCommand";
const QUORUM: &str = "org.apache.kafka.tools.MetadataQuorumCommand";
const ELECTION: &str = "org.apache.kafka.tools.LeaderElectionCommand";
const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";
const CLIENT_METRICS: &str = "org.apache.kafka.tools.ClientMetricsCommand";
const PRODUCER_PERFORMANCE: &str = "org.apache.kafka.tools.ProducerPerformance";
const CONSUMER_PERFORMANCE: &str = "org.apache.kafka.tools.ConsumerPerformance";
const LATENCY: &str = "org.apache.kafka.tools.EndToEndLatency";
const VERIFIABLE_PRODUCER: &str = "org.apache.kafka.tools.VerifiableProducer";

/// As many as the broker promises at least.
const CALLS_MIN: u32 = 60;

pub fn our_broker(scene: &Scene) -> anyhow::Result<()> {
    all(scene, &sluice::broker(scene)?.address)
}

pub fn apache_kafka(scene: &Scene) -> anyhow::Result<()> {
    all(scene, &real::kafka()?.address)
}

/// The tools on one broker.
struct Calls<'a> {
    tools: RefCell<KafkaTools>,
    broker: &'a str,
    count: Cell<u32>,
}

impl Calls<'_> {
    /// Runs a tool that has to succeed, or to fail, and whose output has to have all of `wanted`.
    fn run(
        &self,
        class: &str,
        arguments: &[&str],
        input: &str,
        succeeds: bool,
        wanted: &[&str],
    ) -> anyhow::Result<String> {
        self.count.set(self.count.get() + 1);
        self.try_once(class, arguments, input, succeeds, wanted)
    }

    fn try_once(
        &self,
        class: &str,
        arguments: &[&str],
        input: &str,
        succeeds: bool,
        wanted: &[&str],
    ) -> anyhow::Result<String> {
        let output = self.tools.borrow_mut().run(class, arguments, input)?;
        let (name, all) = (class.rsplit('.').next().unwrap_or(class), format!("{}\n{}", output.stdout, output.stderr));
        let call = format!("{name} {}", arguments.join(" "));
        ensure!((output.code == 0) == succeeds, "{call}: exit code {}\n{all}", output.code);
        for wanted in wanted {
            ensure!(all.contains(wanted), "{call}: want {wanted:?}; got\n{all}");
        }
        Ok(output.stdout)
    }

    fn on_broker<'b>(&'b self, arguments: &[&'b str]) -> Vec<&'b str> {
        [&["--bootstrap-server", self.broker], arguments].concat()
    }

    fn ok(&self, class: &str, arguments: &[&str], wanted: &[&str]) -> anyhow::Result<String> {
        self.run(class, &self.on_broker(arguments), "", true, wanted)
    }

    /// Asks again until the output has all of `wanted`. Apache Kafka's controller answers before its broker, which is asked, has
    /// heard of what changed; and a tool that looks at all topics fails where another test deletes one of them.
    fn shows(&self, class: &str, arguments: &[&str], wanted: &[&str]) -> anyhow::Result<String> {
        self.shows_that(class, arguments, wanted, |_| true)
    }

    /// Asks again until the output, which has to have all of `wanted`, is as it should be.
    fn shows_that(
        &self,
        class: &str,
        arguments: &[&str],
        wanted: &[&str],
        is_right: impl Fn(&str) -> bool,
    ) -> anyhow::Result<String> {
        self.count.set(self.count.get() + 1);
        let (arguments, what) = (self.on_broker(arguments), arguments.join(" "));
        wait::until_ok(&what, topic::KNOWN, || {
            let printed = self.try_once(class, &arguments, "", true, wanted)?;
            ensure!(is_right(&printed), "{what}: got\n{printed}");
            Ok(printed)
        })
    }

    fn fails(&self, class: &str, arguments: &[&str], wanted: &[&str]) -> anyhow::Result<String> {
        self.run(class, &self.on_broker(arguments), "", false, wanted)
    }
}

fn all(scene: &Scene, broker: &str) -> anyhow::Result<()> {
    let calls = Calls { tools: RefCell::new(KafkaTools::start()?), broker, count: Cell::new(0) };
    let topic = scene.own_name("calls");
    topics(&calls, &topic)?;
    configs(&calls, &topic)?;
    records(&calls, &topic)?;
    groups(&calls, &topic)?;
    deleting(scene, &calls, &topic)?;
    cluster(&calls, &topic)?;
    one_node(scene, &calls, &topic)?;
    performance(&calls, &topic)?;
    calls.ok(TOPICS, &["--delete", "--topic", &topic], &[])?;
    calls.shows_that(TOPICS, &["--list"], &[], |left| !has_line(left, &topic))?;
    ensure!(calls.count.get() >= CALLS_MIN, "want {CALLS_MIN} calls; made {}", calls.count.get());
    Ok(())
}

fn has_line(printed: &str, wanted: &str) -> bool {
    printed.lines().any(|line| line == wanted)
}

fn topics(calls: &Calls<'_>, topic: &str) -> anyhow::Result<()> {
    let create = ["--create", "--topic", topic];
    let with = |more: &[&'static str]| [&create[..], more].concat();
    let settings = ["--partitions", "2", "--config", "retention.ms=3600000", "--config", "max.message.bytes=200000"];
    calls.ok(TOPICS, &with(&settings), &[&format!("Created topic {topic}.")])?;
    calls.fails(TOPICS, &create, &[&format!("Topic '{topic}' already exists.")])?;
    calls.ok(TOPICS, &with(&["--if-not-exists"]), &[])?;
    calls.shows_that(TOPICS, &["--list"], &[], |listed| has_line(listed, topic))?;
    let wanted = ["PartitionCount: 2\tReplicationFactor: 1", "retention.ms=3600000", "max.message.bytes=200000"];
    calls.shows(TOPICS, &["--describe", "--topic", topic], &wanted)?;
    calls.shows(TOPICS, &["--describe", "--topics-with-overrides"], &[topic])?;
    calls.shows_that(TOPICS, &["--describe", "--unavailable-partitions"], &[], |printed| printed.trim().is_empty())?;
    calls.ok(TOPICS, &["--alter", "--topic", topic, "--partitions", "3"], &[])?;
    let shrink = ["--alter", "--topic", topic, "--partitions", "2"];
    calls.fails(
        TOPICS,
        &shrink,
        &[&format!("The topic {topic} currently has 3 partition(s); 2 would not be an increase.")],
    )?;
    calls.shows(TOPICS, &["--describe", "--topic", topic], &["Partition: 2\tLeader: 0\tReplicas: 0\tIsr: 0"])?;

    let bad = |more: &[&'static str]| [&["--create", "--topic", "calls-bad"][..], more].concat();
    calls.fails(TOPICS, &["--create", "--topic", "bad/name"], &["Topic name is invalid", "InvalidTopicException"])?;
    calls.fails(TOPICS, &bad(&["--config", "nonsense=1"]), &["Unknown topic config name: nonsense"])?;
    calls.fails(TOPICS, &bad(&["--replication-factor", "2"]), &["only 1 broker(s) are registered"])?;
    calls.fails(TOPICS, &bad(&["--replica-assignment", "7"]), &["InvalidReplicaAssignmentException"])?;
    calls.fails(
        TOPICS,
        &["--describe", "--topic", "calls-none"],
        &["Topic 'calls-none' does not exist as expected"],
    )?;
    calls.fails(TOPICS, &["--delete", "--topic", "calls-none"], &["Topic 'calls-none' does not exist as expected"])?;
    Ok(())
}

fn configs(calls: &Calls<'_>, topic: &str) -> anyhow::Result<()> {
    let overrides = [
        "max.message.bytes=200000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:max.message.bytes=200000, DEFAULT_CONFIG:message.max.bytes=1048588}",
        "retention.ms=3600000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=3600000}",
    ];
    calls.shows(CONFIGS, &["--describe", "--topic", topic], &overrides)?;
    let defaults = [
        "segment.bytes=1073741824 sensitive=false synonyms={DEFAULT_CONFIG:log.segment.bytes=1073741824}",
        "segment.ms=604800000 sensitive=false synonyms={}",
        "unclean.leader.election.enable=false",
    ];
    let described = calls.shows(CONFIGS, &["--describe", "--topic", topic, "--all"], &defaults)?;
    ensure!(described.matches("synonyms=").count() == 33, "Kafka 4.1 has 33 configs of topics:\n{described}");
    let alter = ["--alter", "--topic", topic];
    let with = |more: &[&'static str]| [&alter[..], more].concat();
    let updated = format!("Completed updating config for topic {topic}.");
    calls.ok(CONFIGS, &with(&["--add-config", "retention.bytes=1000000,segment.ms=60000"]), &[&updated])?;
    calls.shows(CONFIGS, &["--describe", "--topic", topic], &["retention.bytes=1000000", "segment.ms=60000"])?;
    calls.ok(CONFIGS, &with(&["--delete-config", "retention.bytes"]), &[&updated])?;
    calls.shows_that(CONFIGS, &["--describe", "--topic", topic], &[], |all| !all.contains("retention.bytes"))?;
    calls.fails(CONFIGS, &with(&["--delete-config", "retention.bytes"]), &["Invalid config(s): retention.bytes"])?;
    calls.fails(CONFIGS, &with(&["--add-config", "nonsense=1"]), &["Unknown topic config name: nonsense"])?;
    let not_a_number = "Invalid value abc for configuration retention.ms: Not a number of type LONG";
    calls.fails(CONFIGS, &with(&["--add-config", "retention.ms=abc"]), &[not_a_number])?;
    let too_low = "Invalid value -7 for configuration retention.ms: Value must be at least -1";
    calls.fails(CONFIGS, &with(&["--add-config", "retention.ms=-7"]), &[too_low])?;
    let other = ["--alter", "--topic", "calls-none", "--add-config", "retention.ms=1000"];
    calls.fails(CONFIGS, &other, &["UnknownTopicOrPartitionException"])?;
    calls.shows(
        CONFIGS,
        &["--describe", "--entity-type", "topics"],
        &[&format!("Dynamic configs for topic {topic} are:")],
    )?;

    calls.ok(CONFIGS, &["--describe", "--broker", "0"], &["Dynamic configs for broker 0 are:"])?;
    let wanted = ["num.partitions=4", "STATIC_BROKER_CONFIG:node.id=0", "log.retention.hours=168"];
    let described = calls.ok(CONFIGS, &["--describe", "--broker", "0", "--all"], &wanted)?;
    ensure!(
        described.matches("synonyms=").count() > 300,
        "Kafka 4.1 has more than 300 configs of brokers:\n{described}"
    );
    let fixed = ["--alter", "--broker", "0", "--add-config", "num.partitions=7"];
    calls.fails(CONFIGS, &fixed, &["Cannot update these configs dynamically: Set(num.partitions)"])?;
    calls.ok(CONFIGS, &["--describe", "--broker-defaults"], &["Default configs for brokers in the cluster are:"])?;
    calls.ok(CONFIGS, &["--describe", "--entity-type", "groups"], &[])?;
    Ok(())
}

fn records(calls: &Calls<'_>, topic: &str) -> anyhow::Result<()> {
    let lines: String = (0..20).map(|number| format!("k{number}:v{number}\n")).collect();
    let keyed = ["--topic", topic, "--property", "parse.key=true", "--property", "key.separator=:"];
    calls.run(PRODUCER, &calls.on_broker(&keyed), &lines, true, &[])?;
    let compressed = ["--topic", topic, "--compression-codec", "gzip", "--producer-property", "acks=all"];
    calls.run(PRODUCER, &calls.on_broker(&compressed), "one\ntwo\n", true, &[])?;

    let sum =
        |printed: &str| printed.lines().filter_map(|line| line.rsplit(':').next()?.parse::<u64>().ok()).sum::<u64>();
    calls.shows_that(OFFSETS, &["--topic", topic], &[], |ends| sum(ends) == 22)?;
    for (time, want) in [("latest", 22), ("-1", 22), ("earliest", 0), ("-2", 0), ("earliest-local", 0), ("1000", 0)] {
        let third = format!("{topic}:2:");
        calls.shows_that(OFFSETS, &["--topic", topic, "--time", time], &[&third], |printed| sum(printed) == want)?;
    }
    calls.shows_that(OFFSETS, &["--topic", topic, "--time", "max-timestamp"], &[], |newest| {
        newest.lines().count() >= 2 && sum(newest) > 0
    })?;
    let tiered = ["--topic", topic, "--time", "latest-tiered"];
    calls.shows_that(OFFSETS, &tiered, &[], |printed| printed.trim().is_empty())?;
    calls.shows(OFFSETS, &["--topic-partitions", &format!("{topic}:0")], &[&format!("{topic}:0:")])?;
    let nothing = "Could not match any topic-partitions with the specified filters";
    calls.fails(OFFSETS, &["--topic", "calls-none"], &[nothing])?;

    let read = |more: &[&'static str]| [&["--topic", topic, "--timeout-ms", "60000"][..], more].concat();
    let grouped = ["--from-beginning", "--max-messages", "22", "--property", "print.key=true"];
    let group = [&read(&grouped)[..], &["--group", topic]].concat();
    let printed = calls.ok(CONSUMER, &group, &["k7\tv7", "null\ttwo", "Processed a total of 22 messages"])?;
    ensure!(printed.lines().count() == 22, "{printed}");
    let committed = ["--partition", "0", "--offset", "0", "--max-messages", "1", "--isolation-level", "read_committed"];
    calls.ok(CONSUMER, &read(&committed), &["Processed a total of 1 messages"])?;
    Ok(())
}

fn groups(calls: &Calls<'_>, topic: &str) -> anyhow::Result<()> {
    let group = topic;
    let of = |more: &[&'static str]| [&["--group", group][..], more].concat();
    calls.shows_that(GROUPS, &["--list"], &[], |listed| has_line(listed, group))?;
    calls.shows(GROUPS, &["--list", "--state"], &["STATE", "Empty"])?;
    calls.shows(GROUPS, &["--list", "--type", "classic"], &[group])?;
    calls.shows_that(GROUPS, &of(&["--describe"]), &["CURRENT-OFFSET", "has no active members"], |described| {
        described.lines().filter(|line| line.starts_with(group)).count() == 3
    })?;
    calls.shows(GROUPS, &of(&["--describe", "--state"]), &["(0)", "Empty"])?;
    calls.shows(GROUPS, &of(&["--describe", "--members", "--verbose"]), &["CONSUMER-ID"])?;
    calls.shows(GROUPS, &["--describe", "--group", "calls-none"], &["Group calls-none not found."])?;
    calls.shows(GROUPS, &["--describe", "--all-groups"], &[group])?;
    calls.shows(ALL_GROUPS, &["--list"], &[group, "Classic", "consumer"])?;

    let reset = |more: &[&'static str]| [&["--reset-offsets", "--group", group, "--topic", topic][..], more].concat();
    calls.ok(GROUPS, &reset(&["--to-earliest", "--dry-run"]), &["NEW-OFFSET"])?;
    calls.ok(GROUPS, &reset(&["--to-earliest", "--execute"]), &["NEW-OFFSET"])?;
    let lag = |described: &str| {
        let lags =
            described.lines().filter(|line| line.starts_with(group)).filter_map(|line| line.split_whitespace().nth(5));
        lags.filter_map(|lag| lag.parse::<u64>().ok()).sum::<u64>()
    };
    calls.shows_that(GROUPS, &of(&["--describe"]), &[], |described| lag(described) == 22)?;
    calls.ok(GROUPS, &reset(&["--shift-by", "1", "--execute"]), &["NEW-OFFSET"])?;
    calls.ok(GROUPS, &reset(&["--to-offset", "99999", "--execute"]), &["is higher than latest offset"])?;
    calls.shows_that(GROUPS, &of(&["--describe"]), &[], |described| lag(described) == 0)?;
    calls.ok(GROUPS, &reset(&["--to-datetime", "2000-01-01T00:00:00.000", "--execute"]), &["NEW-OFFSET"])?;
    calls.ok(GROUPS, &reset(&["--to-current", "--export"]), &[&format!("{topic},0,0")])?;
    calls.ok(GROUPS, &of(&["--reset-offsets", "--all-topics", "--to-latest", "--execute"]), &["NEW-OFFSET"])?;

    let forget = ["--delete-offsets", "--group", group, "--topic", topic];
    calls.ok(GROUPS, &forget, &["Request succeeded for deleting offsets", "Successful"])?;
    let unknown = ["--delete-offsets", "--group", group, "--topic", "calls-none"];
    calls.ok(GROUPS, &unknown, &["UnknownTopicOrPartitionException"])?;
    let nobody = ["--delete-offsets", "--group", "calls-none", "--topic", topic];
    calls.ok(GROUPS, &nobody, &["GroupIdNotFoundException"])?;
    calls.ok(
        GROUPS,
        &of(&["--delete"]),
        &[&format!("Deletion of requested consumer groups ('{group}') was successful.")],
    )?;
    calls.ok(GROUPS, &of(&["--delete"]), &["could not be deleted due to", "GroupIdNotFoundException"])?;
    Ok(())
}

fn deleting(scene: &Scene, calls: &Calls<'_>, topic: &str) -> anyhow::Result<()> {
    let file = |name: &str, contents: String| -> anyhow::Result<String> {
        let path = scene.path(name);
        fs::write(&path, contents).with_context(|| format!("write {path:?}"))?;
        Ok(path.to_string_lossy().into_owned())
    };
    let up_to = |partition: i32, offset: i64| {
        format!(r#"{{"partitions":[{{"topic":"{topic}","partition":{partition},"offset":{offset}}}],"version":1}}"#)
    };
    let some = file("some.json", up_to(0, 1))?;
    calls.ok(DELETE_RECORDS, &["--offset-json-file", &some], &[&format!("partition: {topic}-0\tlow_watermark: 1")])?;
    calls.shows(OFFSETS, &["--topic", topic, "--time", "-2"], &[&format!("{topic}:0:1")])?;
    let all = file("all.json", up_to(1, -1))?;
    calls.ok(DELETE_RECORDS, &["--offset-json-file", &all], &["low_watermark"])?;
    let beyond = file("beyond.json", up_to(0, 99999))?;
    calls.ok(DELETE_RECORDS, &["--offset-json-file", &beyond], &["OffsetOutOfRangeException"])?;
    Ok(())
}

fn cluster(calls: &Calls<'_>, topic: &str) -> anyhow::Result<()> {
    let wanted =
        [&format!("\"partition\":\"{topic}-0\"") as &str, "\"error\":null", "\"offsetLag\":0", "\"isFuture\":false"];
    calls.shows(LOG_DIRS, &["--describe", "--topic-list", topic], &wanted)?;
    calls.shows(LOG_DIRS, &["--describe", "--topic-list", "calls-none"], &["\"partitions\":[]"])?;
    calls.fails(LOG_DIRS, &["--describe", "--broker-list", "0,9"], &["Current existent brokers: 0"])?;
    let metadata =
        "metadata.version\tSupportedMinVersion: 3.3-IV3\tSupportedMaxVersion: 4.1-IV1\tFinalizedVersionLevel: 4.1-IV1";
    calls.shows(FEATURES, &["describe"], &[metadata])?;
    calls.run(CLUSTER, &["cluster-id", "--bootstrap-server", calls.broker], "", true, &["Cluster ID: "])?;
    calls.run(CLUSTER, &["list-endpoints", "--bootstrap-server", calls.broker], "", true, &["unfenced", "broker"])?;
    let versions = [
        "Produce(0): 0 to 13 [usable: 13]",
        "Fetch(1): 4 to 18 [usable: 18]",
        "DescribeTopicPartitions(75): 0 [usable: 0]",
    ];
    calls.shows(VERSIONS, &[], &versions)?;
    calls.shows(QUORUM, &["describe", "--status"], &["LeaderId:               0", "\"id\": 0"])?;
    calls.shows(QUORUM, &["describe", "--replication"], &["Leader"])?;
    calls.shows(CLIENT_METRICS, &["--list"], &[])?;
    calls.shows(CLIENT_METRICS, &["--describe"], &[])?;
    calls.shows(TRANSACTIONS, &["list"], &["TransactionalId"])?;
    let partition = ["describe-producers", "--topic", topic, "--partition", "0"];
    calls.shows(TRANSACTIONS, &partition, &["LastSequence"])?;
    calls.fails(TRANSACTIONS, &["describe", "--transactional-id", "calls-none"], &["the ID could not be found"])?;
    calls.shows(TRANSACTIONS, &["find-hanging", "--broker-id", "0"], &["StartOffset"])?;
    Ok(())
}

/// What a single node cannot mean has Kafka's own answer.
fn one_node(scene: &Scene, calls: &Calls<'_>, topic: &str) -> anyhow::Result<()> {
    let preferred = ["--election-type", "preferred"];
    calls.shows(ELECTION, &[&preferred[..], &["--all-topic-partitions"]].concat(), &[])?;
    let already = format!("Valid replica already elected for partitions {topic}-0");
    calls.ok(ELECTION, &[&preferred[..], &["--topic", topic, "--partition", "0"]].concat(), &[&already])?;
    let unclean = ["--election-type", "unclean", "--topic", topic, "--partition", "0"];
    calls.ok(ELECTION, &unclean, &[&already])?;
    let unknown = [&preferred[..], &["--topic", "calls-none", "--partition", "0"]].concat();
    calls.fails(ELECTION, &unknown, &["No such topic as calls-none"])?;

    calls.shows(REASSIGN, &["--list"], &["No partition reassignments found."])?;
    let to = |broker: i32| {
        format!(r#"{{"version":1,"partitions":[{{"topic":"{topic}","partition":0,"replicas":[{broker}]}}]}}"#)
    };
    let (here, there) = (scene.path("here.json"), scene.path("there.json"));
    fs::write(&here, to(0))?;
    fs::write(&there, to(5))?;
    let file = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let (here, there) = (file(&here), file(&there));
    let with =
        |action: &'static str, file: &str| [action.to_owned(), "--reassignment-json-file".to_owned(), file.to_owned()];
    let run = |action, file: &str, succeeds: bool, wanted: &[&str]| {
        let arguments = with(action, file);
        let arguments = calls
            .on_broker(&arguments.each_ref().map(String::as_str))
            .iter()
            .map(|one| (*one).to_owned())
            .collect::<Vec<_>>();
        calls.run(REASSIGN, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), "", succeeds, wanted)
    };
    run("--execute", &there, false, &["Unknown broker id 5"])?;
    run("--execute", &here, true, &[&format!("Successfully started partition reassignment for {topic}-0")])?;
    let verify = with("--verify", &here);
    let completed = format!("Reassignment of partition {topic}-0 is completed.");
    calls.shows(REASSIGN, &verify.each_ref().map(String::as_str), &[&completed])?;
    run("--cancel", &here, true, &["None of the specified partition reassignments are active."])?;
    Ok(())
}

fn performance(calls: &Calls<'_>, topic: &str) -> anyhow::Result<()> {
    let servers = format!("bootstrap.servers={}", calls.broker);
    let produce = ["--topic", topic, "--num-records", "2000", "--record-size", "100", "--throughput", "-1"];
    let properties = ["--producer-props", &servers, "acks=all", "compression.type=lz4"];
    calls.run(PRODUCER_PERFORMANCE, &[&produce[..], &properties].concat(), "", true, &["2000 records sent"])?;
    let read = ["--topic", topic, "--messages", "2000", "--timeout", "60000"];
    let printed = calls.ok(CONSUMER_PERFORMANCE, &read, &["data.consumed.in.nMsg"])?;
    ensure!(printed.lines().count() == 2, "{printed}");
    calls.run(LATENCY, &[calls.broker, topic, "20", "all", "100"], "", true, &["Percentiles: 50th"])?;
    calls.ok(VERIFIABLE_PRODUCER, &["--topic", topic, "--max-messages", "5"], &["startup_complete"])?;
    Ok(())
}
