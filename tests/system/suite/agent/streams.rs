//! Lines that are in no file, from those who really send them: a pipe, rsyslog, and systemd's journal.

use crate::harness::process::{Ended, Process};
use crate::harness::scene::{Scene, Skipped};
use crate::harness::{ports, sluice, topic, wait};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// For a command of a debug binary on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(90);
const RSYSLOG: &str = "/usr/sbin/rsyslogd";
/// Makes journal files of what is given to it in the export format.
const JOURNAL_WRITER: &str = "/usr/lib/systemd/systemd-journal-remote";
const TOPIC: &str = "logs";

fn need(program: &str) -> anyhow::Result<()> {
    let found = Path::new(program).exists()
        || Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if found { Ok(()) } else { Err(Skipped { reason: format!("needs {program}") }.into()) }
}

fn values(broker: &str) -> anyhow::Result<Vec<String>> {
    let records = topic::read(broker, TOPIC)?;
    Ok(records.into_iter().map(|record| String::from_utf8_lossy(&record.value).into_owned()).collect())
}

fn wait_for(broker: &str, count: u64) -> anyhow::Result<()> {
    wait::until(&format!("{count} records"), DEADLINE, || (topic::count(broker, TOPIC).ok()? >= count).then_some(()))
}

/// An agent with the inputs of `config`.
fn start(scene: &Scene, broker: &str, config: &str, arguments: &[&str]) -> Process {
    scene.file("sluice.yaml", format!("agent:\n  checkpoints: kept\n  inputs:\n    - {config}\n"));
    let mut command = sluice::command(["agent", "--broker", broker, "--status-listen", &ports::free_address()]);
    command.args(arguments);
    scene.start("agent", command)
}

/// What a program writes into the agent is shipped to its end, with --once and without; `up` does it all.
pub fn pipe(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let shell = |script: &str, arguments: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_sluice")]).args(arguments);
        scene.start("pipe", command)
    };
    let status = ports::free_address();
    let agent = ["agent", "--broker", &broker.address, "--status-listen", &status, "--checkpoints", "kept", "-"];
    for (round, once) in [("one", true), ("two", false)] {
        let arguments: Vec<&str> = if once { [&agent[..], &["--once"]].concat() } else { agent.to_vec() };
        let script = format!("(seq -f '{round} %g' 20000; printf 'the end of {round}') | \"$0\" \"$@\"");
        let process = shell(&script, &arguments);
        let status = process.wait(DEADLINE)?;
        ensure!(status.success(), "it ended with {status}");
    }
    let mut want: Vec<String> = Vec::new();
    for round in ["one", "two"] {
        want.extend((1..=20_000).map(|n| format!("{round} {n}")));
        want.push(format!("the end of {round}"));
    }
    ensure!(values(&broker.address)? == want, "the lines are not those of the pipe");
    let (listen, status) = (ports::free_address(), ports::free_address());
    let up = ["up", "--once", "--data", "data", "--listen", &listen, "--status-listen", &status, "-"];
    let process = shell("seq 500 | \"$0\" \"$@\"", &up);
    let Ended { status, out, .. } = process.finish(DEADLINE)?;
    ensure!(status.success(), "up ended with {status}");
    let documents = out.lines().filter(|line| line.starts_with('{')).count();
    ensure!(documents == 500, "{documents} documents; want 500");
    Ok(())
}

/// rsyslog forwards over TCP, octet-counted and by lines, and over UDP.
pub fn rsyslog(scene: &Scene) -> anyhow::Result<()> {
    need(RSYSLOG)?;
    need("logger")?;
    let broker = sluice::broker(scene)?;
    let listen = ports::free_address();
    let _agent = start(scene, &broker.address, &format!("syslog: {{listen: \"{listen}\"}}"), &[]);
    wait::until("the agent listens", DEADLINE, || std::net::TcpStream::connect(&listen).ok())?;
    let (socket, work) = (scene.path("log.sock"), scene.directory("work"));
    let port = listen.rsplit(':').next().context("a port")?;
    let forward = |protocol: &str, more: &str, template: &str| {
        format!(
            "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{port}\" protocol=\"{protocol}\" {more} \
             template=\"RSYSLOG_{template}\")\n"
        )
    };
    let config = [
        format!("global(workDirectory=\"{}\" maxMessageSize=\"16k\")\n", work.display()),
        format!(
            "module(load=\"imuxsock\" SysSock.Use=\"off\")\ninput(type=\"imuxsock\" Socket=\"{}\")\n",
            socket.display()
        ),
        forward("tcp", "TCP_Framing=\"octet-counted\"", "SyslogProtocol23Format"),
        forward("tcp", "TCP_Framing=\"traditional\"", "TraditionalForwardFormat"),
        forward("udp", "", "SyslogProtocol23Format"),
    ];
    let config = scene.file("rsyslog.conf", config.concat());
    let mut command = Command::new(RSYSLOG);
    command.args(["-n", "-i"]).arg(scene.path("rsyslog.pid")).arg("-f").arg(config);
    let _rsyslog = scene.start("rsyslog", command);
    wait::until("rsyslog listens", DEADLINE, || socket.exists().then_some(()))?;
    let text: String = (0..300).map(|n| format!("order {n} {}\n", "x".repeat(n * 10))).collect();
    let file = scene.file("messages", text);
    let mut command = Command::new("logger");
    command.args(["--socket"]).arg(&socket).args(["--size", "16384", "--tag", "shop", "--file"]).arg(file);
    ensure!(command.status()?.success(), "logger failed");
    wait_for(&broker.address, 900)?;
    let records = topic::read(&broker.address, TOPIC)?;
    ensure!(records.iter().all(|record| record.header("event.dataset") == Some("syslog")), "datasets differ");
    let senders: BTreeSet<_> = records.iter().filter_map(|record| record.header("log.source.address")).collect();
    ensure!(senders.len() >= 3, "the senders are {senders:?}");
    let values = values(&broker.address)?;
    for n in 0..300 {
        let end = format!("order {n} {}", "x".repeat(n * 10));
        let of_order = || values.iter().filter(|value| value.trim_end().ends_with(end.trim_end()));
        ensure!(of_order().count() == 3, "order {n} came {} times", of_order().count());
        ensure!(of_order().filter(|value| value.starts_with("<13>1 ")).count() == 2, "order {n} has no priority");
        ensure!(of_order().all(|value| value.contains("shop")), "order {n} has no tag");
    }
    Ok(())
}

/// A field whose value has any bytes.
fn field(name: &str, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b"\n", &(value.len() as u64).to_le_bytes(), value, b"\n"].concat()
}

/// Adds entries to the journal in `folder`.
fn write_journal(scene: &Scene, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
    let mut export = Vec::new();
    for n in numbers {
        let head = format!(
            "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={n}\n_BOOT_ID=0123456789abcdef0123456789abcdef\n\
             _MACHINE_ID=0123456789abcdef0123456789abcde0\n_HOSTNAME=web1\nPRIORITY=6\n_SYSTEMD_UNIT=unit{}.service\n\
             A=1\nA=2\n",
            1_767_225_600_000_000 + n,
            n % 2,
        );
        export.extend_from_slice(head.as_bytes());
        export.extend(field("MESSAGE", format!("entry {n}\nof two lines, é").as_bytes()));
        export.extend(field("RAW", &[0xff, 0, n as u8]));
        export.push(b'\n');
    }
    let file = scene.file("entries", export);
    let output = scene.directory("journal").join("system.journal");
    let mut command = Command::new(JOURNAL_WRITER);
    command.arg(format!("--output={}", output.display())).arg("--split-mode=none").arg(file);
    ensure!(command.stderr(Stdio::null()).status()?.success(), "the journal cannot be written");
    Ok(())
}

fn entries(lines: &[String]) -> anyhow::Result<Vec<Value>> {
    lines.iter().map(|line| serde_json::from_str(line).with_context(|| line.clone())).collect()
}

/// journalctl's own JSON and ours are the same; killed in the middle, again and again, each entry comes once.
pub fn journal(scene: &Scene) -> anyhow::Result<()> {
    need(JOURNAL_WRITER)?;
    need("journalctl")?;
    let broker = sluice::broker(scene)?;
    let mut written = 500;
    write_journal(scene, 0..written)?;
    let config = "journald: {directory: journal}";
    let once = start(scene, &broker.address, config, &["--once"]).wait(DEADLINE)?;
    ensure!(once.success(), "--once ended with {once}");
    ensure!(topic::count(&broker.address, TOPIC)? == written, "not all entries came");
    for _ in 0..5 {
        let agent = start(scene, &broker.address, config, &[]);
        write_journal(scene, written..written + 300)?;
        wait_for(&broker.address, written + 1)?;
        agent.kill()?;
        written += 300;
    }
    let mut agent = start(scene, &broker.address, config, &[]);
    wait_for(&broker.address, written)?;
    ensure!(agent.is_running(), "the agent ended");
    let got = entries(&values(&broker.address)?)?;
    let mut command = Command::new("journalctl");
    command.args(["--output=json", "--all", "--quiet", "--directory"]).arg(scene.path("journal"));
    let output = String::from_utf8(command.output()?.stdout)?;
    let want = entries(&output.lines().map(str::to_owned).collect::<Vec<_>>())?;
    ensure!(want.len() as u64 == written, "journalctl knows {} entries", want.len());
    for (got, want) in got.iter().zip(&want) {
        ensure!(got == want, "got {got}\nwant {want}");
    }
    ensure!(got.len() == want.len(), "{} entries came; want {}", got.len(), want.len());
    agent.kill()?;

    // Only what one unit says, in a topic of another agent.
    let unit = "journald: {directory: journal, units: [unit1.service]}\n      topic: unit";
    let checkpoints = ["--once", "--checkpoints", "other"];
    let once = start(scene, &broker.address, unit, &checkpoints).wait(DEADLINE)?;
    ensure!(once.success(), "--once ended with {once}");
    let count = topic::count(&broker.address, "unit")?;
    ensure!(count == written / 2, "{count} entries of the unit came; want {}", written / 2);
    Ok(())
}
