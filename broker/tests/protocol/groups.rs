//! Consumer groups over the network, and over a restart.

use crate::client::{Client, Served, batch, produce};
use bytes::Bytes;
use kafka_wire::batch::Producer;
use kafka_wire::compression::Compression;
use kafka_wire::protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_wire::protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_wire::protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_wire::protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_wire::protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_wire::protocol::messages::{
    DeleteGroupsRequest, DeleteTopicsRequest, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest, TopicName,
};
use kafka_wire::protocol::protocol::StrBytes;
use std::time::UNIX_EPOCH;
use uuid::Uuid;

fn group() -> GroupId {
    GroupId(StrBytes::from_static_str("g"))
}

fn logs() -> TopicName {
    TopicName(StrBytes::from_static_str("logs"))
}

fn join(client: &mut Client, member_id: &StrBytes, instance: Option<&'static str>) -> JoinGroupResponse {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(StrBytes::from_static_str("range"))
        .with_metadata(Bytes::from_static(b"subscription"));
    let request = JoinGroupRequest::default()
        .with_group_id(group())
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_member_id(member_id.clone())
        .with_group_instance_id(instance.map(StrBytes::from_static_str))
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![protocol]);
    client.call(9, &request)
}

/// The one member of the group: its id and generation.
fn lead(client: &mut Client, instance: Option<&'static str>) -> (StrBytes, i32) {
    let mut joined = join(client, &StrBytes::default(), instance);
    if joined.error_code == 79 {
        joined = join(client, &joined.member_id, instance);
    }
    assert_eq!((joined.error_code, joined.members.len()), (0, 1));
    assert_eq!(joined.leader, joined.member_id);
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(joined.member_id.clone())
        .with_assignment(Bytes::from_static(b"mine"));
    let request = sync(&joined.member_id, joined.generation_id, instance).with_assignments(vec![assignment]);
    let synced = client.call(5, &request);
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"mine"[..]));
    (joined.member_id, joined.generation_id)
}

fn sync(member_id: &StrBytes, generation: i32, instance: Option<&'static str>) -> SyncGroupRequest {
    SyncGroupRequest::default()
        .with_group_id(group())
        .with_generation_id(generation)
        .with_member_id(member_id.clone())
        .with_group_instance_id(instance.map(StrBytes::from_static_str))
}

fn heartbeat(client: &mut Client, member_id: &StrBytes, generation: i32) -> i16 {
    let request = HeartbeatRequest::default().with_group_id(group()).with_member_id(member_id.clone());
    client.call(4, &request.with_generation_id(generation)).error_code
}

fn commit(client: &mut Client, member_id: &StrBytes, generation: i32, offset: i64) -> i16 {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(1)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(0)
        .with_committed_metadata(Some(StrBytes::from_static_str("note")));
    let topic = OffsetCommitRequestTopic::default().with_name(logs()).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group())
        .with_member_id(member_id.clone())
        .with_generation_id_or_member_epoch(generation)
        .with_topics(vec![topic]);
    client.call(8, &request).topics[0].partitions[0].error_code
}

/// Offset and metadata of partition 1.
fn committed(client: &mut Client) -> (i64, String) {
    let topic = OffsetFetchRequestTopic::default().with_name(logs()).with_partition_indexes(vec![1]);
    let request = OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![topic]));
    let response = client.call(7, &request);
    let partition = &response.topics[0].partitions[0];
    assert_eq!((response.error_code, partition.error_code), (0, 0));
    (partition.committed_offset, partition.metadata.as_deref().unwrap_or_default().to_owned())
}

fn make_topic(client: &mut Client) {
    let topic = MetadataRequestTopic::default().with_name(Some(logs()));
    let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
    assert_eq!(client.call(12, &request).topics[0].error_code, 0);
}

#[test]
fn a_group_and_its_offsets_survive_a_restart() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut client = served.connect();
    make_topic(&mut client);
    let (member, generation) = lead(&mut client, None);
    assert_eq!(commit(&mut client, &member, generation, 7), 0);
    assert_eq!(commit(&mut client, &member, generation - 1, 8), 22);
    assert_eq!(commit(&mut client, &StrBytes::from_static_str("stranger"), generation, 8), 25);
    assert_eq!(committed(&mut client), (7, "note".to_owned()));
    served.stop();

    let served = Served::start(directory.path());
    let mut client = served.connect();
    assert_eq!(committed(&mut client), (7, "note".to_owned()));
    // The member goes on as if nothing had happened.
    assert_eq!(heartbeat(&mut client, &member, generation), 0);
    assert_eq!(commit(&mut client, &member, generation, 9), 0);
    let left = LeaveGroupRequest::default().with_group_id(group()).with_member_id(member.clone());
    assert_eq!(client.call(2, &left).error_code, 0);
    assert_eq!(heartbeat(&mut client, &member, generation), 25);
    // Empty now: tools may commit without a generation, and delete.
    assert_eq!(commit(&mut client, &StrBytes::default(), -1, 3), 0);
    let deleted = client.call(2, &DeleteGroupsRequest::default().with_groups_names(vec![group()]));
    assert_eq!(deleted.results[0].error_code, 0);
    served.stop();

    let served = Served::start(directory.path());
    assert_eq!(committed(&mut served.connect()), (-1, String::new()));
    served.stop();
}

#[test]
fn a_static_member_gets_its_partitions_back_after_both_have_restarted() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut client = served.connect();
    let (old, generation) = lead(&mut client, Some("one"));
    served.stop();

    let served = Served::start(directory.path());
    let mut client = served.connect();
    let joined = join(&mut client, &StrBytes::default(), Some("one"));
    assert_eq!((joined.error_code, joined.generation_id, joined.skip_assignment), (0, generation, true));
    assert_ne!(joined.member_id, old);
    let synced = client.call(5, &sync(&joined.member_id, generation, Some("one")));
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"mine"[..]));
    assert_eq!(client.call(5, &sync(&old, generation, Some("one"))).error_code, 82, "the old one is fenced");
    served.stop();
}

#[test]
fn a_stop_does_not_wait_for_a_rebalance() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut leader = served.connect();
    lead(&mut leader, Some("one"));
    let mut second = served.connect();
    let waiting = std::thread::spawn(move || join(&mut second, &StrBytes::default(), Some("two")).error_code);
    // Until the second one is seen to wait.
    let deadline = std::time::Instant::now() + crate::client::PATIENCE;
    let mut probe = served.connect();
    let request = kafka_wire::protocol::messages::DescribeGroupsRequest::default().with_groups(vec![group()]);
    while probe.call(5, &request).groups[0].group_state.as_str() != "PreparingRebalance" {
        assert!(std::time::Instant::now() < deadline);
    }
    let began = std::time::Instant::now();
    served.stop();
    assert!(began.elapsed() < std::time::Duration::from_secs(8), "a rebalance lasts ten seconds");
    assert_eq!(waiting.join().expect("an answer"), 15);
}

#[test]
fn a_new_topic_of_an_old_name_has_no_committed_offsets() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut client = served.connect();
    make_topic(&mut client);
    assert_eq!(commit(&mut client, &StrBytes::default(), -1, 5), 0);
    let deleted = client.call(5, &DeleteTopicsRequest::default().with_topic_names(vec![logs()]));
    assert_eq!(deleted.responses[0].error_code, 0);
    make_topic(&mut client);
    assert_eq!(committed(&mut client), (-1, String::new()));
    served.stop();
}

#[test]
fn how_far_groups_are_behind_is_among_the_metrics() {
    const MINUTE_MS: i64 = 60_000;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut client = served.connect();
    make_topic(&mut client);
    let now = i64::try_from(UNIX_EPOCH.elapsed().expect("after 1970").as_millis()).expect("it fits");
    // Ten records that are old, and ten that are not so old.
    for age in [60, 10] {
        let records = batch(Compression::Lz4, now - age * MINUTE_MS, ["a line"; 10], Producer::NONE);
        let request = produce(logs(), Uuid::nil(), 1, -1, records);
        assert_eq!(client.call(9, &request).responses[0].partition_responses[0].error_code, 0);
    }
    let lag = |client: &mut Client, offset: i64| {
        assert_eq!(commit(client, &StrBytes::default(), -1, offset), 0);
        let metrics = served.metrics();
        let value = |name: &str| -> f64 {
            let start = format!("sluice_broker_group_lag_{name}{{group=\"g\",topic=\"logs\"}} ");
            let line = metrics.lines().find_map(|line| line.strip_prefix(&start));
            line.unwrap_or_else(|| panic!("{start} is not among\n{metrics}")).parse().expect("a number")
        };
        let minutes = value("seconds") * 1000.0 / MINUTE_MS as f64;
        (value("records") as i64, minutes as i64)
    };
    let near = |(records, minutes): (i64, i64), want: (i64, i64)| {
        assert!(records == want.0 && (want.1..want.1 + 5).contains(&minutes), "{records} {minutes}; want {want:?}");
    };
    near(lag(&mut client, 0), (20, 60));
    near(lag(&mut client, 9), (11, 60));
    near(lag(&mut client, 10), (10, 10));
    assert_eq!(lag(&mut client, 20), (0, 0));
    // Behind what is there, as after a topic that was made again.
    assert_eq!(lag(&mut client, 1000), (0, 0));
    let metrics = served.metrics();
    let pool =
        |name: &str| metrics.lines().any(|line| line.starts_with(&format!("sluice_broker_request_memory_{name} ")));
    assert!(pool("bytes") && pool("limit_bytes"), "{metrics}");
    let deleted = DeleteTopicsRequest::default().with_topic_names(vec![logs()]).with_timeout_ms(10_000);
    client.call(5, &deleted);
    assert!(!served.metrics().contains("group=\"g\""), "{}", served.metrics());
    served.stop();
}
