//! What is refused is counted by its reason.

use crate::client::{self, Client, Served, config};
use broker::TlsFiles;
use bytes::Bytes;
use kafka_wire::batch::Producer;
use kafka_wire::compression::Compression;
use kafka_wire::protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_wire::protocol::messages::{
    ApiVersionsRequest, ListGroupsRequest, MetadataRequest, SaslAuthenticateRequest, SaslHandshakeRequest, TopicName,
};
use kafka_wire::protocol::protocol::StrBytes;
use rcgen::{CertificateParams, KeyPair};
use std::io::Write;
use std::time::Duration;
use uuid::Uuid;

const BAD_AUTHENTICATION: i16 = 58;
const TOPIC_AUTHORIZATION: i16 = 29;

fn topic(client: &mut Client, name: &'static str) -> i16 {
    let asked = MetadataRequestTopic::default().with_name(Some(TopicName(StrBytes::from_static_str(name))));
    let request = MetadataRequest::default().with_topics(Some(vec![asked])).with_allow_auto_topic_creation(true);
    client.call(12, &request).topics[0].error_code
}

/// The error that producing a batch gets, which `change` may spoil.
fn produce(client: &mut Client, name: &'static str, change: impl FnOnce(&mut Vec<u8>)) -> i16 {
    let batch = client::batch(Compression::None, 1_700_000_000_000, [b"a record"], Producer::NONE);
    let mut batch = Vec::from(batch);
    change(&mut batch);
    let name = TopicName(StrBytes::from_static_str(name));
    let request = client::produce(name, Uuid::nil(), 0, -1, batch.into());
    client.call(9, &request).responses[0].partition_responses[0].error_code
}

fn counted(served: &Served, what: &str, reason: &str, count: u64) {
    served.wait_for_metric(&format!("sluice_broker_{what}_refused_total{{reason=\"{reason}\"}} {count}"));
}

#[test]
fn requests_and_batches() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut config = config(directory.path());
    config.request_bytes_max = 10_000;
    config.topic_defaults.set("max.message.bytes", "200").expect("a config of topics");
    let served = Served::start_with(config);
    // From the start, so that the first of a kind is a rise.
    for reason in ["malformed", "memory", "half_read", "tls", "authorization"] {
        counted(&served, "requests", reason, 0);
    }
    let ends = |bytes: &[u8]| {
        let mut client = served.connect();
        client.stream.write_all(bytes).expect("a connection");
        client.expect_closed();
    };
    ends(&(-1i32).to_be_bytes());
    ends(&10_001i32.to_be_bytes());
    ends(b"\0\0\0\x0a\x03\xe7\0\0\0\0\0\x01\xff\xff");
    counted(&served, "requests", "malformed", 1);
    counted(&served, "requests", "too_large", 1);
    counted(&served, "requests", "not_served", 1);

    let mut client = served.connect();
    assert_eq!(topic(&mut client, "logs"), 0);
    assert_eq!(produce(&mut client, "logs", |_| {}), 0);
    assert_eq!(produce(&mut client, "logs", |batch| batch[70] ^= 1), 2);
    assert_eq!(produce(&mut client, "logs", Vec::clear), 87);
    let longer = |batch: &mut Vec<u8>| {
        batch.resize(300, 0);
        batch[8..12].copy_from_slice(&288i32.to_be_bytes());
    };
    assert_eq!(produce(&mut client, "logs", longer), 10);
    assert_eq!(produce(&mut client, "nowhere", |_| {}), 3);
    for reason in ["corrupt_message", "invalid_record", "message_too_large", "unknown_topic_or_partition"] {
        counted(&served, "batches", reason, 1);
    }
    counted(&served, "batches", "disk_max", 0);
    served.stop();
}

#[test]
fn batches_beyond_the_disk() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut config = config(directory.path());
    config.disk_bytes_max = Some(50);
    let served = Served::start_with(config);
    let mut client = served.connect();
    assert_eq!(topic(&mut client, "logs"), 0);
    assert_eq!(produce(&mut client, "logs", |_| {}), 56);
    counted(&served, "batches", "disk_max", 1);
    let problems = served.broker().problems();
    assert!(problems.iter().any(|problem| problem.contains("never fits") && problem.contains("raise")), "{problems:?}");
    served.stop();
}

#[test]
fn connections() {
    for (limit, reason) in
        [("max.connections", "connections_max"), ("max.connections.per.ip", "connections_per_address_max")]
    {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut config = config(directory.path());
        config.set(limit, "1").expect("a config of brokers");
        let served = Served::start_with(config);
        let mut first = served.connect();
        assert_eq!(first.call(0, &ApiVersionsRequest::default()).error_code, 0);
        served.connect().expect_closed();
        counted(&served, "connections", reason, 1);
        served.stop();
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut config = config(directory.path());
    config.connection_idle = Duration::from_millis(50);
    let served = Served::start_with(config);
    served.connect().expect_closed();
    counted(&served, "connections", "idle", 1);
    served.stop();
}

#[test]
fn users() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let users = directory.path().join("users.yaml");
    std::fs::write(&users, "anna: {password: secret, read: [logs], write: [logs]}").expect("a disk");
    let mut config = config(&directory.path().join("data"));
    config.listen = vec!["SASL_PLAINTEXT://127.0.0.1:0".parse().expect("a listener")];
    config.users = Some(users);
    let served = Served::start_with(config);
    let login = |password: &str| {
        let mut client = served.connect();
        let mechanism = StrBytes::from_static_str("PLAIN");
        assert_eq!(client.call(1, &SaslHandshakeRequest::default().with_mechanism(mechanism)).error_code, 0);
        let message = Bytes::from(format!("\0anna\0{password}"));
        let code = client.call(2, &SaslAuthenticateRequest::default().with_auth_bytes(message)).error_code;
        (client, code)
    };
    let mut stranger = served.connect();
    stranger.send(12, &MetadataRequest::default());
    stranger.expect_closed();
    counted(&served, "requests", "unauthenticated", 1);
    let (mut wrong, code) = login("wrong");
    assert_eq!(code, BAD_AUTHENTICATION);
    wrong.expect_closed();
    counted(&served, "requests", "authentication", 1);

    let (mut anna, code) = login("secret");
    assert_eq!(code, 0);
    assert_eq!((topic(&mut anna, "logs"), topic(&mut anna, "other")), (0, TOPIC_AUTHORIZATION));
    counted(&served, "requests", "authorization", 1);
    assert_eq!(produce(&mut anna, "other", |_| {}), TOPIC_AUTHORIZATION);
    counted(&served, "batches", "topic_authorization_failed", 1);
    counted(&served, "requests", "authorization", 1);
    // What is only left out of a list is no refusal.
    assert_eq!(anna.call(4, &ListGroupsRequest::default()).error_code, 0);
    assert_eq!(anna.call(12, &MetadataRequest::default().with_topics(None)).topics.len(), 1);
    counted(&served, "requests", "authorization", 1);
    served.stop();
}

/// What an answer cannot say ends the connection: a producer that wants none learns of its loss by that.
#[test]
fn without_an_answer() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut client = served.connect();
    assert_eq!(topic(&mut client, "logs"), 0);
    let name = TopicName(StrBytes::from_static_str("logs"));
    let mut torn = Vec::from(client::batch(Compression::None, 1_700_000_000_000, [b"a record"], Producer::NONE));
    torn[70] ^= 1;
    client.send(9, &client::produce(name, Uuid::nil(), 0, 0, torn.into()));
    client.expect_closed();
    counted(&served, "requests", "unanswerable", 1);
    counted(&served, "batches", "corrupt_message", 1);
    served.stop();
}

/// More than the sockets of both sides take, which the client leaves there.
#[test]
fn unread_answers() {
    const BATCHES: usize = 24;
    const REQUESTS_IN_FLIGHT: usize = 32;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut config = config(directory.path());
    config.topic_defaults.set("max.message.bytes", "2000000").expect("a config of topics");
    config.num_partitions = 1;
    config.connection_idle = Duration::from_secs(2);
    let served = Served::start_with(config);
    let mut client = served.connect();
    assert_eq!(topic(&mut client, "logs"), 0);
    let name = TopicName(StrBytes::from_static_str("logs"));
    let batch = client::batch(Compression::None, 1_700_000_000_000, [vec![b'x'; 1 << 20]], Producer::NONE);
    for _ in 0..BATCHES {
        let request = client::produce(name.clone(), Uuid::nil(), 0, -1, batch.clone());
        assert_eq!(client.call(9, &request).responses[0].partition_responses[0].error_code, 0);
    }
    let mut request = client::fetch(name, Uuid::nil(), 0, 0, 0);
    request.max_bytes = i32::MAX;
    request.topics[0].partitions[0].partition_max_bytes = i32::MAX;
    client.send(11, &request);
    // More than may wait for their turn: who has asked for something is not idle.
    for _ in 0..2 * REQUESTS_IN_FLIGHT {
        client.send(0, &ApiVersionsRequest::default());
    }
    counted(&served, "connections", "unread", 1);
    served.stop();
}

/// Longer than a request may take to be finished.
const LONG: Duration = Duration::from_secs(300);

/// One that has begun and is not finished; one that wants memory of which the other has all.
#[test]
fn requests_in_part() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut config = config(directory.path());
    config.request_memory_bytes_max = 1 << 20;
    let served = Served::start_with(config);
    let begin = |announced: usize| {
        let mut client = served.connect();
        client.stream.set_read_timeout(Some(LONG)).expect("a socket");
        client.stream.write_all(&(announced as i32).to_be_bytes()).expect("a connection");
        client
    };
    let mut slow = begin(100);
    slow.stream.write_all(b"some").expect("a connection");
    let mut large = begin(3 << 20);
    // The broker ends it while the rest is on its way.
    drop(large.stream.write_all(&vec![0; 3 << 20]));
    large.expect_closed();
    counted(&served, "requests", "memory", 1);
    slow.expect_closed();
    counted(&served, "requests", "half_read", 1);
    served.stop();
}

#[test]
fn plain_bytes_where_tls_is_wanted() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let key = KeyPair::generate().expect("a key");
    let parameters = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let file = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("a disk");
        path
    };
    let certificate = file("broker.pem", parameters.self_signed(&key).expect("a certificate").pem());
    let mut config = config(&directory.path().join("data"));
    config.listen = vec!["SSL://127.0.0.1:0".parse().expect("a listener")];
    config.tls = Some(TlsFiles { certificate, key: file("broker.key", key.serialize_pem()), client_ca: None });
    let served = Served::start_with(config);
    let mut client = served.connect();
    client.send(0, &ApiVersionsRequest::default());
    counted(&served, "requests", "tls", 1);
    served.stop();
}
