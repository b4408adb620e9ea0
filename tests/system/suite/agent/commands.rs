//! What a person sees of the agent: what it would read, how far it is, how long it will take, and how it ended.

use crate::harness::agent::Setup;
use crate::harness::process::Ended;
use crate::harness::scene::Scene;
use crate::harness::{ports, sluice, topic, wait};
use crate::real;
use anyhow::{Context, ensure};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// For a command of a debug binary on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// What a shell calls a wrong command line.
const EXIT_USAGE: i32 = 2;

fn run(scene: &Scene, name: &str, arguments: &[&str]) -> anyhow::Result<Ended> {
    let mut command = sluice::command(["agent"]);
    command.args(arguments);
    scene.start(name, command).finish(DEADLINE)
}

fn says(said: &str, wanted: &[&str]) -> anyhow::Result<()> {
    for wanted in wanted {
        ensure!(said.contains(wanted), "want {wanted:?}; got:\n{said}");
    }
    Ok(())
}

/// The entry of `files` in a JSON answer whose path ends with `name`.
fn entry(text: &str, name: &str) -> anyhow::Result<Value> {
    let answer: Value = serde_json::from_str(text).with_context(|| format!("JSON in {text:?}"))?;
    let files = answer["files"].as_array().context("a list of files")?;
    let found = files.iter().find(|file| file["path"].as_str().is_some_and(|path| path.ends_with(name)));
    Ok(found.with_context(|| format!("{name} in {text}"))?.clone())
}

/// Nothing is read or written, and no broker is asked; after a run the plan begins at the checkpoints.
pub fn dry_run(scene: &Scene) -> anyhow::Result<()> {
    scene.file("one.log", "{\"a\":1}\n");
    scene.file("two.log", "two\n");
    let options = ["--checkpoints", "kept", "--topic", "{name}-logs", "one.log", "two.log", "none-*.log"];
    let table = run(scene, "table", &[&["--dry-run"], &options[..]].concat())?;
    ensure!(table.status.success(), "it ended with {}: {}", table.status, table.err);
    let wanted = ["one-logs", "two-logs", "beginning", "new", "no file matches \"none-*.log\"", "2 of 2 files"];
    says(&table.out, &wanted)?;
    ensure!(!scene.path("kept").exists(), "a dry run makes a folder");

    let broker = sluice::broker(scene)?;
    let status = ports::free_address();
    let ship = ["--once", "--broker", &broker.address, "--status-listen", &status, "--checkpoints", "kept", "one.log"];
    let ended = run(scene, "ship", &ship)?;
    ensure!(ended.status.success(), "--once ended with {}: {}", ended.status, ended.err);
    scene.file("one.log", "{\"a\":1}\n{\"a\":2}\n");
    let json = run(scene, "json", &[&["--dry-run", "--json"], &options[..]].concat())?;
    let (one, two) = (entry(&json.out, "one.log")?, entry(&json.out, "two.log")?);
    ensure!(one["position"] == 8 && one["size"] == 16 && one["id"].is_string(), "the known file is {one}");
    ensure!(one["why"] == "checkpoint" && one["topic"] == "logs", "the known file is {one}");
    ensure!(two["position"] == 0 && two["id"].is_null() && two["topic"] == "two-logs", "the new file is {two}");
    Ok(())
}

/// The running agent tells how far it is; a dead one's checkpoints do, with a note.
pub fn status(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let setup = Setup::new(scene, &broker.address, "logs", &["*.log"]);
    scene.file("a.log", "one\ntwo\nhal");
    let agent = setup.start();
    agent.wait_for_metric("records_acknowledged", |records| records == 2)?;
    let config = scene.path("agent.yaml");
    let config = config.to_str().context("a path in text")?;
    let look = || -> anyhow::Result<Value> {
        let json = run(scene, "json", &["status", "--json", "--config", config])?;
        ensure!(json.status.success() && json.out.contains("http://"), "status: {} {}", json.out, json.err);
        entry(&json.out, "a.log")
    };
    let file = wait::until("all files", DEADLINE, || look().ok().filter(|file| file["acknowledged"] == 8))?;
    ensure!(file["size"] == 11 && file["lag_bytes"] == 3 && file["lag_seconds"] == 0, "the file is {file}");
    ensure!(file["last_error"].is_null() && file["renamed"] == false, "the file is {file}");
    let table = run(scene, "table", &["status", "--config", config])?;
    says(&table.out, &["POSITION", "LAST ERROR", "a.log", "1 file, lag 3 B"])?;
    agent.kill()?;
    let dead = run(scene, "dead", &["status", "--config", config])?;
    ensure!(dead.status.success(), "without an agent it ended with {}", dead.status);
    says(&dead.err, &["no agent answers", "checkpoints"])?;
    says(&dead.out, &["a.log", "1 file, lag 3 B"])?;
    // PATHS are as they were: a file may have the subcommand's name.
    scene.file("status", "s\n");
    let named = run(scene, "named", &["--dry-run", "--checkpoints", "none", "./status"])?;
    says(&named.out, &["/status", "1 of 1 files"])
}

/// On a terminal a bar with bytes, rate and time left; in a pipe plain lines. Both end with totals.
pub fn progress(scene: &Scene) -> anyhow::Result<()> {
    real::need("script(1), which makes a terminal", Command::new("script").arg("--version"))?;
    let broker = sluice::broker(scene)?;
    let line = "a line of some length that says nothing but is there for its bytes\n";
    scene.file("big.log", line.repeat(300_000));
    // Without a limit it would be shipped before there is a bar to be seen.
    scene.file("slow.yaml", "agent:\n  bytes_per_second_max: 10000000\n");
    let ship = |checkpoints: &str| {
        let status = ports::free_address();
        let places = ["--checkpoints", checkpoints, "--status-listen", &status, "--broker", &broker.address];
        let mut command = sluice::command(["agent", "--once", "big.log"]);
        command.args(["--config", "slow.yaml"]).args(places);
        command
    };
    let inner = ship("terminal");
    let words: Vec<_> = inner.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let typed = format!("stty cols 150; {:?} {}", inner.get_program().to_string_lossy(), words.join(" "));
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &typed, "/dev/null"]).env("TERM", "xterm");
    let terminal = scene.start("terminal", terminal).finish(DEADLINE)?;
    ensure!(terminal.status.success(), "it ended with {}: {}", terminal.status, terminal.out);
    says(&terminal.out, &["[#", " of 19.2 MiB", "/s · ", " s left", "300,000 lines and 19.2 MiB read"])?;
    let piped = scene.start("piped", ship("piped")).finish(DEADLINE)?;
    ensure!(piped.status.success(), "it ended with {}: {}", piped.status, piped.err);
    ensure!(!piped.err.contains("[#") && !piped.err.contains('\r'), "a bar in a pipe: {}", piped.err);
    says(&piped.err, &[" of 19.2 MiB", "300,000 lines and 19.2 MiB read, 300,000 records acknowledged in "])?;
    ensure!(topic::count(&broker.address, "logs")? == 600_000, "each run ships every line once");
    Ok(())
}

/// 0 is for everything acknowledged and nothing else; what is wrong is said with a way out.
pub fn exit_codes(scene: &Scene) -> anyhow::Result<()> {
    let status = ports::free_address();
    let nobody = ports::free_address();
    scene.file("a.log", "one\n");
    let base = ["--once", "--status-listen", &status, "--checkpoints", "kept", "--broker", &nobody];
    let with = |more: &[&str]| [&base[..], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let agent = |name: &str, arguments: Vec<String>| {
        let mut command = sluice::command(["agent"]);
        command.args(arguments);
        scene.start(name, command)
    };
    let nothing = agent("nothing", with(&["none-*.log"])).finish(DEADLINE)?;
    ensure!(nothing.status.code() == Some(EXIT_USAGE), "no match ended with {}", nothing.status);
    says(&nothing.err, &["no file matches none-*.log", "hint: "])?;

    let mut waiting = agent("waiting", with(&["a.log"]));
    waiting.wait_for_stderr(" of 4 B", DEADLINE)?;
    waiting.interrupt()?;
    let interrupted = waiting.finish(DEADLINE)?;
    ensure!(interrupted.status.code() == Some(1), "interrupted, it ended with {}", interrupted.status);
    says(&interrupted.err, &["interrupted before everything was acknowledged"])?;

    // What earlier runs know does not make up for a wrong name.
    let broker = sluice::broker(scene)?;
    let known = ["--once", "--status-listen", &status, "--checkpoints", "known", "--broker", &broker.address];
    let shipped = run(scene, "shipped", &[&known[..], &["a.log"]].concat())?;
    ensure!(shipped.status.success(), "it ended with {}: {}", shipped.status, shipped.err);
    let wrong = run(scene, "wrong", &[&known[..], &["none.log"]].concat())?;
    ensure!(wrong.status.code() == Some(EXIT_USAGE), "a wrong name ended with {}: {}", wrong.status, wrong.err);

    let template = run(scene, "template", &["--once", "--topic", "{host}", "a.log"])?;
    ensure!(template.status.code() == Some(EXIT_USAGE), "a wrong topic ended with {}", template.status);
    says(&template.err, &["{host} is not known", "hint: "])?;
    let nobody = run(scene, "nobody", &["status", "--status-listen", &nobody, "--checkpoints", "nowhere"])?;
    ensure!(nobody.status.code() == Some(EXIT_USAGE), "status of nothing ended with {}", nobody.status);
    says(&nobody.err, &["no agent answers", "nowhere", "hint: "])
}

/// Labels of agent and input become fields of the documents.
pub fn labels(scene: &Scene) -> anyhow::Result<()> {
    scene.file("a.log", "one\n");
    let config = "agent:\n  labels: {env: prod, team: a}\n  inputs:\n    - paths: [a.log]\n      labels: {team: b}\n";
    scene.file("sluice.yaml", config);
    let (listen, status) = (ports::free_address(), ports::free_address());
    let options = ["up", "--once", "--data", "data", "--listen", &listen, "--status-listen", &status];
    let ended = scene.start("up", sluice::command(options)).finish(DEADLINE)?;
    ensure!(ended.status.success(), "up --once ended with {}: {}", ended.status, ended.err);
    let document: Value =
        serde_json::from_str(&ended.out).with_context(|| format!("one document in {:?}", ended.out))?;
    let labels = serde_json::json!({"env": "prod", "team": "b"});
    ensure!(document["labels"] == labels && document["message"] == "one", "the document is {document}");
    Ok(())
}
