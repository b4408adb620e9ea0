//! Lines in other encodings, with other delimiters, in containers' wrappings and in groups: each record whole, once.

use crate::fixture::{Fixture, caught_up, metric};
use agent::format::{Container, Format, Multiline, Rule};
use kafka_wire::compression::Compression;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DRAIN: Duration = Duration::from_secs(10);
/// Longer than any test.
const NEVER: u64 = 600_000;

/// Lines as the file has them.
type Write = fn(&str) -> Vec<u8>;

fn with(format: Format) -> Fixture {
    let mut fixture = Fixture::new();
    fixture.config.inputs[0].format = format;
    fixture
}

fn groups(timeout_millis: u64) -> Format {
    Format { multiline: Some(Multiline { rule: Rule::Start("^>".into()), timeout_millis }), ..Format::default() }
}

fn encoded(label: &str) -> Format {
    Format { encoding: Some(label.into()), ..Format::default() }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Waits until the agent has seen so many bytes of its only file.
async fn seen(fixture: &Fixture, agent: &agent::Agent, bytes: u64) {
    fixture.until(|| agent.files().iter().any(|file| file.size == bytes)).await;
}

/// Records may be many times as large as their lines: the bound is on what they take.
#[tokio::test(flavor = "multi_thread")]
async fn short_lines_take_no_more_memory_than_there_is() {
    let mut fixture = with(Format { exclude_lines: vec!["^never".into()], ..Format::default() });
    fixture.config.compression = Compression::None;
    fixture.config.block_bytes = 64 * 1024;
    fixture.config.blocks_bytes_max = 128 * 1024;
    fixture.broker.stall(true);
    fixture.append("a.log", "x\n".repeat(5000));
    let (agent, registry) = fixture.start_counted().await;
    fixture.until(|| metric(&registry, "held_bytes") > 0).await;
    let held = metric(&registry, "held_bytes");
    assert!(held <= 128 * 1024 + 2 * 2000, "{held} bytes are held");
    fixture.broker.stall(false);
    fixture.until(|| fixture.broker.count() == 5000).await;
    agent.stop(DRAIN).await;
    assert_eq!(fixture.broker.count(), 5000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_whole_across_a_restart_a_rename_and_the_end_of_its_file() {
    let fixture = with(groups(NEVER));
    fixture.append("a.log", "> a\n b\n");
    let agent = fixture.start().await;
    seen(&fixture, &agent, 7).await;
    drop(agent);
    fixture.append("a.log", " c\n");
    let agent = fixture.start().await;
    seen(&fixture, &agent, 10).await;
    fixture.rename("a.log", "a.log.1");
    fixture.append("a.log.1", " d\n> e\n f\n");
    fixture.append("a.log", "> g\n");
    // The renamed file has ended when nothing has come for its grace; its last group is whole then. The new one waits.
    fixture.expect(&["> a\n b\n c\n d", "> e\n f"]).await;
    let positions: Vec<String> = fixture.broker.got().iter().map(|got| got.header("log.offset").to_owned()).collect();
    assert_eq!(positions, ["0", "13"]);
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_was_sent_for_its_timeout_and_grew_after_a_crash_is_there_in_two_parts() {
    let fixture = with(groups(100));
    fixture.append("a.log", "> a\n b\n");
    fixture.broker.lose_acknowledgements(true);
    let agent = fixture.start().await;
    fixture.expect(&["> a\n b"]).await;
    drop(agent);
    fixture.append("a.log", " c\n> d\n");
    fixture.broker.lose_acknowledgements(false);
    let agent = fixture.start().await;
    fixture.expect(&["> a\n b", " c", "> d"]).await;
    assert!(fixture.broker.repeated() > 0, "the first part was sent again, and recognised");
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_made_again_as_it_was_when_the_config_has_changed() {
    let mut fixture = with(groups(100));
    fixture.append("a.log", "> a\n b\n> c\n d\n");
    fixture.broker.lose_acknowledgements(true);
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.count() == 2).await;
    drop(agent);
    fixture.config.inputs[0].format = Format { exclude_lines: vec!["e".into()], ..Format::default() };
    fixture.broker.lose_acknowledgements(false);
    fixture.append("a.log", " e\n f\n");
    let agent = fixture.start().await;
    fixture.expect(&["> a\n b", "> c\n d", " f"]).await;
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_leaves_an_unfinished_line_alone() {
    let fixture = with(groups(100));
    fixture.append("a.log", "> a\n b\n c");
    let agent = fixture.start().await;
    fixture.expect(&["> a\n b"]).await;
    fixture.append("a.log", "d\n");
    fixture.expect(&["> a\n b", " cd"]).await;
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_excluded_is_passed_and_not_read_again() {
    let mut fixture = with(Format { exclude_lines: vec!["^#".into()], ..Format::default() });
    fixture.append("a.log", "# one\n".repeat(1000));
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.until(|| agent.files().iter().any(|file| file.acknowledged == 6000)).await;
    drop(agent);
    fixture.broker.stall(true);
    fixture.append("a.log", "two\n# three\n");
    let agent = fixture.start().await;
    // What is excluded behind a batch in flight waits for it.
    fixture.until(|| agent.files().iter().any(|file| file.position == 6012)).await;
    assert_eq!(agent.files()[0].acknowledged, 6000);
    fixture.until(|| agent.progress().bytes_read == 12).await;
    fixture.broker.stall(false);
    fixture.until(|| agent.files().iter().any(|file| file.acknowledged == 6012)).await;
    fixture.expect(&["two"]).await;
    agent.stop(DRAIN).await;
    fixture.config.inputs[0].format = Format::default();
    let agent = fixture.start().await;
    caught_up(&agent).await;
    assert_eq!((fixture.broker.count(), agent.progress().bytes_read), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn delimiters_are_split_anywhere_in_a_block() {
    let cases: [(Format, Write); 3] = [
        (encoded("utf-16le"), |line| utf16(&format!("{line}\r\n"))),
        (encoded("utf-16be"), |line| format!("{line}\n").encode_utf16().flat_map(u16::to_be_bytes).collect()),
        (Format { delimiter: Some("<end>".into()), ..Format::default() }, |line| format!("{line}<end>").into_bytes()),
    ];
    for (format, encode) in cases {
        let mut fixture = with(format);
        fixture.config.block_bytes = 512;
        fixture.config.once = true;
        let mut expect = Vec::new();
        // One file for each place of the delimiter around the end of the first block, in bytes or in halves of them.
        for length in (250..258).chain(504..514) {
            let long = format!("{length:04}{}", "x".repeat(length - 4));
            for line in [&long, &format!("second {length}"), &format!("\u{0a0a}end {length}")] {
                fixture.append(&format!("{length}.log"), encode(line));
                expect.push(line.clone());
            }
        }
        let agent = fixture.start().await;
        caught_up(&agent).await;
        fixture.expect(&expect.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_is_no_part_of_the_first_line_and_knows_better() {
    let fixture = with(encoded("utf-16be"));
    fixture.append("a.log", utf16("\u{feff}one\n\u{0a0a}two\n"));
    let agent = fixture.start().await;
    fixture.expect(&["one", "\u{0a0a}two"]).await;
    assert_eq!(fixture.broker.got()[0].header("log.offset"), "2");
    drop(agent);
    fixture.append("a.log", utf16("three\n"));
    let agent = fixture.start().await;
    fixture.expect(&["one", "\u{0a0a}two", "three"]).await;
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_50_mib_is_one_cut_record_over_a_restart_in_its_middle() {
    let cases: [(Format, Write); 3] = [
        (Format::default(), |text| text.as_bytes().to_vec()),
        (encoded("utf-16le"), utf16),
        (groups(NEVER), |text| text.as_bytes().to_vec()),
    ];
    for (format, encode) in cases {
        let mut fixture = with(format);
        // As they are by default; the batch that holds the longest line is a larger one.
        fixture.config.block_bytes = 512 * 1024;
        fixture.config.batch_bytes_max = 512 * 1024;
        let half = encode(&"x".repeat(25 << 20));
        fixture.append("a.log", encode("> first\n> "));
        fixture.append("a.log", &half);
        let agent = fixture.start().await;
        fixture.until(|| fixture.broker.count() == 2).await;
        drop(agent);
        fixture.append("a.log", &half);
        fixture.append("a.log", encode("\n rest\n> next\n> last\n"));
        fixture.config.once = true;
        let agent = fixture.start().await;
        caught_up(&agent).await;
        let got = fixture.broker.got();
        let is_group = fixture.config.inputs[0].format.multiline.is_some();
        let values: Vec<String> = got.iter().map(|got| String::from_utf8_lossy(&got.value).into_owned()).collect();
        let short: Vec<&str> = values.iter().map(String::as_str).filter(|value| value.len() < 20).collect();
        // In a group the line behind the long one belongs to what was cut.
        let want: &[&str] =
            if is_group { &["> first", "> next", "> last"] } else { &["> first", " rest", "> next", "> last"] };
        assert_eq!(short, want);
        assert_eq!((values[1].len(), got[1].header("sluice.cut"), values.len()), (1 << 20, "true", want.len() + 1));
        assert!(got.iter().enumerate().all(|(index, got)| index == 1 || got.header("sluice.cut").is_empty()));
        let progress = agent.stop(DRAIN).await;
        assert_eq!(progress.undelivered_batches, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn container_logs_are_unwrapped_and_their_kind_is_that_of_the_lines_within() {
    let fixture = with(Format { container: Some(Container::Auto), ..Format::default() });
    let docker = |log: &str, stream: &str, second: u8| {
        serde_json::json!({"log": log, "stream": stream, "time": format!("2026-01-02T03:04:{second:02}.5Z")})
            .to_string()
    };
    let long = "x".repeat(16 * 1024);
    fixture.append("docker.log", docker("{\"a\":1}\n", "stdout", 1) + "\n" + &docker(&long, "stdout", 2) + "\n");
    let agent = fixture.start().await;
    fixture.expect(&["{\"a\":1}"]).await;
    fixture.append("docker.log", docker("between\n", "stderr", 3) + "\n" + &docker("end\n", "stdout", 4) + "\n");
    let whole = long + "end";
    fixture.expect(&["{\"a\":1}", &whole, "between"]).await;
    let got = fixture.broker.got();
    let shown: Vec<[&str; 4]> = got
        .iter()
        .map(|got| ["stream", "@timestamp", "event.dataset", "log.offset"].map(|key| got.header(key)))
        .collect();
    assert_eq!(shown[0], ["stdout", "2026-01-02T03:04:01.5Z", "json", "0"]);
    assert_eq!(shown[1][..2], ["stdout", "2026-01-02T03:04:02.5Z"]);
    assert_eq!(shown[2][..2], ["stderr", "2026-01-02T03:04:03.5Z"]);
    let keys: Vec<&str> = got[1].headers.iter().map(|(key, _)| key.as_str()).collect();
    let want = ["host.name", "log.file.path", "event.dataset", "sluice.file.id", "stream", "@timestamp", "log.offset"];
    assert_eq!(keys, want);
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_are_too_large_for_the_broker_are_parted_between_them() {
    let mut fixture = with(groups(NEVER));
    fixture.config.batch_bytes_max = 8000;
    fixture.config.block_bytes = 16_000;
    fixture.config.compression = "none".parse().expect("known");
    fixture.config.once = true;
    fixture.broker.batch_bytes_max(1500);
    let values: Vec<String> = (0..40).map(|number| format!("> {number:04}\n {}", "y".repeat(100))).collect();
    fixture.append("a.log", values.iter().map(|value| format!("{value}\n")).collect::<String>());
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.expect(&values.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_end_begins_at_a_line_of_the_format() {
    let mut fixture = with(encoded("utf-16le"));
    fixture.config.from = agent::From::End;
    fixture.append("a.log", utf16("old\n\u{0a0a}"));
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.append("a.log", utf16("half\nnew\n"));
    fixture.expect(&["new"]).await;
    agent.stop(DRAIN).await;
}

#[test]
fn a_wrong_format_stops_the_start_and_names_input_key_and_way_out() {
    let fixture = with(Format { exclude_lines: vec!["(".into()], ..Format::default() });
    let Err(error) = fixture.config.check() else { panic!("it was accepted") };
    let agent::ConfigError::Format { path, source } = error else { panic!("{error}") };
    assert!(
        path.ends_with("*.log") && source.to_string().starts_with("exclude_lines \"(\" is not a regular expression")
    );
    assert!(source.hint().contains("single quotes"));
}

/// xorshift64*: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

fn cri(text: &str) -> Vec<u8> {
    let lines = text.split('\n').map(|line| {
        let (first, rest) = line.split_at(line.len() / 2);
        format!("2026-01-02T03:04:05.000000001Z stdout P {first}\n2026-01-02T03:04:05.000000002Z stdout F {rest}\n")
    });
    lines.collect::<String>().into_bytes()
}

/// A random life of one log of each format, which is rotated out of the glob, under an agent that is killed and a broker that loses acknowledgements.
async fn live(seed: u64, format: Format, write: Write) {
    println!("SLUICE_SEED={seed} {format:?}");
    let mut random = Random(seed | 1);
    let mut fixture = with(Format { exclude_lines: vec!["excluded".into()], ..format });
    let mut expect = Vec::new();
    let mut renamed = Vec::new();
    let mut agent = Some(fixture.start().await);
    for step in 0..60 {
        match random.below(11) {
            0..=5 => {
                let mut bytes = Vec::new();
                for _ in 0..random.below(20) {
                    let excluded = random.below(5) == 0;
                    let value = format!("> {step} {}{}", expect.len(), if excluded { " excluded" } else { "" });
                    let value = (0..random.below(4)).fold(value, |value, line| value + &format!("\n more {line}"));
                    // Without groups the lines are records of their own.
                    let values: Vec<String> = match fixture.config.inputs[0].format.multiline {
                        Some(_) => vec![value.clone()],
                        None => value.split('\n').map(str::to_owned).collect(),
                    };
                    bytes.extend(write(&value));
                    expect.extend(values.into_iter().filter(|value| !value.contains("excluded")));
                }
                // In two writes, torn anywhere.
                let (first, rest) = bytes.split_at(random.below(bytes.len() as u64 + 1) as usize);
                fixture.append("a.log", first);
                if random.below(2) == 0 {
                    tokio::task::yield_now().await;
                }
                fixture.append("a.log", rest);
            }
            6 => fixture.broker.stall(true),
            7 => fixture.broker.stall(false),
            8 => fixture.broker.lose_acknowledgements(random.below(2) == 0),
            9 if fixture.path("a.log").exists() => {
                // Nobody finds a file that had its name in the glob for a moment only.
                let Some(agent) = &agent else { continue };
                let path = fixture.path("a.log");
                let new = || agent.files().into_iter().find(|file| file.path == path && !renamed.contains(&file.id));
                fixture.until(|| new().is_some()).await;
                renamed.extend(new().map(|file| file.id));
                fixture.rename("a.log", &format!("a.log.{step}"));
            }
            _ => {
                drop(agent.take());
                fixture.broker.lose_acknowledgements(false);
                agent = Some(fixture.start().await);
            }
        }
    }
    drop(agent);
    fixture.broker.stall(false);
    fixture.broker.lose_acknowledgements(false);
    fixture.config.once = true;
    let agent = fixture.start().await;
    caught_up(&agent).await;
    agent.stop(DRAIN).await;
    let mut got = fixture.broker.values();
    // Each begins with its number, or is a further line of what does.
    got.sort();
    expect.sort();
    let differs = got.iter().zip(&expect).position(|(got, want)| got != want).unwrap_or(got.len().min(expect.len()));
    let near = |values: &[String]| values[differs..values.len().min(differs + 3)].to_vec();
    let (got, want) = ((got.len(), near(&got)), (expect.len(), near(&expect)));
    assert_eq!(got, want, "SLUICE_SEED={seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_record_of_any_format_is_there_once_after_any_life() {
    let given = std::env::var("SLUICE_SEED").ok().map(|seed| seed.parse::<u64>().expect("a number"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
    let seed = given.unwrap_or(now);
    let lines = Format::default;
    let cases: [(Format, Write); 6] = [
        (lines(), |text| format!("{text}\r\n").into_bytes()),
        (groups(NEVER), |text| format!("{text}\n").into_bytes()),
        (Format { encoding: Some("utf-16le".into()), ..groups(NEVER) }, |text| utf16(&format!("{text}\n"))),
        (Format { delimiter: Some("\0".into()), ..groups(NEVER) }, |text| {
            format!("{}\0", text.replace('\n', "\0")).into_bytes()
        }),
        (Format { container: Some(Container::Cri), ..lines() }, cri),
        (Format { container: Some(Container::Auto), ..groups(NEVER) }, cri),
    ];
    for (number, (format, write)) in (0..).zip(cases) {
        live(seed.wrapping_add(number), format, write).await;
    }
}
