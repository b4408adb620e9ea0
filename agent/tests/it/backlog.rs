//! Several threads frame a file with a backlog: what arrives is what one would have sent, whatever happens meanwhile.

use crate::fixture::{Fixture, caught_up, metric};
use crate::random::{Random, seeds};
use kafka_wire::compression::Compression;
use prometheus_client::registry::Registry;
use std::time::Duration;

const DRAIN: Duration = Duration::from_secs(30);
const LINE_BYTES_MAX: usize = 900;

/// Lines of any length, some of which are cut, some ended as on Windows: the text, and position and value of each record.
struct Written {
    text: String,
    records: Vec<(u64, String)>,
}

fn write(random: &mut Random, name: &str, lines: usize) -> Written {
    let mut written = Written { text: String::new(), records: Vec::new() };
    for n in 0..lines {
        let long = if random.one_in(50) { 2000 } else { 120 };
        let mut line = format!("{name} {n} ");
        line.extend(std::iter::repeat_n('x', random.below(long) as usize));
        let position = written.text.len() as u64;
        written.text.push_str(&line);
        written.text.push_str(if random.one_in(5) { "\r\n" } else { "\n" });
        line.truncate(LINE_BYTES_MAX);
        written.records.push((position, line));
    }
    written
}

fn fixture(random: &mut Random) -> Fixture {
    let mut fixture = Fixture::new();
    // Longer and shorter than the longest line.
    fixture.config.block_bytes = 512 + random.below(4096) as usize;
    fixture.config.line_bytes_max = LINE_BYTES_MAX;
    fixture.config.framing_threads_max = 2 + random.below(3) as usize;
    fixture
}

/// The records of one file, by its first value's first word.
fn got(fixture: &Fixture, name: &str) -> Vec<(u64, String)> {
    let got = fixture.broker.got();
    let values = got.iter().map(|got| (got.header("log.offset"), String::from_utf8_lossy(&got.value).into_owned()));
    let of_file = values.filter(|(_, value)| value.split(' ').next() == Some(name));
    of_file.map(|(position, value)| (position.parse().expect("a number"), value)).collect()
}

fn assert_same(got: &[(u64, String)], want: &[(u64, String)], seed: u64) {
    let differs = got.iter().zip(want).position(|(got, want)| got != want);
    if let Some(at) = differs.or((got.len() != want.len()).then_some(got.len().min(want.len()))) {
        let (got, want) = (got.get(at), want.get(at));
        panic!("SLUICE_SEED={seed}: record {at} is {got:?}; want {want:?}");
    }
}

/// Whether the test has seen what it is about.
fn was_shared(registry: &Registry) -> bool {
    metric(registry, "stretches_total") > 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_arrives_once_and_in_its_order() {
    for seed in seeds(4) {
        let random = &mut Random::new(seed);
        let mut fixture = fixture(random);
        fixture.config.once = true;
        let codecs = [Compression::None, Compression::Lz4, Compression::Zstd];
        fixture.config.compression = codecs[random.below(3) as usize];
        let (a, b) = (write(random, "a", 4000), write(random, "b", 2000));
        fixture.append("a.log", &a.text);
        fixture.append("b.log", &b.text);
        let (agent, registry) = fixture.start_counted().await;
        caught_up(&agent).await;
        assert_same(&got(&fixture, "a"), &a.records, seed);
        assert_same(&got(&fixture, "b"), &b.records, seed);
        assert!(was_shared(&registry), "SLUICE_SEED={seed}");
        assert_eq!(metric(&registry, "lines_read_total"), 6000);
        agent.stop(DRAIN).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_in_the_midst_of_a_backlog_repeat_and_lose_nothing() {
    for seed in seeds(2) {
        let random = &mut Random::new(seed);
        let fixture = fixture(random);
        let hot = write(random, "hot", 6000);
        fixture.append("hot.log", &hot.text);
        let mut shared = false;
        for _ in 0..12 {
            // Written, and never acknowledged by a broker that is heard of again only by the next run.
            fixture.broker.lose_acknowledgements(random.one_in(3));
            let (agent, registry) = fixture.start_counted().await;
            let enough = (fixture.broker.count() + random.below(400) as usize).min(hot.records.len());
            // No more are sent without an answer.
            let unanswered = fixture.broker.lost() + 5;
            fixture.until(|| fixture.broker.count() >= enough || fixture.broker.lost() >= unanswered).await;
            shared |= was_shared(&registry);
            drop(agent);
        }
        fixture.broker.lose_acknowledgements(false);
        let agent = fixture.start().await;
        caught_up(&agent).await;
        assert_same(&got(&fixture, "hot"), &hot.records, seed);
        assert!(shared, "SLUICE_SEED={seed}");
        agent.stop(DRAIN).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_under_a_backlog_keeps_old_before_new() {
    for (round, seed) in seeds(6).into_iter().enumerate() {
        let random = &mut Random::new(seed);
        let fixture = fixture(random);
        // Slow enough that much is unread at the rotation, and fast enough that stretches are in work.
        fixture.broker.bytes_per_second(1 << 20);
        let (old, new) = (write(random, "old", 3000), write(random, "new", 1500));
        fixture.append("a.log", &old.text);
        let (agent, registry) = fixture.start_counted().await;
        let begun = 1 + random.below(500) as usize;
        fixture.until(|| fixture.broker.count() >= begun).await;
        if round % 2 == 0 {
            fixture.rename("a.log", "a.log.1");
        } else {
            // Between copy and truncation the writer is silent.
            fixture.copytruncate("a.log", "a.log.1");
        }
        fixture.append("a.log", &new.text);
        let all = old.records.len() + new.records.len();
        fixture.until(|| fixture.broker.count() >= all).await;
        assert_same(&got(&fixture, "old"), &old.records, seed);
        assert_same(&got(&fixture, "new"), &new.records, seed);
        assert_eq!(fixture.broker.count(), all, "SLUICE_SEED={seed}");
        assert!(was_shared(&registry), "SLUICE_SEED={seed}");
        assert!(agent.losses().is_empty(), "SLUICE_SEED={seed}: {:?}", agent.losses());
        agent.stop(DRAIN).await;
    }
}

/// Records of empty lines are a hundred times as large as those: a block of them does not go into memory as a whole.
#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_within_its_bound() {
    const LINES: usize = 20_000;
    for threads in [1, 3] {
        let mut fixture = Fixture::new();
        fixture.config.framing_threads_max = threads;
        fixture.config.block_bytes = 4096;
        fixture.config.blocks_bytes_max = 128 * 1024;
        fixture.config.compression = Compression::None;
        fixture.config.once = true;
        fixture.append("a.log", "\n".repeat(LINES));
        fixture.broker.bytes_per_second(4 << 20);
        let (agent, registry) = fixture.start_counted().await;
        let mut most = 0;
        fixture
            .until(|| {
                let progress = agent.progress();
                most = most.max(progress.lines_read - progress.records_acknowledged);
                fixture.broker.count() == LINES
            })
            .await;
        // A record has more than a hundred bytes of headers.
        let most_bytes = most * 100;
        assert!(most_bytes > 0 && most_bytes <= 128 * 1024, "{most_bytes} bytes, {threads} threads");
        assert_eq!(was_shared(&registry), threads > 1);
        agent.stop(DRAIN).await;
    }
}
