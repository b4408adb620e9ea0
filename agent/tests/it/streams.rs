//! Inputs that are no files, by the example of standard input: killed, stalled and torn.

use crate::fixture::{Fixture, caught_up, until};
use agent::{ConfigError, Input, Journald, Protocol, StandardInput, Stream};
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is sent here comes out of standard input; it ends when the sender is dropped.
struct Pipe(Receiver<Vec<u8>>, Vec<u8>);

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.1.is_empty() {
            let Ok(bytes) = self.0.recv() else { return Ok(0) };
            self.1 = bytes;
        }
        let read = buffer.len().min(self.1.len());
        buffer[..read].copy_from_slice(&self.1[..read]);
        self.1.drain(..read);
        Ok(read)
    }
}

pub fn stream(stream: Stream) -> Input {
    Input { stream: Some(stream), ..Input::default() }
}

/// An agent that reads standard input, and its other end.
fn stdin(fixture: &mut Fixture) -> Sender<Vec<u8>> {
    let (sender, receiver) = channel();
    let pipe = Arc::new(Mutex::new(Some(Pipe(receiver, Vec::new()))));
    let open = move || -> Box<dyn Read + Send> { Box::new(pipe.lock().expect("sound").take().expect("opened once")) };
    fixture.config.stdin = StandardInput(Arc::new(open));
    fixture.config.inputs = vec![stream(Stream::Stdin)];
    sender
}

pub fn spooled(fixture: &Fixture) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(fixture.config.checkpoints.join("spool")) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.retain(|path| !path.to_string_lossy().ends_with(".mark"));
    paths.sort();
    paths
}

pub fn spooled_bytes(fixture: &Fixture) -> u64 {
    spooled(fixture).iter().map(|path| fs::metadata(path).map_or(0, |metadata| metadata.len())).sum()
}

#[tokio::test]
async fn standard_input_is_shipped_to_its_end() {
    let mut fixture = Fixture::new();
    let sender = stdin(&mut fixture);
    fixture.config.once = true;
    let agent = fixture.start().await;
    for bytes in ["one\nt", "wo\r\n\nfour", "\nlast without newline"] {
        sender.send(bytes.into()).expect("read");
    }
    fixture.expect(&["one", "two", "", "four"]).await;
    drop(sender);
    caught_up(&agent).await;
    fixture.expect(&["one", "two", "", "four", "last without newline"]).await;
    let got = fixture.broker.got();
    // In order, in one partition, under one identity, without a path.
    assert_eq!(fixture.broker.values(), ["one", "two", "", "four", "last without newline"]);
    assert!(got.iter().all(|got| got.header("log.file.path").is_empty() && got.header("host.name") == "web1"));
    let id = got[0].header("sluice.file.id");
    assert!(got.iter().all(|got| got.header("sluice.file.id") == id));
    agent.stop(Duration::from_secs(5)).await;
    assert_eq!(spooled(&fixture), Vec::<PathBuf>::new(), "what is acknowledged is deleted");
}

#[tokio::test]
async fn a_killed_agent_loses_nothing_of_the_spool_and_doubles_nothing() {
    let mut fixture = Fixture::new();
    fixture.config.spool_bytes_max = 64 * 1024;
    let mut want: Vec<String> = Vec::new();
    for run in 0..6 {
        let sender = stdin(&mut fixture);
        fixture.broker.stall(run % 3 == 0);
        fixture.broker.lose_acknowledgements(run % 3 == 1);
        let agent = fixture.start().await;
        let lines: Vec<String> = (0..100).map(|line| format!("run {run} line {line}")).collect();
        let bytes = lines.join("\n") + "\n";
        let before = spooled_bytes(&fixture);
        sender.send(bytes.into_bytes()).expect("read");
        // All is in the spool, or delivered and gone.
        let arrived = |line: &str| fixture.broker.values().iter().any(|value| value == line);
        let last = lines.last().expect("lines").clone();
        until(|| arrived(&last) || spooled_bytes(&fixture) >= before + 1500).await;
        want.extend(lines);
        drop(agent);
        drop(sender);
    }
    fixture.broker.lose_acknowledgements(false);
    let sender = stdin(&mut fixture);
    drop(sender);
    fixture.config.once = true;
    let agent = fixture.start().await;
    caught_up(&agent).await;
    assert_eq!(fixture.broker.values(), want, "all of it once, and in order");
    agent.stop(Duration::from_secs(5)).await;
    assert_eq!(spooled(&fixture), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_spool_that_is_torn_at_any_byte_gives_its_whole_entries_once() {
    let entry = |value: &str| [&(value.len() as u32 + 2).to_be_bytes()[..], &[0, 0], value.as_bytes()].concat();
    let whole = [entry("one"), entry(""), entry("three")].concat();
    let ends = [9, 15, 26];
    for cut in 0..=whole.len() {
        let mut fixture = Fixture::new();
        fixture.config.once = true;
        drop(stdin(&mut fixture));
        let folder = fixture.config.checkpoints.join("spool");
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("stdin-00000001.00000001"), &whole[..cut]).expect("written");
        let agent = fixture.start().await;
        caught_up(&agent).await;
        let count = ends.iter().filter(|&&end| end <= cut).count();
        assert_eq!(fixture.broker.values(), ["one", "", "three"][..count], "{cut}");
        agent.stop(Duration::from_secs(5)).await;
        assert_eq!(spooled(&fixture), Vec::<PathBuf>::new(), "{cut}");
    }
}

#[tokio::test]
async fn a_full_spool_lets_standard_input_wait() {
    let mut fixture = Fixture::new();
    fixture.config.spool_bytes_max = 64 * 1024;
    let sender = stdin(&mut fixture);
    fixture.broker.stall(true);
    let agent = fixture.start().await;
    let lines: Vec<String> = (0..4000).map(|line| format!("line {line:<100}")).collect();
    lines.iter().for_each(|line| sender.send(format!("{line}\n").into_bytes()).expect("read"));
    until(|| agent.problems().iter().any(|problem| problem.contains("spool is full"))).await;
    assert!(spooled_bytes(&fixture) <= 64 * 1024, "{}", spooled_bytes(&fixture));
    fixture.broker.stall(false);
    until(|| fixture.broker.count() >= lines.len()).await;
    assert_eq!(fixture.broker.values(), lines);
    until(|| agent.problems().is_empty()).await;
    let ids: std::collections::BTreeSet<(String, String)> = fixture
        .broker
        .got()
        .iter()
        .map(|got| (got.header("sluice.file.id").to_owned(), got.header("log.offset").to_owned()))
        .collect();
    assert_eq!(ids.len(), lines.len(), "no two lines share identity and position");
}

#[tokio::test]
async fn what_is_left_of_a_stream_is_sent_also_without_its_input() {
    let mut fixture = Fixture::new();
    let files = fixture.config.inputs.clone();
    let sender = stdin(&mut fixture);
    fixture.broker.stall(true);
    let agent = fixture.start().await;
    sender.send(b"left\n".to_vec()).expect("read");
    until(|| spooled_bytes(&fixture) > 0).await;
    drop(agent);
    fixture.broker.stall(false);
    fixture.config.inputs = files;
    fixture.config.once = true;
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.expect(&["left"]).await;
    agent.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn all_segments_of_standard_input_are_of_the_kind_of_the_first() {
    let mut fixture = Fixture::new();
    fixture.config.spool_bytes_max = 64 * 1024;
    fixture.config.once = true;
    let sender = stdin(&mut fixture);
    let agent = fixture.start().await;
    let json = (0..200).map(|line| format!("{{\"line\":{line}}}\n")).collect::<String>();
    let text = (0..400).map(|line| format!("plain {line:<500}\n")).collect::<String>();
    sender.send((json + &text).into_bytes()).expect("read");
    drop(sender);
    caught_up(&agent).await;
    let got = fixture.broker.got();
    assert_eq!(got.len(), 600);
    assert!(got.last().expect("records").header("sluice.file.id") != got[0].header("sluice.file.id"));
    assert!(got.iter().all(|got| got.header("event.dataset") == "json"));
    agent.stop(Duration::from_secs(5)).await;
}

#[test]
fn an_input_has_one_kind() {
    let check = |inputs: &[Input]| {
        let mut config = Fixture::new().config;
        config.inputs = inputs.to_vec();
        config.once = true;
        config.check().map(drop)
    };
    let listen = SocketAddr::from(([127, 0, 0, 1], 5514));
    let both = Input { paths: vec!["/var/log/a.log".into()], ..stream(Stream::Stdin) };
    assert!(matches!(check(&[both]), Err(ConfigError::Kinds)));
    assert!(
        matches!(check(&[stream(Stream::Stdin), stream(Stream::Stdin)]), Err(ConfigError::Twice(name)) if name == "stdin")
    );
    let journals = [stream(Stream::Journald(Journald::default())), stream(Stream::Journald(Journald::default()))];
    assert!(check(&journals).is_ok());
    let endless = stream(Stream::Syslog { listen, protocol: Protocol::Both });
    assert!(matches!(check(&[endless]), Err(ConfigError::Endless(_))));
    let format = agent::format::Format { encoding: Some("utf-16le".into()), ..Default::default() };
    let wide = Input { format, ..stream(Stream::Stdin) };
    assert!(matches!(check(&[wide]), Err(ConfigError::StreamFormat(_))));
    assert!(matches!(check(&[]), Err(ConfigError::NoPaths)));
}
