//! Connections that only take room: what they do must not make others wait.

use crate::client::{Client, Served, batch, produce};
use kafka_wire::batch::Producer;
use kafka_wire::compression::Compression;
use kafka_wire::protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_wire::protocol::messages::{MetadataRequest, TopicName};
use kafka_wire::protocol::protocol::StrBytes;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

const IDLE: usize = 5_000;
const SLOW: usize = 500;
/// Between two bytes of a slow connection.
const BYTE_EVERY: Duration = Duration::from_secs(1);
/// Calls that are measured alone, and then beside the others.
const CALLS: usize = 200;
/// The target is twice the p99 of the same load alone; a loaded machine gets ten times that, and never less than this.
const FACTOR: u32 = 20;
const P99_MIN: Duration = Duration::from_secs(1);
/// Until the broker takes no more from who reads nothing.
const DEAF_MAX: Duration = Duration::from_secs(120);

fn logs() -> TopicName {
    TopicName(StrBytes::from_static_str("logs"))
}

fn make_topic(client: &mut Client) {
    let asked = MetadataRequestTopic::default().with_name(Some(logs()));
    let request = MetadataRequest::default().with_topics(Some(vec![asked])).with_allow_auto_topic_creation(true);
    assert_eq!(client.call(12, &request).topics[0].error_code, 0);
}

/// The 99th percentile of the time until an acknowledgement that waits for the disk.
fn p99(client: &mut Client) -> Duration {
    let records = batch(Compression::None, 1_700_000_000_000, [[b'x'; 200]], Producer::NONE);
    let request = produce(logs(), Uuid::nil(), 0, -1, records);
    let mut times: Vec<Duration> = (0..CALLS)
        .map(|_| {
            let begun = Instant::now();
            let answer = client.call(9, &request);
            assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[CALLS * 99 / 100]
}

/// Both ends of every connection are in this process; a system that allows fewer files gets a smaller crowd.
fn share_of_files() -> f64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("up to the hard limit");
    let wanted = 2.0 * (IDLE + SLOW) as f64 + 200.0;
    let share = maximum.map_or(1.0, |maximum| (maximum as f64 / wanted).min(1.0));
    if share < 1.0 {
        println!("{maximum:?} open files: only {share:.2} of the connections");
    }
    share
}

/// Asks for metadata until neither side takes any more, and reads nothing.
fn never_reads(served: &Served) -> TcpStream {
    let mut stream = served.connect().stream;
    stream.set_nonblocking(true).expect("a socket");
    let frame = b"\0\0\0\x0e\0\x03\0\0\0\0\0\x01\xff\xff\0\0\0\0";
    let deadline = Instant::now() + DEAF_MAX;
    let mut refused = 0;
    // Full for a while: the broker waits for this client, and for no other because of it.
    while refused < 1_000 {
        match stream.write(frame) {
            Ok(_) => refused = 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => refused += 1,
            Err(error) => panic!("the connection ends: {error}"),
        }
        if refused > 0 {
            std::thread::yield_now();
        }
        assert!(Instant::now() < deadline, "the broker reads on without end");
    }
    stream
}

#[test]
fn idle_slow_and_deaf_connections_harm_nobody() {
    let share = share_of_files();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut client = served.connect();
    make_topic(&mut client);
    let alone = p99(&mut client);

    let connect = |count: usize| -> Vec<TcpStream> {
        (0..(count as f64 * share) as usize).map(|_| served.connect().stream).collect()
    };
    let idle = connect(IDLE);
    let slow = connect(SLOW);
    let deaf = never_reads(&served);
    let stop = AtomicBool::new(false);
    let crowded = std::thread::scope(|scope| {
        scope.spawn(|| {
            let frame = b"\0\0\x01\x00\0\x03\0\x0c";
            for byte in frame.iter().chain(std::iter::repeat(&0)) {
                let next = Instant::now() + BYTE_EVERY;
                slow.iter().for_each(|mut stream| stream.write_all(&[*byte]).expect("a connection"));
                while Instant::now() < next {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    std::thread::park_timeout(Duration::from_millis(20));
                }
            }
        });
        let crowded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| p99(&mut client)));
        stop.store(true, Ordering::Relaxed);
        crowded
    });
    let crowded = crowded.expect("every call is answered");
    println!("p99 alone {alone:?}, beside {} idle, {} slow and a deaf one {crowded:?}", idle.len(), slow.len());
    assert!(crowded < (alone * FACTOR).max(P99_MIN), "alone {alone:?}, in the crowd {crowded:?}");
    drop((idle, slow, deaf));
    served.stop();
}
