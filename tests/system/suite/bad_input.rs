//! Bad input and missing parts: said clearly, survived, and nothing is lost.

use crate::harness::destination::Destination;
use crate::harness::lines::Stream;
use crate::harness::log_file::LogFile;
use crate::harness::process::{Ended, Process};
use crate::harness::scene::Scene;
use crate::harness::topic;
use crate::harness::{oracle, ports, process, sluice, wait};
use anyhow::ensure;
use elasticsearch_stand_in::StandIn;
use serde_json::{Value, json};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

/// For anything that is to happen.
const DEADLINE: Duration = Duration::from_secs(60);
/// Times that a lasting trouble may be mentioned: when it begins, perhaps in the live line, and when it ends.
const MENTIONS_MAX: usize = 4;

fn up(arguments: &[&str]) -> Command {
    up_at(&ports::free_address(), arguments)
}

fn up_at(listen: &str, arguments: &[&str]) -> Command {
    let status = ports::free_address();
    let mut command = sluice::command(["up", "--data", "data", "--listen", listen, "--status-listen", &status]);
    command.args(arguments);
    command
}

/// Runs to the end; gives success and what was said on standard error.
fn ends(scene: &Scene, name: &str, command: Command) -> anyhow::Result<(bool, String)> {
    let Ended { status, err, .. } = scene.start(name, command).finish(DEADLINE)?;
    Ok((status.success(), err))
}

fn says(said: &str, wanted: &[&str]) -> anyhow::Result<()> {
    for wanted in wanted {
        ensure!(said.contains(wanted), "want {wanted:?} in what it says; got:\n{said}");
    }
    Ok(())
}

/// No file matches: it says so, and with `--once` it does not wait for one.
pub fn no_files(scene: &Scene) -> anyhow::Result<()> {
    let (success, said) = ends(scene, "up", up(&["--once", "no-such-file-*.log"]))?;
    ensure!(!success, "up without a file succeeds");
    says(&said, &["no file matches", "no-such-file-*.log", "hint: "])
}

/// A file disappears while it is followed: what was in it has been read, and the other file goes on.
pub fn file_vanishes(scene: &Scene) -> anyhow::Result<()> {
    let destination = Destination::stand_in();
    let mut stays = LogFile::create(scene.path("stays.log"), Stream::new(0, 1))?;
    let mut goes = LogFile::create(scene.path("goes.log"), Stream::new(1, 1))?;
    stays.write(1_000)?;
    goes.write(1_000)?;
    let _up = scene.start("up", up(&["--elasticsearch", &destination.url(), "*.log"]));
    destination.wait(2_000, DEADLINE)?;
    fs::remove_file(goes.path())?;
    stays.write(1_000)?;
    destination.wait(3_000, DEADLINE)?;
    // The same name again is another file.
    let mut again = LogFile::create(scene.path("goes.log"), Stream::new(2, 1))?;
    again.write(1_000)?;
    destination.wait(4_000, DEADLINE)?;
    destination.check(&[stays.written(), goes.written(), again.written()])?;
    Ok(())
}

/// A directory that may not be read is said, and the others are followed.
pub fn directory_without_permission(scene: &Scene) -> anyhow::Result<()> {
    let closed = scene.directory("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000))?;
    let mut file = LogFile::create(scene.path("open.log"), Stream::new(0, 1))?;
    file.write(100)?;
    let mut command = up(&["--once", "open.log", "closed/*.log"]);
    if fs::read_dir(&closed).is_ok() {
        // Root may read everything, unless it gives that right away.
        command = process::prefixed(&process::without_override()?, &command);
    }
    let Ended { out: printed, err: said, .. } = scene.start("up", command).finish(DEADLINE)?;
    ensure!(printed.lines().count() == 100, "the readable file's 100 lines; got {}", printed.lines().count());
    says(&said.to_lowercase(), &["closed", "permission denied"])
}

/// A broken config file: file, line, key and a hint.
pub fn broken_config(scene: &Scene) -> anyhow::Result<()> {
    let check = |name: &str, text: &str, wanted: &[&str]| -> anyhow::Result<()> {
        let file = scene.file(&format!("{name}.yaml"), text);
        let mut command = up(&["--once", "x.log", "--config"]);
        command.arg(file);
        let (success, said) = ends(scene, name, command)?;
        ensure!(!success, "{name}: a success");
        says(&said, wanted)
    };
    let unknown = "agent:\n  topic: logs\n  compresion: lz4\n";
    check("unknown-key", unknown, &["unknown-key.yaml:3", "compresion", "did you mean \"compression\"?"])?;
    check("no-number", "agent:\n  linger_ms: soon\n", &["no-number.yaml:2", "linger_ms"])?;
    check("no-yaml", "agent: [\n", &["no-yaml.yaml:"])?;
    let file = scene.file("pipeline.yml", "processors:\n  - grok: {field: message, patterns: ['%{NOSUCH:x}']}\n");
    let mut command = sluice::command(["pipeline", "run"]);
    command.arg(file);
    let (success, said) = ends(scene, "pipeline", command)?;
    ensure!(!success, "a pipeline with an unknown pattern loads");
    says(&said, &["pipeline.yml:2", "NOSUCH"])
}

/// A port in use: which, and how to choose another.
pub fn port_in_use(scene: &Scene) -> anyhow::Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    scene.file("x.log", "a line\n");
    let (success, said) = ends(scene, "up", up_at(&address, &["--once", "x.log"]))?;
    ensure!(!success, "up on a taken port succeeds");
    says(&said, &[&address, "in use", "--listen"])
}

/// A broker that is not there yet: the agent says so once, waits, and goes on.
pub fn broker_comes_later(scene: &Scene) -> anyhow::Result<()> {
    let address = ports::free_address();
    let mut file = LogFile::create(scene.path("app.log"), Stream::new(0, 1))?;
    file.write(2_000)?;
    let status = ports::free_address();
    let mut command =
        sluice::command(["agent", "--broker", &address, "--topic", "late", "--checkpoints", "checkpoints"]);
    command.args(["--status-listen", &status, "app.log"]);
    let mut agent = scene.start("agent", command);
    agent.wait_for_stderr(&address, DEADLINE)?;
    wait::until("health says that it is not ready", DEADLINE, || {
        let (code, body) = crate::harness::http::get(&format!("http://{status}/health")).ok()?;
        (code == 503 && body.contains(&address)).then_some(())
    })?;
    let _broker = sluice::broker_at(scene, &address, &scene.path("broker-data"), &[])?;
    wait::until_equal("lines in the topic", DEADLINE, 2_000, || topic::count(&address, "late"))?;
    says_seldom(&agent, &address)?;
    let arrived = topic::read(&address, "late")?.into_iter().map(topic::Record::arrived);
    oracle::compare(&[file.written()], arrived).check("topic")
}

/// An Elasticsearch that is not there yet: the same.
pub fn elasticsearch_comes_later(scene: &Scene) -> anyhow::Result<()> {
    let address = ports::free_address();
    let mut file = LogFile::create(scene.path("app.log"), Stream::new(0, 1))?;
    file.write(2_000)?;
    let mut process = scene.start("up", up(&["--elasticsearch", &format!("http://{address}"), "app.log"]));
    process.wait_for_stderr(&address, DEADLINE)?;
    let destination = Destination::StandIn(StandIn::start_at(address.parse()?));
    destination.wait(2_000, DEADLINE)?;
    says_seldom(&process, &address)?;
    destination.check(&[file.written()])?;
    Ok(())
}

fn says_seldom(process: &Process, address: &str) -> anyhow::Result<()> {
    let said = process.stderr();
    let mentions = said.lines().filter(|line| line.contains(address)).count();
    ensure!(mentions <= MENTIONS_MAX, "{address} is mentioned {mentions} times:\n{said}");
    Ok(())
}

/// Rubbish on the broker's port: the connection is closed, one warning each at most, and others are served.
pub fn rubbish_on_the_brokers_port(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let rubbish: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x7f\xff\xff\xff\x00\x03\x00\x00\x00\x00\x00\x01\xff\xff",
        b"\xff\xff\xff\xff\x00\x00",
        b"\x00\x00\x00\x00",
        // Metadata v0 whose array claims 2^31 - 1 topics.
        b"\x00\x00\x00\x0e\x00\x03\x00\x00\x00\x00\x00\x01\xff\xff\x7f\xff\xff\xff",
        &[0xa5; 70_000],
    ];
    for (number, bytes) in rubbish.into_iter().enumerate() {
        let mut stream = TcpStream::connect(&broker.address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        // The broker may close before everything is written.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => anyhow::bail!("rubbish {number}: the connection is not closed: {error}"),
        }
        ensure!(answer.is_empty(), "rubbish {number} is answered: {answer:?}");
        topic::names(&broker.address)?;
    }
    let said = broker.process.stderr();
    let warnings = said.lines().filter(|line| line.contains("WARN")).count();
    ensure!((1..=rubbish.len()).contains(&warnings), "want a warning for each at most; got {warnings}:\n{said}");
    Ok(())
}

/// Invalid UTF-8: the record keeps the bytes, the document has replacement characters and a tag that says so.
pub fn invalid_utf8(scene: &Scene) -> anyhow::Result<()> {
    let line = b"caf\xe9 \xff\xfe bytes";
    scene.file("latin.log", [line.as_slice(), b"\n"].concat());
    let listen = ports::free_address();
    let mut process = scene.start("up", up_at(&listen, &["latin.log"]));
    sluice::wait_for_broker(&mut process, &listen)?;
    wait::until("a document", DEADLINE, || (!process.stdout().is_empty()).then_some(()))?;
    let records = topic::read(&listen, "logs")?;
    ensure!(records.len() == 1 && records[0].value == line, "the record: {records:?}");
    process.interrupt()?;
    let Ended { status, out: printed, .. } = process.finish(DEADLINE)?;
    ensure!(status.success(), "a success after Ctrl-C");
    let document: Value = serde_json::from_str(&printed)?;
    let message = document["message"].as_str().unwrap_or_default();
    ensure!(message == "caf\u{fffd} \u{fffd}\u{fffd} bytes", "message {message:?}");
    ensure!(document["tags"] == json!(["_invalid_utf8"]), "a tag that says so: {document:#}");
    Ok(())
}
