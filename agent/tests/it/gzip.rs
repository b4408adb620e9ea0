//! Compressed files: each line once, whatever is being written, cut off, or was read before it was compressed.

use crate::fixture::{Fixture, caught_up, glob};
use agent::Input;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write;
use std::time::Duration;

pub fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content.as_ref()).expect("compressed");
    encoder.finish().expect("ended")
}

pub fn lines(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix} {n:05} {}", (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect()
}

pub fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn fixture() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.config.inputs = vec![Input { paths: vec![glob(&fixture.folder, "a*")], ..Input::default() }];
    fixture
}

async fn expect_in_order(fixture: &Fixture, lines: &[String]) {
    fixture.until(|| fixture.broker.count() >= lines.len()).await;
    assert_eq!(fixture.broker.values(), lines);
}

/// Item 11: several members, read over several blocks, and known by its content, not by its name.
#[tokio::test(flavor = "multi_thread")]
async fn members_are_read_as_one_content_over_restarts() {
    for name in ["a.gz", "a.log"] {
        let fixture = fixture();
        let all = lines("line", 3000);
        let text = text(&all);
        // The second member begins in the middle of a line.
        let (first, second) = text.as_bytes().split_at(50_001);
        fixture.append(name, [gzip(first), gzip(""), gzip(second)].concat());
        fixture.broker.stall(true);
        let agent = fixture.start().await;
        fixture.until(|| fixture.broker.waiting() > 0).await;
        drop(agent);
        fixture.broker.stall(false);
        let agent = fixture.start().await;
        fixture.until(|| fixture.broker.count() > 100).await;
        drop(agent);
        let agent = fixture.start().await;
        expect_in_order(&fixture, &all).await;
        let got = fixture.broker.got();
        assert_eq!(got[2999].header("log.offset"), (text.len() - all[2999].len() - 1).to_string());
        // A member that comes later.
        fixture.append(name, gzip("later\n"));
        fixture.until(|| fixture.broker.count() == 3001).await;
        assert!(agent.losses().is_empty() && agent.problems().is_empty(), "{:?}", agent.problems());
        drop(agent);
        // All of it was read: it is not again.
        let agent = fixture.start().await;
        caught_up(&agent).await;
        fixture.append(name, gzip("last\n"));
        fixture.until(|| fixture.broker.count() >= 3002).await;
        assert_eq!(fixture.broker.values()[3000..], ["later", "last"]);
        drop(agent);
    }
}

/// Item 11: a `.gz` that is still being written, byte by byte at its end; a line is not torn where it stops for now.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_grows_is_waited_for() {
    let mut fixture = fixture();
    fixture.config.rotated_grace = Duration::from_secs(30);
    let all = lines("line", 500);
    let bytes = gzip(text(&all));
    fixture.append("a.gz", "");
    let mut agent = fixture.start().await;
    let cuts = [0, 1, 2, 3, 11, bytes.len() / 3, bytes.len() / 2, bytes.len() - 9, bytes.len() - 1, bytes.len()];
    for (at, range) in cuts.windows(2).enumerate() {
        fixture.append("a.gz", &bytes[range[0]..range[1]]);
        fixture.until(|| agent.files().iter().any(|file| file.problem.is_none())).await;
        if at == 6 {
            drop(agent);
            agent = fixture.start().await;
        }
    }
    expect_in_order(&fixture, &all).await;
    assert!(agent.losses().is_empty());
    drop(agent);
}

/// Item 11: what was cut off and never grows is a problem and a gap, and what came before it is delivered.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_cut_off_is_a_reported_gap() {
    let fixture = fixture();
    let all = lines("line", 2000);
    let bytes = gzip(text(&all));
    fixture.append("a.gz", &bytes[..bytes.len() / 2]);
    let agent = fixture.start().await;
    fixture.until(|| !agent.losses().is_empty()).await;
    let loss = &agent.losses()[0];
    assert_eq!((loss.start, loss.path.clone()), (loss.end, fixture.path("a.gz")));
    assert!(loss.reason.contains("cut off"), "{}", loss.reason);
    fixture.until(|| agent.problems().iter().any(|problem| problem.contains("cut off"))).await;
    let read = text(&all)[..loss.end as usize].lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(read.len() > 500);
    expect_in_order(&fixture, &read).await;
    drop(agent);
    // The next run does not read it again, nor report it again.
    let agent = fixture.start().await;
    caught_up(&agent).await;
    assert_eq!((fixture.broker.count(), agent.losses().len()), (read.len(), 0));
    drop(agent);
}

/// Item 11: garbage behind the last member, and bytes that are damaged in the middle.
#[tokio::test(flavor = "multi_thread")]
async fn garbage_behind_and_inside_is_a_problem_and_ends_the_content() {
    let fixture = fixture();
    fixture.append("a1.gz", [gzip("one\ntwo\n"), b"garbage".to_vec()].concat());
    let mut damaged = gzip(text(&lines("line", 3000)));
    let middle = damaged.len() / 2;
    damaged[middle..middle + 50].fill(0xff);
    fixture.append("a2.gz", damaged);
    fixture.append("a3.gz", [gzip("three\n"), vec![0; 1000]].concat());
    let agent = fixture.start().await;
    fixture.until(|| agent.losses().len() == 2).await;
    fixture.until(|| agent.problems().len() == 2).await;
    let has = |line: &str| fixture.broker.values().iter().any(|value| value == line);
    fixture.until(|| ["one", "two", "three", &lines("line", 1)[0]].iter().all(|line| has(line))).await;
    assert!(agent.problems().iter().any(|problem| problem.contains("a1.gz") && problem.contains("not gzip")));
    drop(agent);
}

/// Item 28: a bomb stays in its budget, and does not keep others from being read.
#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_held_at_the_limit_and_others_go_on() {
    let mut fixture = fixture();
    fixture.config.gzip_bytes_max = 8 << 20;
    fixture.config.blocks_bytes_max = 256 * 1024;
    fixture.append("a.gz", gzip(vec![0; 64 << 20]));
    fixture.append("a.log", "one\n");
    let agent = fixture.start().await;
    fixture.until(|| agent.problems().iter().any(|problem| problem.contains("more than 8388608 bytes"))).await;
    fixture.until(|| fixture.broker.values().iter().any(|value| value == "one")).await;
    let got = fixture.broker.got();
    assert_eq!((got.len(), got.iter().filter(|got| got.header("sluice.cut") == "true").count()), (2, 1));
    fixture.append("a.log", "two\n");
    fixture.until(|| fixture.broker.values().iter().any(|value| value == "two")).await;
    drop(agent);
}

/// One-shot: archives are read to their end, also a last line without newline, and then it is over.
#[tokio::test(flavor = "multi_thread")]
async fn once_ships_archives_whole() {
    let mut fixture = fixture();
    fixture.config.once = true;
    fixture.config.rotated_grace = Duration::from_secs(60);
    fixture.append("a1.gz", gzip("one\ntwo"));
    for n in 0..40 {
        fixture.append(&format!("a2.{n}.gz"), gzip(text(&lines(&format!("n{n}"), 100))));
    }
    let agent = fixture.start().await;
    caught_up(&agent).await;
    assert_eq!(fixture.broker.count(), 4002);
    let mut values = fixture.broker.values();
    values.sort();
    values.dedup();
    assert_eq!(values.len(), 4002);
    assert!(values.iter().any(|value| value == "two"));
    fs::remove_file(fixture.path("a1.gz")).expect("removed");
    drop(agent);
}
