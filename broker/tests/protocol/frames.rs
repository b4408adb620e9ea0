//! Frames of strangers: every API in every version with bytes changed, cut off and added, and lengths that lie. The broker
//! answers or closes the connection; other connections do not notice, and its memory stays where it was.

use crate::client::{Client, Served};
use bytes::BytesMut;
use kafka_wire::protocol::messages::*;
use kafka_wire::protocol::protocol::{Encodable, Request, StrBytes};
use std::io::Write;
use std::net::Shutdown;

/// Changed frames of each version; 100 times as many with `SLUICE_SOAK=full`.
const ROUNDS: u64 = 4;
/// More than the test's own buffers, far less than what the frames announce.
const GROWTH_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// xorshift64*: enough for bytes that nobody expects.
struct Random(u64);

impl Random {
    fn from_environment() -> Self {
        let seed = std::env::var("SLUICE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) << 20 | 1);
        eprintln!("SLUICE_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }
}

fn frame<R: Request + Default>(version: i16) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(StrBytes::from_static_str("stranger")));
    let mut frame = BytesMut::new();
    header.encode(&mut frame, R::header_version(version)).expect("a header");
    // Some requests have no default in some versions; their header alone is a frame too.
    drop(R::default().encode(&mut frame, version));
    frame.to_vec()
}

/// Sends changed frames of every version of one API, each on a connection of its own.
fn stranger<R: Request + Default>(served: &Served, random: &mut Random, rounds: u64) {
    for version in R::VERSIONS.min - 1..=R::VERSIONS.max + 1 {
        let whole = frame::<R>(version.clamp(R::VERSIONS.min, R::VERSIONS.max));
        for _ in 0..rounds {
            let mut changed = whole.clone();
            changed[2..4].copy_from_slice(&version.to_be_bytes());
            match random.below(4) {
                0 => changed.truncate(random.below(changed.len())),
                1 => changed.extend((0..random.below(64)).map(|at| at as u8)),
                _ => {}
            }
            for _ in 0..random.below(6) {
                if !changed.is_empty() {
                    let at = random.below(changed.len());
                    changed[at] = [0, 0xff, 0x7f, 0x80, 1, random.below(256) as u8][random.below(6)];
                }
            }
            let announced = match random.below(8) {
                0 => i32::MAX,
                1 => -1,
                2 => 50 * 1024 * 1024,
                _ => changed.len() as i32,
            };
            let mut client = Client::connect(served.address);
            // The broker may have closed by now; then there is nothing more to try.
            drop(client.stream.write_all(&announced.to_be_bytes()).and_then(|()| client.stream.write_all(&changed)));
            drop(client.stream.shutdown(Shutdown::Write));
        }
    }
}

macro_rules! strangers {
    ($served:expr, $random:expr, $rounds:expr; $($request:ident),* $(,)?) => {
        $(stranger::<$request>($served, $random, $rounds);)*
    };
}

fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line for it");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

#[test]
fn changed_frames_harm_nobody_else() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut other = served.connect();
    let mut random = Random::from_environment();
    let rounds = if std::env::var("SLUICE_SOAK").is_ok_and(|value| value == "full") { 100 * ROUNDS } else { ROUNDS };
    other.call(0, &ApiVersionsRequest::default());
    let before = anonymous_bytes();
    strangers!(&served, &mut random, rounds;
        ProduceRequest, FetchRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
        FindCoordinatorRequest, JoinGroupRequest, HeartbeatRequest, LeaveGroupRequest, SyncGroupRequest,
        DescribeGroupsRequest, ListGroupsRequest, SaslHandshakeRequest, ApiVersionsRequest, CreateTopicsRequest,
        DeleteTopicsRequest, DeleteRecordsRequest, InitProducerIdRequest, OffsetForLeaderEpochRequest,
        AddPartitionsToTxnRequest, EndTxnRequest, DescribeConfigsRequest, AlterConfigsRequest, DescribeLogDirsRequest,
        SaslAuthenticateRequest, CreatePartitionsRequest, DeleteGroupsRequest, ElectLeadersRequest,
        IncrementalAlterConfigsRequest, AlterPartitionReassignmentsRequest, ListPartitionReassignmentsRequest,
        OffsetDeleteRequest, DescribeQuorumRequest, DescribeClusterRequest, DescribeProducersRequest,
        DescribeTransactionsRequest, ListTransactionsRequest, ListConfigResourcesRequest,
        DescribeTopicPartitionsRequest, ConsumerGroupHeartbeatRequest,
    );
    other.call(0, &ApiVersionsRequest::default());
    let grown = anonymous_bytes().saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes more than before");
    served.stop();
}

#[test]
fn what_is_announced_is_not_taken() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut other = served.connect();
    other.call(0, &ApiVersionsRequest::default());
    let before = anonymous_bytes();
    let strangers: Vec<Client> = (0..300)
        .map(|_| {
            let mut client = Client::connect(served.address);
            client.stream.write_all(&(50 * 1024 * 1024i32).to_be_bytes()).expect("a connection");
            client.stream.write_all(&[0]).expect("a connection");
            client
        })
        .collect();
    served.wait_for_metric("sluice_broker_connections 301");
    other.call(0, &ApiVersionsRequest::default());
    let grown = anonymous_bytes().saturating_sub(before);
    assert!(grown < 50 * 1024 * 1024, "{grown} bytes more than before");
    drop(strangers);
    served.stop();
}
