//! Many files: short-lived ones, idle ones, and slow ones beside a hot one.

use crate::harness::agent::{DELIVERY, Setup};
use crate::harness::scene::Scene;
use crate::harness::soak::soak;
use crate::harness::{sluice, topic, wait};
use anyhow::ensure;
use std::fs::{self, File};
use std::io::Write;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const TOPIC: &str = "logs";

/// Twenty files a second that live 50 ms each: nearly all are read, and the others are counted.
pub fn short_lived(scene: &Scene) -> anyhow::Result<()> {
    /// The smallest share that is read, in percent.
    const READ_PERCENT: u64 = 99;
    // More than may be open: those that were deleted do not keep the others waiting for their grace.
    let (files, open_files_max) = soak((100, 64), (2_000, 1_024));
    let broker = sluice::broker(scene)?;
    let logs = scene.directory("logs");
    let setup =
        Setup::new(scene, &broker.address, TOPIC, &["logs/*.log"]).set(&format!("open_files_max: {open_files_max}"));
    fs::write(logs.join("first.log"), "first\n")?;
    let agent = setup.start();
    setup.wait_for(1)?;
    let begin = Instant::now();
    for number in 0..files {
        let path = logs.join(format!("{number}.log"));
        fs::write(&path, format!("file {number}\n"))?;
        // Their lives and their pace are what this is about.
        thread::sleep(Duration::from_millis(50));
        fs::remove_file(&path)?;
        thread::sleep((Duration::from_millis(50) * (number + 1)).saturating_sub(begin.elapsed()));
    }
    let counted = || Ok(topic::count(&broker.address, TOPIC)? - 1 + agent.metric("files_missed")?);
    wait::until_count("files read and missed", DELIVERY, u64::from(files), counted)?;
    agent.end()?;
    let mut values = setup.values()?;
    let read = values.len() as u64 - 1;
    ensure!(read * 100 >= u64::from(files) * READ_PERCENT, "{read} of {files} files were read");
    values.sort();
    values.dedup();
    ensure!(values.len() as u64 == read + 1, "some came twice: {values:?}");
    Ok(())
}

/// Many idle files and ten hot ones: a quick start, little CPU while nothing is written, few descriptors.
pub fn idle(scene: &Scene) -> anyhow::Result<()> {
    /// For a debug binary on a loaded machine; the figure to hold is 10 s for 10,000 files.
    const START: Duration = Duration::from_secs(100);
    /// Percent of a core, ten times the figure to hold, since this is a debug binary beside other tests.
    const CPU_PERCENT: f64 = 10.0;
    const RSS_BYTES_MAX: u64 = 80 << 20;
    const OPEN_FILES_MAX: usize = 200;
    let (files, hot) = (soak(1_000, 10_000), 10);
    let broker = sluice::broker(scene)?;
    let logs = scene.directory("logs");
    for number in 0..files {
        fs::write(logs.join(format!("{number}.log")), format!("file {number}\n"))?;
    }
    let setup =
        Setup::new(scene, &broker.address, TOPIC, &["logs/*.log"]).set(&format!("open_files_max: {OPEN_FILES_MAX}"));
    let begin = Instant::now();
    let agent = setup.start();
    setup.wait_for(files)?;
    ensure!(begin.elapsed() < START, "a start of {:?}", begin.elapsed());
    let mut wanted = files;
    for round in 0..5 {
        for number in 0..hot {
            let mut file = File::options().append(true).open(logs.join(format!("{number}.log")))?;
            file.write_all(format!("file {number} round {round}\n").as_bytes())?;
        }
        wanted += hot;
        setup.wait_for(wanted)?;
    }
    agent.wait_for_metric("lag_bytes", |bytes| bytes == 0)?;
    // Nothing is waited for here: a stretch of idleness is measured.
    let (begin, before) = (Instant::now(), agent.process.cpu_time()?);
    thread::sleep(Duration::from_secs(soak(3, 60)));
    let cpu = (agent.process.cpu_time()? - before).as_secs_f64() / begin.elapsed().as_secs_f64() * 100.0;
    ensure!(cpu < CPU_PERCENT, "{cpu:.1} % of a core while nothing happens; want less than {CPU_PERCENT} %");
    let open = agent.open_files()?.iter().filter(|path| path.starts_with(&logs)).count();
    ensure!(open <= OPEN_FILES_MAX + 1, "{open} files are open; want {OPEN_FILES_MAX} at most");
    let peak = agent.process.peak_rss_bytes()?;
    ensure!(peak < RSS_BYTES_MAX, "a peak of {peak} bytes of memory; want less than {RSS_BYTES_MAX}");
    agent.end()?;
    let mut values = setup.values()?;
    values.sort();
    values.dedup();
    ensure!(values.len() as u64 == wanted, "want {wanted} different lines; got {}", values.len());
    Ok(())
}

/// A file at full speed and a hundred slow ones: the slow ones do not wait for it.
pub fn slow_beside_hot(scene: &Scene) -> anyhow::Result<()> {
    /// The figure to hold is 1 s; a debug binary beside other tests gets ten times as much.
    const DELAY_MAX: Duration = Duration::from_secs(10);
    const SLOW: u64 = 100;
    let rounds = soak(5, 60);
    let broker = sluice::broker(scene)?;
    topic::create(&broker.address, TOPIC, 1, &[])?;
    let logs = scene.directory("logs");
    let setup = Setup::new(scene, &broker.address, TOPIC, &["logs/*.log"]);
    let agent = setup.start();
    agent.wait_for_metric("lag_bytes", |bytes| bytes == 0)?;
    // Long lines, so that it is not the reader of the topic who is slow.
    let hot_block = ("h".repeat((8 << 10) - 1) + "\n").repeat(128);
    let delays = Mutex::new(Vec::new());
    let (total, stop) = (SLOW * rounds, std::sync::atomic::AtomicBool::new(false));
    thread::scope(|scope| -> anyhow::Result<()> {
        let hot = scope.spawn(|| -> anyhow::Result<u64> {
            let mut file = File::create_new(logs.join("hot.log"))?;
            let mut blocks = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                // As fast as it is read, and some more: there is always a backlog.
                match agent.metric("lag_bytes")? < 64 << 20 {
                    true => file.write_all(hot_block.as_bytes())?,
                    false => thread::sleep(Duration::from_millis(20)),
                }
                blocks += 1;
            }
            Ok(blocks)
        });
        let reader = scope.spawn(|| {
            topic::follow(&broker.address, TOPIC, DELIVERY, |record| {
                let text = String::from_utf8_lossy(&record.value);
                let mut delays = delays.lock().expect("nobody panics while holding it");
                if let Some(at) = text.strip_prefix("slow ").and_then(|at| at.parse::<u64>().ok()) {
                    delays.push(Duration::from_micros(now_micros().saturating_sub(at)));
                }
                delays.len() as u64 == total
            })
        });
        setup.wait_for(1_000)?;
        for _ in 0..rounds {
            for number in 0..SLOW {
                let path = logs.join(format!("slow-{number}.log"));
                let mut file = File::options().append(true).create(true).open(path)?;
                file.write_all(format!("slow {}\n", now_micros()).as_bytes())?;
                thread::sleep(Duration::from_millis(10));
            }
        }
        let read = reader.join().expect("the reader does not panic");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let blocks = hot.join().expect("the hot writer does not panic")?;
        eprintln!("agent::many: {blocks} MiB from the hot file");
        read
    })?;
    agent.kill()?;
    let mut delays = delays.into_inner()?;
    delays.sort();
    let of = |percent: usize| delays[delays.len() * percent / 100];
    eprintln!("agent::many: delays of the slow files: median {:?}, 99th percentile {:?}", of(50), of(99));
    ensure!(of(99) < DELAY_MAX, "a 99th percentile of {:?}; median {:?}", of(99), of(50));
    Ok(())
}

fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    u64::try_from(since.as_micros()).expect("microseconds fit for aeons")
}
