//! A group consumer against a coordinator that answers every error code that the protocol has for members.

mod coordinator;

use std::time::Duration;

use coordinator::Broker;
use kafka_client::{
    Assignor, Client, ClientConfig, CommitError, Event, GroupConfig, GroupConsumer, GroupError, Skip, TopicPartition,
};
use kafka_wire::protocol::messages::{
    FetchRequest, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest, OffsetCommitRequest, OffsetFetchRequest,
    SyncGroupRequest,
};

/// What a test waits for at most; only a test that fails waits this long.
const DEADLINE: Duration = Duration::from_secs(30);

const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const NOT_COORDINATOR: i16 = 16;
const NOT_LEADER: i16 = 6;
const ILLEGAL_GENERATION: i16 = 22;
const UNKNOWN_MEMBER_ID: i16 = 25;
const INVALID_SESSION_TIMEOUT: i16 = 26;
const REBALANCE_IN_PROGRESS: i16 = 27;
const OFFSET_METADATA_TOO_LARGE: i16 = 12;
const FENCED_INSTANCE_ID: i16 = 82;

fn start(broker: &Broker, change: impl FnOnce(&mut GroupConfig)) -> GroupConsumer {
    let mut client = ClientConfig::new(broker.bootstrap());
    client.retry_backoff_min = Duration::from_millis(2);
    client.retry_backoff_max = Duration::from_millis(20);
    let mut config = GroupConfig::new("g", vec!["t".to_owned()]);
    config.heartbeat_interval = Duration::from_millis(10);
    config.metadata_refresh = Duration::from_millis(20);
    change(&mut config);
    GroupConsumer::start(Client::new(client), config)
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("t", number)
}

/// The next event, in words.
async fn next(consumer: &mut GroupConsumer) -> String {
    let event = tokio::time::timeout(DEADLINE, consumer.next()).await.expect("something happens before the deadline");
    match event {
        Event::Assigned(partitions) => {
            let mut places: Vec<_> =
                partitions.iter().map(|it| format!("{}@{}", it.partition.partition, it.position)).collect();
            places.sort_unstable();
            format!("assigned {}", places.join(" "))
        }
        Event::Revoked(partitions) => format!("revoked {}", partitions.len()),
        Event::Lost(partitions) => format!("lost {}", partitions.len()),
        Event::Fetched { partition, position, high_watermark, .. } => {
            format!("fetched {}@{position} of {high_watermark}", partition.partition)
        }
        Event::OutOfRange { partition, wanted, reset_to } => format!("{} {wanted}->{reset_to}", partition.partition),
        Event::Skipped { partition, first, last } => format!("{} without {first}-{last}", partition.partition),
        Event::HighWatermark { partition, high_watermark } => {
            format!("{} reaches {high_watermark}", partition.partition)
        }
        Event::Failed(error) => format!("failed: {error}"),
    }
}

async fn expect(consumer: &mut GroupConsumer, events: &[&str]) {
    for event in events {
        assert_eq!(next(consumer).await, *event);
    }
}

/// A broker whose group has committed offset 0 of its one partition.
async fn broker_with_offset() -> Broker {
    let broker = Broker::start(1).await;
    broker.state().committed.insert(0, 0);
    broker
}

#[tokio::test]
async fn a_member_joins_reads_commits_and_leaves() {
    let broker = Broker::start(2).await;
    broker.state().committed.insert(0, 3);
    broker.state().append(5);
    let mut consumer = start(&broker, |_| {});
    expect(&mut consumer, &["assigned 0@3"]).await;
    // The other one has no committed offset: its place is found out, and it may be told of before or after a fetch.
    let mut events = vec![next(&mut consumer).await, next(&mut consumer).await, next(&mut consumer).await];
    events.sort_unstable();
    assert_eq!(events, ["assigned 1@0", "fetched 0@3 of 5", "fetched 1@0 of 5"]);

    let commit = consumer.commit(vec![(partition(0), 5), (partition(1), 4)]);
    assert_eq!(commit.await, Ok(()));
    assert_eq!(broker.state().committed.clone().into_iter().collect::<Vec<_>>(), [(0, 5), (1, 4)]);
    let _not_awaited = consumer.commit(vec![(partition(1), 5)]);
    consumer.leave().await;
    let state = broker.state();
    assert_eq!(state.committed[&1], 5, "what was asked before leaving is committed");
    assert_eq!(state.asked.first().map(String::as_str), Some("join \"\""));
    assert_eq!(state.asked[1..3], ["join \"member-1\"", "sync 1"]);
    assert_eq!(state.asked.last().map(String::as_str), Some("leave"));
}

#[tokio::test]
async fn a_static_member_neither_asks_for_an_id_nor_leaves() {
    let broker = broker_with_offset().await;
    let mut consumer = start(&broker, |config| config.instance_id = Some("w1".to_owned()));
    expect(&mut consumer, &["assigned 0@0"]).await;
    consumer.leave().await;
    assert_eq!(broker.state().asked, ["join \"\"", "sync 1"]);
}

#[tokio::test]
async fn joining_gets_through_what_passes() {
    let broker = broker_with_offset().await;
    {
        let mut state = broker.state();
        state.script::<FindCoordinatorRequest>([COORDINATOR_NOT_AVAILABLE]);
        state.script::<JoinGroupRequest>([
            COORDINATOR_LOAD_IN_PROGRESS,
            NOT_COORDINATOR,
            UNKNOWN_MEMBER_ID,
            REBALANCE_IN_PROGRESS,
        ]);
        state.script::<SyncGroupRequest>([
            REBALANCE_IN_PROGRESS,
            ILLEGAL_GENERATION,
            UNKNOWN_MEMBER_ID,
            NOT_COORDINATOR,
        ]);
        state.script::<OffsetFetchRequest>([COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR]);
        state.append(1);
    }
    let mut consumer = start(&broker, |_| {});
    expect(&mut consumer, &["assigned 0@0", "fetched 0@0 of 1"]).await;
    assert_eq!(broker.state().asked.last().map(String::as_str), Some("sync 5"));
}

#[tokio::test]
async fn a_cooperative_member_keeps_its_partitions_through_a_rebalance() {
    let broker = broker_with_offset().await;
    let mut consumer = start(&broker, |_| {});
    expect(&mut consumer, &["assigned 0@0"]).await;
    broker.state().script::<HeartbeatRequest>([REBALANCE_IN_PROGRESS]);
    until("another generation", || broker.state().asked.contains(&"sync 2".to_owned())).await;
    broker.state().append(2);
    expect(&mut consumer, &["fetched 0@0 of 2"]).await;
}

#[tokio::test]
async fn an_eager_member_gives_up_everything_and_commits_before() {
    let broker = broker_with_offset().await;
    broker.state().append(2);
    let mut consumer = start(&broker, |config| config.assignors = vec![Assignor::Range]);
    expect(&mut consumer, &["assigned 0@0", "fetched 0@0 of 2"]).await;
    broker.state().script::<HeartbeatRequest>([REBALANCE_IN_PROGRESS]);
    expect(&mut consumer, &["revoked 1"]).await;
    assert_eq!(consumer.commit(vec![(partition(0), 2)]).await, Ok(()));
    assert!(!broker.state().asked.contains(&"sync 2".to_owned()), "the member waits for the acknowledgement");
    consumer.acknowledge_revoked(&[partition(0)]);
    expect(&mut consumer, &["assigned 0@2"]).await;
}

#[tokio::test]
async fn a_revocation_that_nobody_acknowledges_does_not_stop_the_group() {
    let broker = broker_with_offset().await;
    let mut consumer = start(&broker, |config| {
        config.assignors = vec![Assignor::Range];
        config.session_timeout = Duration::from_millis(600);
    });
    expect(&mut consumer, &["assigned 0@0"]).await;
    broker.state().script::<HeartbeatRequest>([REBALANCE_IN_PROGRESS]);
    expect(&mut consumer, &["revoked 1", "assigned 0@0"]).await;
}

#[tokio::test]
async fn an_expelled_member_loses_its_partitions_and_its_commits() {
    for (code, rejoins_as) in [(UNKNOWN_MEMBER_ID, "join \"\""), (ILLEGAL_GENERATION, "join \"member-1\"")] {
        let broker = broker_with_offset().await;
        let mut consumer = start(&broker, |_| {});
        expect(&mut consumer, &["assigned 0@0"]).await;
        broker.state().asked.clear();
        broker.state().script::<OffsetCommitRequest>([code]);
        assert_eq!(consumer.commit(vec![(partition(0), 1)]).await, Err(CommitError::Stale));
        expect(&mut consumer, &["lost 1", "assigned 0@0"]).await;
        assert_eq!(broker.state().asked[1], rejoins_as);

        // A heartbeat says the same.
        broker.state().script::<HeartbeatRequest>([code]);
        expect(&mut consumer, &["lost 1", "assigned 0@0"]).await;
    }
}

#[tokio::test]
async fn commits_wait_for_what_passes_and_fail_for_what_does_not() {
    let broker = broker_with_offset().await;
    let mut consumer = start(&broker, |_| {});
    expect(&mut consumer, &["assigned 0@0"]).await;
    broker.state().script::<OffsetCommitRequest>([
        COORDINATOR_LOAD_IN_PROGRESS,
        NOT_COORDINATOR,
        REBALANCE_IN_PROGRESS,
        COORDINATOR_NOT_AVAILABLE,
    ]);
    assert_eq!(consumer.commit(vec![(partition(0), 7)]).await, Ok(()));
    assert_eq!(broker.state().committed[&0], 7);
    assert!(broker.state().asked.contains(&"sync 2".to_owned()), "it has rejoined in between");

    broker.state().script::<OffsetCommitRequest>([OFFSET_METADATA_TOO_LARGE]);
    let refused = consumer.commit(vec![(partition(0), 8)]).await;
    assert!(matches!(&refused, Err(CommitError::Refused { code, .. }) if code.number() == 12), "{refused:?}");
    assert_eq!(consumer.commit(vec![(partition(9), 8)]).await, Err(CommitError::Stale));
    assert_eq!(consumer.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn a_member_gives_up_when_it_is_fenced_or_refused() {
    let broker = broker_with_offset().await;
    let mut consumer = start(&broker, |config| config.instance_id = Some("w1".to_owned()));
    expect(&mut consumer, &["assigned 0@0"]).await;
    broker.state().script::<HeartbeatRequest>([FENCED_INSTANCE_ID]);
    expect(&mut consumer, &["lost 1"]).await;
    let event = consumer.next().await;
    assert!(matches!(&event, Event::Failed(GroupError::Fenced { instance_id }) if instance_id == "w1"), "{event:?}");
    assert_eq!(consumer.commit(vec![(partition(0), 1)]).await, Err(CommitError::Closed));
    assert!(!consumer.problems().is_empty());
    consumer.leave().await;

    let broker = broker_with_offset().await;
    broker.state().script::<JoinGroupRequest>([INVALID_SESSION_TIMEOUT]);
    let mut consumer = start(&broker, |_| {});
    expect(&mut consumer, &["failed: JoinGroup: coordinator answered INVALID_SESSION_TIMEOUT"]).await;
}

#[tokio::test]
async fn records_that_are_gone_are_reported_as_a_gap() {
    let broker = broker_with_offset().await;
    broker.state().append(4);
    broker.state().log_start = 2;
    let mut consumer = start(&broker, |_| {});
    expect(&mut consumer, &["assigned 0@0", "0 0->2", "fetched 0@2 of 4"]).await;
}

#[tokio::test]
async fn a_leader_that_moves_is_looked_for() {
    let broker = broker_with_offset().await;
    broker.state().append(1);
    broker.state().script::<FetchRequest>([NOT_LEADER, NOT_LEADER]);
    let mut consumer = start(&broker, |_| {});
    expect(&mut consumer, &["assigned 0@0", "fetched 0@0 of 1"]).await;
}

#[tokio::test]
async fn the_leader_of_the_group_notices_new_partitions() {
    let broker = broker_with_offset().await;
    let mut consumer = start(&broker, |_| {});
    expect(&mut consumer, &["assigned 0@0"]).await;
    broker.state().partitions = 2;
    expect(&mut consumer, &["assigned 1@0"]).await;
}

#[tokio::test]
async fn a_paused_partition_is_not_fetched() {
    let broker = broker_with_offset().await;
    let mut consumer = start(&broker, |_| {});
    expect(&mut consumer, &["assigned 0@0"]).await;
    consumer.pause(&partition(0));
    // A poll that was in flight may still bring what comes now; what comes after its answer stays away.
    let before = broker.state().heartbeats;
    until("some heartbeats", || broker.state().heartbeats > before + 3).await;
    broker.state().append(1);
    let before = broker.state().heartbeats;
    until("some heartbeats", || broker.state().heartbeats > before + 3).await;
    assert!(tokio::time::timeout(Duration::ZERO, consumer.next()).await.is_err(), "nothing is fetched");
    consumer.resume(&partition(0));
    expect(&mut consumer, &["fetched 0@0 of 1"]).await;
}

/// Waits until `condition` holds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("{what} did not happen in {DEADLINE:?}"));
}

#[tokio::test]
async fn a_damaged_batch_holds_its_partition_until_it_may_be_left_out() {
    let broker = broker_with_offset().await;
    broker.state().append(2);
    broker.state().append(3);
    broker.state().damage();
    broker.state().append(4);
    let quick = |config: &mut GroupConfig| config.damaged_retry = Duration::from_millis(10);
    let mut consumer = start(&broker, quick);
    expect(&mut consumer, &["assigned 0@0", "fetched 0@0 of 9"]).await;
    let deadline = tokio::time::Instant::now() + DEADLINE;
    let problem = loop {
        if let Some(problem) = consumer.problems().into_iter().find(|problem| problem.contains("damaged")) {
            break problem;
        }
        assert!(tokio::time::Instant::now() < deadline, "no problem is told of");
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert!(
        problem.contains("records 2 to 4 of partition 0 of topic \"t\"") && problem.contains("--skip-damaged t:0:2-4"),
        "{problem}"
    );
    assert_eq!(consumer.commit(vec![(partition(0), 2)]).await, Ok(()));
    consumer.leave().await;

    let mut consumer = start(&broker, |config| {
        config.skips = vec!["t:0:2-4".parse::<Skip>().expect("sound")];
    });
    expect(&mut consumer, &["assigned 0@2", "0 without 2-4", "fetched 0@5 of 9"]).await;
    assert_eq!(consumer.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_sound_is_not_left_out() {
    let broker = broker_with_offset().await;
    broker.state().append(2);
    let mut consumer = start(&broker, |config| config.skips = vec!["t:0:0-1".parse::<Skip>().expect("sound")]);
    expect(&mut consumer, &["assigned 0@0", "fetched 0@0 of 2"]).await;
}

#[tokio::test]
async fn a_topic_that_was_made_again_is_read_anew() {
    let broker = broker_with_offset().await;
    broker.state().append(5);
    let mut consumer = start(&broker, |_| {});
    expect(&mut consumer, &["assigned 0@0", "fetched 0@0 of 5"]).await;
    assert_eq!(consumer.commit(vec![(partition(0), 5)]).await, Ok(()));
    {
        // In one go, and with more records than before: no error code gives it away.
        let mut state = broker.state();
        state.make_topic_again();
        state.append(5);
    }
    expect(&mut consumer, &["lost 1", "assigned 0@0", "fetched 0@0 of 5"]).await;
    consumer.leave().await;
    // Made again while nobody looked; the coordinator still has the offset of the old one.
    broker.state().make_topic_again();
    broker.state().append(7);
    let mut consumer = start(&broker, |_| {});
    expect(&mut consumer, &["assigned 0@0", "fetched 0@0 of 7"]).await;
}

#[tokio::test]
async fn a_partition_that_is_not_fetched_keeps_its_member_and_is_heard_of() {
    let broker = broker_with_offset().await;
    broker.state().append(1);
    let mut consumer = start(&broker, |config| {
        // Also of a heartbeat, which must not be late on a machine with other work.
        config.session_timeout = Duration::from_millis(500);
        config.watermark_refresh = Duration::from_millis(10);
    });
    expect(&mut consumer, &["assigned 0@0", "fetched 0@0 of 1"]).await;
    consumer.pause(&partition(0));
    broker.state().append(4);
    // What was asked before the pause may still bring them.
    let heard = next(&mut consumer).await;
    assert!(["0 reaches 5", "fetched 0@1 of 5"].contains(&heard.as_str()), "{heard}");
    let before = broker.state().heartbeats;
    let asked = broker.state().asked.clone();
    let deadline = tokio::time::Instant::now() + DEADLINE;
    // Several sessions.
    while broker.state().heartbeats < before + 200 {
        assert!(tokio::time::Instant::now() < deadline, "the heartbeats have stopped");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(broker.state().asked, asked, "it has joined again");
}
