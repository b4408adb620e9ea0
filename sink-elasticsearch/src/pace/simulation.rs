//! The pace against servers at their limit, event by event: few requests are refused, and nearly all is used that the
//! server can take.

use super::*;
use crate::backoff::Backoff;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const MIB: usize = 1024 * 1024;
const BACKOFF: Backoff = Backoff { min: Duration::from_millis(100), max: Duration::from_secs(30) };
/// Simulated time before anything is counted: the pace has to find the limit first.
const WARM_UP: Duration = Duration::from_secs(60);
const COUNTED: Duration = Duration::from_secs(240);

/// A server that takes so many bytes a second.
trait Server {
    /// When a request that comes now is answered; `None`: it is refused at once.
    fn take(&mut self, bytes: usize, now: Duration) -> Option<Duration>;
}

/// Works on one request after the other, and refuses more than `queue_max` that wait.
struct Queue {
    bytes_per_second: f64,
    queue_max: usize,
    /// When each of those ends that it has.
    ends: Vec<Duration>,
}

impl Server for Queue {
    fn take(&mut self, bytes: usize, now: Duration) -> Option<Duration> {
        self.ends.retain(|end| *end > now);
        if self.ends.len() > self.queue_max {
            return None;
        }
        let begin = self.ends.last().copied().unwrap_or(now);
        let end = begin + Duration::from_secs_f64(0.0005 + bytes as f64 / self.bytes_per_second);
        self.ends.push(end);
        Some(end)
    }
}

/// Answers at once while there is something in the bucket, and refuses else.
struct Bucket {
    bytes_per_second: f64,
    size: f64,
    left: f64,
    at: Duration,
}

impl Server for Bucket {
    fn take(&mut self, bytes: usize, now: Duration) -> Option<Duration> {
        self.left = (self.left + (now - self.at).as_secs_f64() * self.bytes_per_second).min(self.size);
        self.at = now;
        let takes = self.left >= bytes as f64;
        takes.then(|| {
            self.left -= bytes as f64;
            now + Duration::from_millis(5)
        })
    }
}

/// A request under way.
struct Request {
    bytes: usize,
    begun: Duration,
    sent: Duration,
    failures: u32,
    is_taken: bool,
    _slot: Slot,
}

/// Shares of the refused requests, and of what the server could take.
fn simulate(mut server: impl Server, bytes_per_second: f64) -> (f64, f64) {
    let pace = Pace::new(PaceLimits { in_flight_max: 16, bulk_bytes_max: 8 * MIB });
    let start = Instant::now();
    let mut random = fastrand::Rng::with_seed(7);
    // Answers, and refused requests that are to be sent again, by their time.
    let mut events = BinaryHeap::new();
    let mut requests: Vec<Option<Request>> = Vec::new();
    let (mut sent, mut refused, mut taken_bytes) = (0_usize, 0_usize, 0_usize);
    let mut now = Duration::ZERO;
    while now < WARM_UP + COUNTED {
        while let Some(slot) = pace.try_slot() {
            let bytes = pace.bulk_bytes();
            requests.push(Some(Request { bytes, begun: now, sent: now, failures: 0, is_taken: false, _slot: slot }));
            let at = turn(&pace, bytes, now, start);
            events.push(Reverse((at, requests.len() - 1)));
        }
        let Reverse((at, number)) = events.pop().expect("something is under way");
        now = at;
        let counts = now >= WARM_UP;
        let mut request = requests[number].take().expect("a request has one event");
        if request.is_taken {
            pace.good(answered(&request, start, now));
            taken_bytes += if counts { request.bytes } else { 0 };
            continue;
        }
        sent += usize::from(counts);
        request.sent = now;
        match server.take(request.bytes, now) {
            Some(end) => {
                request.is_taken = true;
                events.push(Reverse((end, number)));
            }
            None => {
                refused += usize::from(counts);
                request.failures += 1;
                let is_alone = requests.iter().flatten().all(|other| !other.is_taken);
                pace.refused(answered(&request, start, now), is_alone);
                request.bytes = request.bytes.min(pace.bulk_bytes());
                let again = now + BACKOFF.pause(request.failures, random.f64());
                events.push(Reverse((turn(&pace, request.bytes, again, start), number)));
            }
        }
        requests[number] = Some(request);
    }
    (refused as f64 / sent as f64, taken_bytes as f64 / COUNTED.as_secs_f64() / bytes_per_second)
}

fn answered(request: &Request, start: Instant, now: Duration) -> Answered {
    let Request { bytes, begun, sent, .. } = *request;
    Answered { begun: start + begun, sent: start + sent, now: start + now, plain_bytes: bytes }
}

fn turn(pace: &Pace, bytes: usize, now: Duration, start: Instant) -> Duration {
    pace.state().rate.turn(bytes, start + now).map_or(now, |at| at - start)
}

#[test]
fn a_server_with_a_queue() {
    for megabytes in [1, 10, 100] {
        for queue_max in [1, 4, 50] {
            let bytes_per_second = (megabytes * MIB) as f64;
            let queue = Queue { bytes_per_second, queue_max, ends: Vec::new() };
            let (refused, used) = simulate(queue, bytes_per_second);
            println!("{megabytes} MiB/s, queue of {queue_max}: {refused:.3} refused, {used:.3} used");
            assert!(refused <= 0.05, "{megabytes} MiB/s, queue of {queue_max}: {refused:.3} are refused");
            assert!(used >= 0.93, "{megabytes} MiB/s, queue of {queue_max}: {used:.3} are used");
        }
    }
}

#[test]
fn a_server_that_counts_by_time() {
    for megabytes in [1, 10, 100] {
        for seconds in [0.2, 1.0, 5.0] {
            let bytes_per_second = (megabytes * MIB) as f64;
            let size = bytes_per_second * seconds;
            let bucket = Bucket { bytes_per_second, size, left: 0.0, at: Duration::ZERO };
            let (refused, used) = simulate(bucket, bytes_per_second);
            println!("{megabytes} MiB/s, bucket of {seconds} s: {refused:.3} refused, {used:.3} used");
            assert!(refused <= 0.05, "{megabytes} MiB/s, bucket of {seconds} s: {refused:.3} are refused");
            assert!(used >= 0.90, "{megabytes} MiB/s, bucket of {seconds} s: {used:.3} are used");
        }
    }
}
