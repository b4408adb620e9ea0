//! One file at full speed does not make the lines of a hundred slow ones late.

use crate::broker::Got;
use crate::fixture::Fixture;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SLOW_FILES: usize = 100;
const SLOW_LINES: usize = 8;
/// What the broker takes in a second.
const RATE: usize = 24 << 20;
/// What of the hot file may wait in the agent.
const POOL: usize = 64 << 20;
/// So much of the hot file may come before a slow file's line; all that waits would come first if it were not for turns. The
/// second of item 18 of the issue is what the broker takes 24 MiB in: in seconds it would be the machine that is tested, and
/// all that it does beside this.
const BYTES_BEFORE_MAX: usize = 40 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_at_full_speed_does_not_delay_a_hundred_slow_ones() {
    let mut fixture = Fixture::new();
    let full = agent::Config::new(fixture.config.client.clone(), "logs", "unused");
    fixture.config.block_bytes = full.block_bytes;
    fixture.config.batch_bytes_max = full.batch_bytes_max;
    fixture.config.linger = full.linger;
    fixture.config.framing_threads_max = full.framing_threads_max;
    fixture.config.compression = kafka_wire::compression::Compression::None;
    // Enough waits behind the slow line to the broker: the pool holds more than a second of it.
    fixture.config.blocks_bytes_max = POOL;
    fixture.broker.bytes_per_second(RATE as u64);
    let agent = fixture.start().await;
    let done = Arc::new(AtomicBool::new(false));
    let hot = {
        let (path, done) = (fixture.path("hot.log"), Arc::clone(&done));
        std::thread::spawn(move || {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).expect("opened");
            let block = format!("{}\n", "hot ".repeat(250)).repeat(2000);
            let mut written = 0;
            // As fast as the disk takes it, which is faster than the broker; bounded for the disk's sake.
            while !done.load(Ordering::SeqCst) && written < 128 << 20 {
                std::io::Write::write_all(&mut file, block.as_bytes()).expect("written");
                written += block.len();
                std::thread::yield_now();
            }
        })
    };
    fixture.until(|| agent.progress().records_acknowledged > 4000).await;
    let mut written = HashMap::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    for n in 0..SLOW_LINES {
        ticks.tick().await;
        for file in 0..SLOW_FILES {
            let line = format!("slow {file} {n}");
            fixture.append(&format!("slow{file}.log"), format!("{line}\n"));
            written.insert(line, Instant::now());
        }
    }
    let slow = |got: &Got| got.value.starts_with(b"slow");
    fixture.until(|| fixture.broker.count_of(slow) == SLOW_FILES * SLOW_LINES).await;
    let behind = agent.progress().lag_bytes;
    done.store(true, Ordering::SeqCst);
    hot.join().expect("written");
    let got = fixture.broker.got();
    let mut hot: Vec<(Instant, usize)> =
        got.iter().filter(|got| !slow(got)).map(|got| (got.at, got.value.len())).collect();
    hot.sort();
    // What had come when each arrived.
    let sums: Vec<usize> = hot
        .iter()
        .scan(0, |sum, (_, bytes)| {
            *sum += bytes;
            Some(*sum)
        })
        .collect();
    let bytes_until = |at: Instant| match hot.partition_point(|(arrived, _)| *arrived <= at) {
        0 => 0,
        arrived => sums[arrived - 1],
    };
    let mut delays: Vec<(usize, Duration)> = got
        .iter()
        .filter(|got| slow(got))
        .map(|got| {
            let begun = written[&String::from_utf8_lossy(&got.value).into_owned()];
            (bytes_until(got.at) - bytes_until(begun), got.at.saturating_duration_since(begun))
        })
        .collect();
    delays.sort();
    let p99 = delays[delays.len() * 99 / 100];
    println!("99th percentile {p99:?}, worst {:?}, hot file behind by {behind} bytes", delays[delays.len() - 1]);
    assert!(behind > 8 << 20, "the hot file was not ahead of the broker: {behind}");
    assert!(p99.0 < BYTES_BEFORE_MAX, "{p99:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_in_a_second_are_limited() {
    let mut fixture = Fixture::new();
    fixture.config.bytes_per_second_max = Some(30_000);
    fixture.append("a.log", format!("{}\n", "x".repeat(99)).repeat(900));
    let before = Instant::now();
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.count() == 900).await;
    let took = before.elapsed();
    // 90,000 bytes, of which a tenth of a second's may come at once.
    assert!(took > Duration::from_secs(2), "{took:?}");
    drop(agent);
    fixture.config.bytes_per_second_max = None;
    fixture.append("a.log", format!("{}\n", "x".repeat(99)).repeat(900));
    let before = Instant::now();
    let _agent = fixture.start().await;
    fixture.until(|| fixture.broker.count() == 1800).await;
    assert!(before.elapsed() < took, "{:?}", before.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_the_cpu_is_a_limit() {
    const LINES: usize = 2000;
    let mut fixture = Fixture::new();
    let text = format!("{}\n", "x".repeat(99)).repeat(LINES);
    fixture.append("a.log", &text);
    let start = Instant::now();
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.count() == LINES).await;
    let free = start.elapsed();
    agent.stop(Duration::from_secs(10)).await;
    // The other tests of this process count too; what this one burns makes it sure.
    fixture.config.cpu_share_max = Some(1);
    fixture.append("a.log", &text);
    let agent = fixture.start().await;
    let start = Instant::now();
    let mut burnt = 0u64;
    while start.elapsed() < free * 3 {
        burnt = std::hint::black_box(burnt.wrapping_add(1));
    }
    let got = fixture.broker.count() - LINES;
    assert!(got < LINES, "all lines at one percent of a core, in {free:?} without");
    agent.stop(Duration::from_secs(10)).await;
    fixture.config.cpu_share_max = None;
    let _agent = fixture.start().await;
    fixture.until(|| fixture.broker.count() == 2 * LINES).await;
}
