//! Growth, refusals, caps and slots, with a clock that the answers move on.

use super::bound::CEILING_ANSWERS_MIN;
use super::*;

const MIB: usize = 1024 * 1024;

/// A pace, and a clock that answers move on.
struct Bench {
    pace: Arc<Pace>,
    now: Instant,
}

impl Bench {
    fn new(in_flight_max: usize, bulk_bytes_max: usize) -> Self {
        Self { pace: Pace::new(PaceLimits { in_flight_max, bulk_bytes_max }), now: Instant::now() }
    }

    fn answered(&mut self, plain_bytes: usize, seconds: f64) -> Answered {
        let sent = self.now;
        self.now += Duration::from_secs_f64(seconds);
        Answered { begun: sent, sent, now: self.now, plain_bytes }
    }

    /// Full requests on all slots, each answered after `seconds` for a MiB.
    async fn good(&mut self, requests: usize, seconds: f64) {
        self.good_after(requests, seconds, |_| 0).await;
    }

    /// The same, but each had been sent as many answers earlier as `before` says of the slots.
    async fn good_after(&mut self, requests: usize, seconds: f64, before: fn(usize) -> usize) {
        for _ in 0..requests {
            let mut slots = Vec::new();
            for _ in 0..self.pace.in_flight_limit() {
                slots.push(self.pace.slot().await);
            }
            let bytes = self.pace.bulk_bytes();
            let answered = self.answered(bytes, seconds * bytes as f64 / MIB as f64);
            let sent = answered.sent - (answered.now - answered.sent) * before(slots.len()) as u32;
            self.pace.good(Answered { begun: sent, sent, ..answered });
        }
    }

    fn refused(&mut self, alone: bool) {
        let bytes = self.pace.bulk_bytes();
        let answered = self.answered(bytes, 0.01);
        self.pace.refused(answered, alone);
    }

    fn shape(&self) -> (usize, usize) {
        (self.pace.in_flight_limit(), self.pace.bulk_bytes())
    }
}

#[tokio::test]
async fn grows_to_its_limits_while_latency_holds() {
    let mut bench = Bench::new(8, 8 * MIB);
    assert_eq!(bench.shape(), (2, MIB));
    bench.good(2, 0.01).await;
    assert_eq!(bench.shape(), (3, MIB + 2 * BULK_BYTES_STEP));
    bench.good(100, 0.01).await;
    assert_eq!(bench.shape(), (8, 8 * MIB));
}

#[tokio::test]
async fn stands_still_when_requests_wait_for_each_other() {
    let mut bench = Bench::new(16, 8 * MIB);
    // The server works on one after the other: a request waits for all that were sent before it.
    bench.good_after(2000, 0.1, |slots| slots - 1).await;
    // However long that lasts.
    let (in_flight, bytes) = bench.shape();
    assert!((4..=5).contains(&in_flight), "{in_flight} in flight");
    // Such requests take a quarter of a second and more, waiting included.
    assert!((MIB..2 * MIB).contains(&bytes), "{bytes} bytes");
}

#[tokio::test]
async fn grows_when_the_server_is_slower_for_good() {
    let mut bench = Bench::new(16, 8 * MIB);
    bench.good(2, 0.01).await;
    assert_eq!(bench.shape().0, 3);
    bench.good(1000, 0.2).await;
    assert_eq!(bench.shape().0, IN_FLIGHT_ENOUGH);
}

#[tokio::test]
async fn a_refusal_halves_and_is_not_tried_again_at_once() {
    let mut bench = Bench::new(16, 8 * MIB);
    bench.good(200, 0.01).await;
    assert_eq!(bench.shape(), (16, 8 * MIB));
    bench.refused(false);
    assert_eq!(bench.shape(), (8, 8 * MIB));
    // What was sent before is no news.
    let sent = bench.now - Duration::from_secs(1);
    let before = Answered { begun: sent, sent, now: bench.now, plain_bytes: MIB };
    bench.pace.refused(before, false);
    assert_eq!(bench.shape(), (8, 8 * MIB));
    // From 8 to 15 it takes 8 + 9 + ... + 14 answers, of which the ceiling outlives 40.
    bench.good(CEILING_ANSWERS_MIN as usize - 1, 0.001).await;
    assert!(bench.shape().0 < 16);
    bench.good(100, 0.001).await;
    assert_eq!(bench.shape().0, 16);
    bench.refused(false);
    bench.good(2 * CEILING_ANSWERS_MIN as usize - 1, 0.001).await;
    assert_eq!(bench.shape().0, 15);
}

#[tokio::test]
async fn alone_the_request_itself_shrinks() {
    let mut bench = Bench::new(1, 8 * MIB);
    for want in [MIB / 2, MIB / 4, MIB / 8] {
        bench.refused(true);
        assert_eq!(bench.shape(), (1, want));
    }
    for _ in 0..20 {
        bench.refused(true);
    }
    assert_eq!(bench.shape(), (1, BULK_BYTES_MIN));
}

#[tokio::test]
async fn a_cap_is_kept() {
    let mut bench = Bench::new(4, 8 * MIB);
    bench.pace.cap(3 * MIB);
    bench.good(100, 0.01).await;
    assert_eq!(bench.shape(), (4, 3 * MIB));
    bench.pace.cap(1000);
    bench.good(100, 0.01).await;
    assert_eq!(bench.shape(), (4, 1000));
}

#[tokio::test]
async fn a_refusal_tells_the_rate_and_it_is_forgotten() {
    let mut bench = Bench::new(1, MIB);
    let turn = |bench: &Bench| bench.pace.state().rate.turn(MIB, bench.now);
    bench.good(10, 1.0).await;
    bench.refused(false);
    assert_eq!(turn(&bench), None);
    let slot = bench.pace.slot().await;
    bench.refused(true);
    drop(slot);
    assert_eq!(turn(&bench), None);
    // 12 MiB in about 10 s, and less than that.
    let pause = turn(&bench).expect("the second one waits").duration_since(bench.now);
    assert!((Duration::from_millis(850)..Duration::from_millis(1200)).contains(&pause), "{pause:?}");
    bench.good(300, 0.1).await;
    assert_eq!(turn(&bench), None);
    assert_eq!(turn(&bench), None);
}

#[tokio::test]
async fn slots_are_waited_for() {
    let bench = Bench::new(1, MIB);
    let slot = bench.pace.slot().await;
    let waiting = tokio::spawn({
        let pace = bench.pace.clone();
        async move { drop(pace.slot().await) }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(slot);
    waiting.await.expect("a slot came free");
}
