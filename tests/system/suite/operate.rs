//! What operators rely on: a changed config is taken over without loss or repeat, supervisors are told, checks end with the right
//! code, and nothing that is said has a secret in it.

use super::reload::{Running, reload};
use crate::harness::agent::Setup;
use crate::harness::process::{Ended, Process};
use crate::harness::random::Random;
use crate::harness::scene::Scene;
use crate::harness::sluice::{self, START};
use crate::harness::soak::soak;
use crate::harness::writing::{self, Plan, Rotation};
use crate::harness::{http, ports, wait};
use anyhow::{Context, ensure};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::Duration;

/// Reloads of the short form and of the long one (`SLUICE_SOAK=full`).
const RELOADS: (u64, u64) = (12, 100);
/// For one reload: the part drains and starts again, in a debug binary on a loaded machine.
const RELOAD: Duration = Duration::from_secs(60);
const PLAN: Plan = Plan {
    rotation: Rotation::Mixed,
    streams: 3,
    lines_per_stream: 10_000_000,
    lines_per_rotation: 2_000,
    lines_per_second: 2_000,
};

/// The agent's config changes again and again while files are written and rotated: every line is in the topic once.
pub fn reload_under_load(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let mut random = scene.random("operate::reload_under_load");
    let logs = scene.directory("logs");
    let setup = Setup::new(scene, &broker.address, "logs", &["logs/app-*"]);
    let writing = writing::start(&logs, PLAN, Random::new(random.next()))?;
    let started = setup.command();
    let config = scene.path("agent.yaml");
    let text = fs::read_to_string(&config)?;
    let agent = setup.start_with(started);
    setup.wait_for(1)?;
    // `command` wrote the file, with the address of the status page in it; from here on only other keys change.
    let running = Running { scene, process: &agent.process, status: agent.address(), deadline: RELOAD };
    for round in 1..=soak(RELOADS.0, RELOADS.1) {
        // A random moment is what this is about, so there is nothing to wait for.
        thread::sleep(Duration::from_millis(random.of(0..700)));
        let linger = format!("agent:\n  linger_ms: {round}\n  labels: {{round: \"{round}\"}}\n");
        fs::write(&config, text.replacen("agent:\n", &linger, 1))?;
        let wanted = format!("agent.linger_ms is {round},");
        let taken_over = running.take_over(random.once_in(2), round <= RELOADS.0, &wanted);
        taken_over.with_context(|| format!("reload {round}"))?;
    }
    // A broken one changes nothing.
    fs::write(&config, "agent:\n  topik: x\n")?;
    let (code, said) = reload(scene, agent.address())?;
    ensure!(code == Some(1) && said.contains("did you mean \"topic\"?"), "{code:?}: {said}");
    fs::write(&config, &text)?;
    setup.finish(agent, &writing.end()?)?;
    Ok(())
}

/// systemd hears of the start, of a reload, of signs of life and of the end, from each part that runs for long.
pub fn supervisor_is_told(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let listen = ports::free_address();
    let data = scene.directory("told-broker");
    let (data, checkpoints) = (data.to_string_lossy(), scene.path("told-agent"));
    let log = scene.file("app.log", "a line\n");
    let (checkpoints, log) = (checkpoints.to_string_lossy(), log.to_string_lossy());
    let parts: [(&str, Vec<&str>); 3] = [
        ("broker", vec!["broker", "--listen", &listen, "--data", &data]),
        ("agent", vec!["agent", "--broker", &broker.address, "--checkpoints", &checkpoints, &log]),
        ("worker", vec!["worker", "--broker", &broker.address, "--output", "stdout"]),
    ];
    for (name, arguments) in parts {
        let path = scene.path(&format!("{name}.socket"));
        let socket = UnixDatagram::bind(&path)?;
        socket.set_nonblocking(true)?;
        let mut command = sluice::command(arguments);
        command.args(["--status-listen", &ports::free_address()]);
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
        let process = scene.start(&format!("told-{name}"), command);
        let mut heard = Vec::new();
        hear(&socket, &mut heard, name, |heard| count(heard, "READY=1") == 1 && count(heard, "WATCHDOG=1") >= 2)?;
        process.signal(Signal::HUP)?;
        hear(&socket, &mut heard, name, |heard| count(heard, "READY=1") == 2)?;
        ensure!(count(&heard, "RELOADING=1\nMONOTONIC_USEC=") == 1, "{name} said {heard:?}");
        process.signal(Signal::TERM)?;
        hear(&socket, &mut heard, name, |heard| count(heard, "STOPPING=1") == 1)?;
        let ended = process.wait(START)?;
        ensure!(ended.success(), "{name} ended with {ended} after SIGTERM");
    }
    Ok(())
}

fn count(heard: &[String], beginning: &str) -> usize {
    heard.iter().filter(|said| said.starts_with(beginning)).count()
}

/// Listens until enough was said.
fn hear(
    socket: &UnixDatagram,
    heard: &mut Vec<String>,
    name: &str,
    enough: impl Fn(&[String]) -> bool,
) -> anyhow::Result<()> {
    wait::until(&format!("what {name} tells its supervisor"), START, || {
        let mut bytes = [0; 512];
        while let Ok(length) = socket.recv(&mut bytes) {
            heard.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
        }
        enough(heard).then_some(())
    })
}

/// With every secret that a config can have, and all traces on, nothing that is said has one in it.
pub fn no_secret_is_said(scene: &Scene) -> anyhow::Result<()> {
    const SECRET: &str = "hidden-7f3a";
    let dead = ports::free_address();
    let sasl = format!("sasl: {{mechanism: PLAIN, user: someone, password: {SECRET}}}");
    let log = scene.file("app.log", "a line\n");
    let elsewhere = scene.path("checkpoints");
    let credentials = [
        format!("username: someone\n    password: {SECRET}\n    urls: [\"http://{dead}\"]"),
        format!("api_key: {SECRET}\n    urls: [\"http://{dead}\"]"),
        format!("bearer_token: {SECRET}\n    urls: [\"http://{dead}\"]"),
        format!("urls: [\"http://someone:{SECRET}@{dead}\"]"),
    ];
    for (number, credentials) in credentials.iter().enumerate() {
        let config = format!(
            "agent:\n  broker: {dead}\n  {sasl}\n  checkpoints: {elsewhere:?}\n  inputs: [{{paths: [{log:?}]}}]\n\
             worker:\n  broker: {dead}\n  {sasl}\n  elasticsearch:\n    {credentials}\n"
        );
        let config = scene.file(&format!("secrets-{number}.yaml"), config);
        let config = config.to_string_lossy();
        for arguments in [
            vec!["config", "show", "--config", &config],
            vec!["config", "show", "--json", "--config", &config],
            vec!["check", "--probe", "--config", &config],
            vec!["search", "a", "--config", &config],
            vec!["setup", "--config", &config],
        ] {
            let what = arguments[..2].join("-");
            let mut process = scene.start(&format!("{what}-{number}"), traced(sluice::command(arguments)));
            wait::until(&format!("the end of {what}"), START, || (!process.is_running()).then_some(()))?;
            says_nothing(&process, SECRET, &what)?;
        }
        for (part, format) in [("agent", "json"), ("agent", "text"), ("worker", "json"), ("worker", "text")] {
            let status = ports::free_address();
            let arguments = [part, "--log-format", format, "--status-listen", &status, "--config", &config];
            let mut process = scene.start(&format!("{part}-{format}-{number}"), traced(sluice::command(arguments)));
            process.wait_for_stderr(&dead, START)?;
            says_nothing(&process, SECRET, part)?;
            if format == "json" {
                let said = process.stderr();
                let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
                for line in whole.lines().filter(|line| line.starts_with('{')) {
                    serde_json::from_str::<serde_json::Value>(line).with_context(|| line.to_owned())?;
                }
                ensure!(whole.contains("\"log.level\""), "{part} says no JSON: {whole}");
            }
            process.kill()?;
        }
    }
    Ok(())
}

fn traced(mut command: std::process::Command) -> std::process::Command {
    command.env("SLUICE_LOG", "trace");
    command
}

fn says_nothing(process: &Process, secret: &str, what: &str) -> anyhow::Result<()> {
    for said in [process.stdout(), process.stderr()] {
        let line = said.lines().find(|line| line.contains(secret));
        ensure!(line.is_none(), "{what} says a secret: {line:?}");
    }
    Ok(())
}

/// `sluice check` and its exit codes, with and without what the config names.
pub fn check_and_probe(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let log = scene.file("app.log", "a line\n");
    let (address, checkpoints) = (&broker.address, scene.path("checkpoints"));
    let config = |broker: &str, paths: &str| {
        format!(
            "agent:\n  broker: {broker}\n  checkpoints: {checkpoints:?}\n  inputs: [{{paths: [{paths:?}]}}]\nbroker: {{data: {checkpoints:?}}}\n"
        )
    };
    let log = log.to_string_lossy();
    let check = |name: &str, text: String, flags: &[&str], code: i32, wanted: &[&str]| -> anyhow::Result<String> {
        let file = scene.file(&format!("{name}.yaml"), text);
        let mut command = sluice::command(["check"]);
        command.arg(file).args(flags);
        let Ended { status, out: said, .. } = scene.start(name, command).finish(START)?;
        ensure!(status.code() == Some(code), "{name}: got {status}; want {code}; {said}");
        for wanted in wanted {
            ensure!(said.contains(wanted), "{name} lacks {wanted:?}: {said}");
        }
        Ok(said)
    };
    check("right", config(address, &log), &[], 0, &["nothing is wrong"])?;
    check("wrong", "agent: {topik: x}\n".to_owned(), &["--probe"], 2, &["wrong.yaml:1:9", "did you mean \"topic\"?"])?;
    let probed = ["1 files", "would be made", "Produce up to v", "cluster "];
    check("probed", config(address, &log), &["--probe"], 0, &probed)?;
    let dead = ports::free_address();
    check("dead", config(&dead, &log), &["--probe"], 1, &["cannot reach broker", "is it running"])?;
    let said = check("json", config(&dead, "nothing-*.log"), &["--probe", "--json"], 1, &[])?;
    let said: serde_json::Value = serde_json::from_str(&said)?;
    let probes = said["probes"].as_array().context("no probes")?;
    // Not those of the directories: how much room there is, is this machine's affair.
    for (part, level) in [("agent.inputs.0 ", "warning"), ("agent.broker ", "error")] {
        let probe = probes.iter().find(|probe| probe["what"].as_str().is_some_and(|what| what.starts_with(part)));
        ensure!(probe.is_some_and(|probe| probe["level"] == level), "{part}: want {level}: {said}");
    }
    Ok(())
}

/// The dashboard and the alerts name only metrics that there are.
pub fn metrics_that_are_named_exist(scene: &Scene) -> anyhow::Result<()> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
    let mut named = BTreeSet::new();
    for file in ["grafana/sluice.json", "prometheus/alerts.yaml", "operations.md"] {
        let text = fs::read_to_string(format!("{root}/{file}"))?;
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        named.extend(words.filter(|word| word.starts_with("sluice_")).map(str::to_owned));
    }
    ensure!(named.len() > 15, "only {named:?}");
    let log = scene.file("app.log", "a line\n".repeat(100));
    let (data, status, listen) = (scene.path("data"), ports::free_address(), ports::free_address());
    let mut command = sluice::command(["up", "--listen", &listen, "--status-listen", &status]);
    command.args(["--search-listen", &ports::free_address(), "--data"]).arg(data).arg(log);
    let _up = scene.start("up", command);
    // Series with labels come with the first thing that they count.
    let only_with_errors =
        ["sluice_sink_bulk_item_errors_total", "sluice_worker_dead_letters", "sluice_worker_partition_retention_used"];
    let lacking = wait::until("metrics", START, || {
        let text = http::get(&format!("http://{status}/metrics")).ok()?.1;
        let exposed: BTreeSet<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split(['{', ' ']).next())
            .collect();
        let lacking: Vec<&String> = named
            .iter()
            // A histogram is named as a whole.
            .filter(|name| !exposed.contains(name.as_str()) && !exposed.contains(&*format!("{name}_bucket")))
            .filter(|name| !only_with_errors.contains(&name.as_str()))
            .collect();
        lacking.is_empty().then_some(())
    });
    lacking.with_context(|| format!("named: {named:?}; exposed: {:?}", http::get(&format!("http://{status}/metrics"))))
}
