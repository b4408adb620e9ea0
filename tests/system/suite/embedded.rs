//! `sluice up` with its embedded store: lines are found, and nothing that was answered is lost by kill -9.

use crate::harness::lines::Stream;
use crate::harness::log_file::LogFile;
use crate::harness::scene::Scene;
use crate::harness::soak::soak;
use crate::harness::{http, ports, sluice, wait};
use anyhow::ensure;
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

/// For a debug binary on a loaded machine to deliver some thousand lines.
const DELIVERY: Duration = Duration::from_secs(90);

fn up(search: &str, arguments: &[&str]) -> Command {
    let (listen, status) = (ports::free_address(), ports::free_address());
    let mut command = sluice::command(["up", "--data", "data", "--listen", &listen, "--status-listen", &status]);
    command.args(["--search-listen", search]).args(arguments);
    command
}

/// How many documents a search finds; `None`: it has no answer yet.
fn count(client: &reqwest::blocking::Client, search: &str, query: &Value) -> Option<u64> {
    let url = format!("http://{search}/_count");
    let answer = client.post(url).body(json!({ "query": query }).to_string()).send().ok()?;
    serde_json::from_str::<Value>(&answer.text().ok()?).ok()?["count"].as_u64()
}

/// Lines of a file are found while `up` runs, and still after it was killed and started again; each once.
pub fn up_makes_lines_searchable(scene: &Scene) -> anyhow::Result<()> {
    let search = ports::free_address();
    let client = http::client();
    let mut file = LogFile::create(scene.path("access.log"), Stream::new(0, 1))?;
    file.write(2_000)?;
    let process = scene.start("first", up(&search, &["access.log"]));
    let all = json!({ "match_all": {} });
    wait::until("2000 documents", DELIVERY, || count(client, &search, &all).filter(|found| *found == 2_000))?;
    let words = json!({ "query_string": { "query": "event.dataset:* AND message:GET" } });
    ensure!(count(client, &search, &words).is_some_and(|found| found > 0), "no document has the word GET");
    file.write(1_000)?;
    process.kill()?;
    let process = scene.start("second", up(&search, &["access.log"]));
    wait::until("3000 documents", DELIVERY, || count(client, &search, &all).filter(|found| *found == 3_000))?;
    process.interrupt()?;
    let ended = process.wait(DELIVERY)?;
    ensure!(ended.success(), "up ended with {ended}");
    Ok(())
}

/// Documents of one bulk request.
const BULK: u64 = 100;
/// Bulk requests that are answered before each kill.
const ANSWERED: [u64; 3] = [1, 7, 40];

/// Bulk requests are sent until the process is killed, in the middle of one: what had an answer is there afterwards, once.
pub fn killed_during_bulks(scene: &Scene) -> anyhow::Result<()> {
    let search = ports::free_address();
    let client = http::client();
    scene.file("empty.log", "");
    let mut answered: u64 = 0;
    for (round, wanted) in ANSWERED.into_iter().enumerate() {
        let process = scene.start(&format!("round-{round}"), up(&search, &["empty.log"]));
        let url = format!("http://{search}/kept/_bulk");
        wait::until("the store answers", DELIVERY, || client.get(format!("http://{search}/")).send().ok())?;
        let (tell, told) = std::sync::mpsc::channel();
        let (sender, first) = (client.clone(), answered);
        let sending = std::thread::spawn(move || {
            for bulk in first.. {
                let lines: String = (bulk * BULK..(bulk + 1) * BULK)
                    .map(|number| {
                        format!("{{\"create\":{{\"_id\":\"{number}\"}}}}\n{{\"number\":{number},\"round\":{round}}}\n")
                    })
                    .collect();
                let answer = sender.post(&url).body(lines).send();
                // A duplicate is what was written in the request that had no answer.
                if !answer.is_ok_and(|answer| answer.status().is_success()) || tell.send(bulk + 1).is_err() {
                    return;
                }
            }
        });
        for done in told.iter().take(usize::try_from(wanted)?) {
            answered = done;
        }
        process.kill()?;
        sending.join().map_err(|_| anyhow::anyhow!("the sender panicked"))?;
        answered = told.iter().last().unwrap_or(answered);
    }
    let process = scene.start("last", up(&search, &["empty.log"]));
    let kept = json!({ "range": { "number": { "lt": answered * BULK } } });
    let expect = answered * BULK;
    let found = wait::until("the store answers", DELIVERY, || count(client, &search, &kept))?;
    ensure!(found == expect, "want {expect} documents, since as many had an answer; got {found}");
    process.interrupt()?;
    process.wait(DELIVERY)?;
    Ok(())
}

/// Bytes of lines, and those of the full mode.
const BYTES: u64 = 10_000_000;
const BYTES_FULL: u64 = 100_000_000;
/// Ten times what is wanted of a release build on two cores that do nothing else: a document within 2 s of the start, and all
/// of 100 MB within 30 s.
const FIRST_MAX: Duration = Duration::from_secs(20);
const ALL_MAX: Duration = Duration::from_secs(300);

/// `up` with an empty folder on a large file: the first document is found soon, and then all of them.
pub fn up_on_many_lines(scene: &Scene) -> anyhow::Result<()> {
    let search = ports::free_address();
    let client = http::client();
    let mut file = LogFile::create(scene.path("access.log"), Stream::new(0, 1))?;
    let mut lines = 0;
    while std::fs::metadata(scene.path("access.log"))?.len() < soak(BYTES, BYTES_FULL) {
        file.write(5_000)?;
        lines += 5_000;
    }
    let began = std::time::Instant::now();
    let process = scene.start("up", up(&search, &["access.log"]));
    let all = json!({ "match_all": {} });
    wait::until("the first document", FIRST_MAX, || count(client, &search, &all).filter(|found| *found > 0))?;
    let first = began.elapsed();
    wait::until("all documents", ALL_MAX, || count(client, &search, &all).filter(|found| *found >= lines))?;
    println!("the first document after {first:.1?}, all {lines} after {:.1?}", began.elapsed());
    ensure!(count(client, &search, &all) == Some(lines), "each line is there once");
    process.interrupt()?;
    process.wait(DELIVERY)?;
    Ok(())
}

/// Days that are over for longer than what is kept go; `sluice.yaml` and flags say how long that is.
pub fn retention(scene: &Scene) -> anyhow::Result<()> {
    let search = ports::free_address();
    let client = http::client();
    scene.file("empty.log", "");
    let all = json!({ "match_all": {} });
    let start = |name: &str, more: &[&str]| {
        let process = scene.start(name, up(&search, &[&["empty.log"], more].concat()));
        wait::until("the store answers", DELIVERY, || client.get(format!("http://{search}/")).send().ok())?;
        anyhow::Ok(process)
    };
    let process = start("first", &[])?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as u64;
    let lines: String = [0_u64, 3, 20]
        .iter()
        .map(|days| format!("{{\"create\":{{}}}}\n{{\"@timestamp\":{},\"days\":{days}}}\n", now - days * 86_400_000))
        .collect();
    let answer = client.post(format!("http://{search}/kept/_bulk?refresh=true")).body(lines).send()?;
    ensure!(answer.json::<Value>()?["errors"] == false, "a bulk item failed");
    ensure!(count(client, &search, &all) == Some(3), "all are kept where nothing is said");
    process.interrupt()?;
    process.wait(DELIVERY)?;
    scene.file("sluice.yaml", "search:\n  retention: 10d\n");
    let process = start("by-age", &[])?;
    wait::until("the oldest to go", DELIVERY, || count(client, &search, &all).filter(|found| *found == 2))?;
    process.interrupt()?;
    process.wait(DELIVERY)?;
    let process = start("by-bytes", &["--search-retention", "4w", "--search-retention-bytes", "1"])?;
    wait::until("all but the newest day to go", DELIVERY, || count(client, &search, &all).filter(|found| *found == 1))?;
    process.interrupt()?;
    process.wait(DELIVERY)?;
    Ok(())
}
