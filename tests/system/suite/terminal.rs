//! A new user's path on a terminal of 80 columns: nothing wraps or flickers, and the terminal is left as it was.

use crate::harness::scene::Scene;
use crate::harness::terminal::Terminal;
use crate::harness::{http, ports, sluice, wait};
use anyhow::ensure;
use rustix::process::Signal;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

/// For a debug binary on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Who waits for a server that does not answer sees a bar, on a terminal and nowhere else.
pub fn waits_are_shown(scene: &Scene) -> anyhow::Result<()> {
    // The kernel takes the connections; nobody ever reads them.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let address = silent.local_addr()?.to_string();
    let url = format!("http://{address}");
    scene.file("silent.yaml", format!("worker:\n  broker: {address}\n  elasticsearch: {{urls: [\"{url}\"]}}\n"));
    let mut piped = sluice::command(["check", "--probe", "silent.yaml"]);
    piped.current_dir(scene.folder()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let piped = piped.spawn()?;
    let start = |name: &str, arguments: &[&str]| Terminal::start(name, &sluice::command(arguments), scene.folder());
    let mut check = start("check", &["check", "--probe", "silent.yaml"])?;
    let setup = start("setup", &["setup", "--dry-run", "--elasticsearch", &url])?;
    let dead = start("dead", &["dead", "--broker", &address, "list"])?;
    check.wait_for("% · waiting for ", PATIENCE)?;
    setup.wait_for(&format!("% · waiting for {url}"), PATIENCE)?;
    dead.wait_for(&format!("% · waiting for {address}"), PATIENCE)?;
    let ended = check.ended(PATIENCE)?;
    ensure!(ended.code() == Some(1), "check ended with {ended}: {}", check.screen());
    let piped = piped.wait_with_output()?;
    let said = String::from_utf8_lossy(&[piped.stdout, piped.stderr].concat()).into_owned();
    ensure!(piped.status.code() == Some(1) && said.contains("worker.broker"), "{said}");
    ensure!(!said.contains("waiting for") && !said.contains('\r'), "a bar in a pipe: {said}");
    Ok(())
}

/// `up`, `search`, `tail`, `top`, and Ctrl-C each time.
pub fn a_new_users_path(scene: &Scene) -> anyhow::Result<()> {
    let (listen, status, search) = (ports::free_address(), ports::free_address(), ports::free_address());
    let path = scene.path("app.log");
    let append = |line: &str| -> anyhow::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        Ok(writeln!(file, "{line}")?)
    };
    append("the first line")?;
    append("a \x1b[2J clear \x1b]0;t\x07 x")?;
    append(&format!("a long line {}", "word ".repeat(60)))?;

    let mut command = sluice::command(["up", "--listen", &listen, "--status-listen", &status]);
    command.args(["--search-listen", &search, "app.log"]);
    let mut up = Terminal::start("up", &command, scene.folder())?;
    wait::until("three documents", PATIENCE, || {
        let answer = http::get(&format!("http://{search}/_count")).ok()?.1;
        answer.contains("\"count\":3").then_some(())
    })?;

    let server = format!("http://{search}");
    let shown = Terminal::start("search", &sluice::command(["search", "--elasticsearch", &server]), scene.folder())?;
    let (ended, text) = shown.end(0, PATIENCE)?;
    ensure!(ended.success() && text.contains("the first line"), "{ended}: {text}");
    ensure!(text.contains(r"\u{1b}[2J clear \u{1b}]0;t\u{7}"), "{text}");
    let histogram = ["search", "--histogram", "--last", "1h", "--elasticsearch", &server];
    let (ended, text) = Terminal::start("histogram", &sluice::command(histogram), scene.folder())?.end(0, PATIENCE)?;
    ensure!(ended.success(), "{text}");

    let mut tail = Terminal::start("tail", &sluice::command(["tail", "--elasticsearch", &server]), scene.folder())?;
    tail.wait_for("the first line", PATIENCE)?;
    append("what comes later")?;
    tail.wait_for("what comes later", PATIENCE)?;
    tail.interrupt()?;
    let (ended, text) = tail.end(0, PATIENCE)?;
    ensure!(ended.success(), "tail ended with {ended}: {text}");

    let top = |name| Terminal::start(name, &sluice::command(["top", "--status", &status]), scene.folder());
    let mut first = top("top-1")?;
    for stage in ["Agent", "Broker", "Pipelines", "Sink", "lines/s", "every stage keeps up"] {
        first.wait_for(stage, PATIENCE)?;
    }
    first.interrupt()?;
    // Once, when it begins: every picture after that is drawn over the one before.
    let (ended, text) = first.end(1, PATIENCE)?;
    ensure!(ended.success() && text.contains("\x1b[?1049h"), "top ended with {ended}");
    let second = top("top-2")?;
    second.wait_for("Agent", PATIENCE)?;
    second.signal(Signal::TERM)?;
    let (ended, _) = second.end(1, PATIENCE)?;
    ensure!(ended.success(), "top ended with {ended} after SIGTERM");
    let once = sluice::command(["top", "--once", "--status", &status]).output()?;
    let text = String::from_utf8_lossy(&once.stdout);
    ensure!(once.status.success() && text.contains("Agent") && !text.contains('\x1b'), "{text}");

    up.interrupt()?;
    let (ended, text) = up.end(0, PATIENCE)?;
    ensure!(ended.success(), "up ended with {ended}: {text}");
    Ok(())
}
