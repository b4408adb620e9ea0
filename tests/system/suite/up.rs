//! `sluice up`: the one process, as a person first meets it.

use crate::harness::destination::Destination;
use crate::harness::documents::Found;
use crate::harness::lines::Stream;
use crate::harness::log_file::LogFile;
use crate::harness::process::{Ended, Process};
use crate::harness::scene::Scene;
use crate::harness::topic::{self, Record};
use crate::harness::{http, oracle, ports, sluice, wait};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

/// For a debug binary to start, deliver a few thousand lines and end.
const ONCE: Duration = Duration::from_secs(60);
const TOPIC: &str = "logs";

/// `up` with its own ports and data directory, for the scene's `arguments`.
fn up(arguments: &[&str]) -> Command {
    up_at(&ports::free_address(), &ports::free_address(), arguments)
}

fn up_at(listen: &str, status: &str, arguments: &[&str]) -> Command {
    let mut command = sluice::command(["up", "--data", "data", "--listen", listen, "--status-listen", status]);
    command.args(arguments);
    command
}

/// Runs `up --once` and gives the documents that it printed.
fn once(scene: &Scene, name: &str, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
    let process = scene.start(name, up(&[&["--once"], arguments].concat()));
    let Ended { status, out: printed, .. } = process.finish(ONCE)?;
    ensure!(status.success(), "up --once ended with {status}");
    printed.lines().map(|line| serde_json::from_str(line).with_context(|| format!("document {line:?}"))).collect()
}

fn text<'a>(document: &'a Value, pointer: &str) -> Option<&'a str> {
    document.pointer(pointer).and_then(Value::as_str)
}

/// Piped: one document per line, with the fields of its kind. Again: nothing new. After more lines: those.
pub fn once_prints_documents(scene: &Scene) -> anyhow::Result<()> {
    let stream = Stream::new(0, 1);
    let mut access = LogFile::create(scene.path("access.log"), stream)?;
    access.write(1_000)?;
    scene.file("app.log", "first of the application\r\nsecond of the application\nan unfinished line");
    let json: String = (0..50)
        .map(|number| {
            format!("{{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"warn\",\"shop\":{{\"order\":{number}}}}}\n")
        })
        .collect();
    scene.file("orders.log", json);
    let files = ["access.log", "app.log", "orders.log"];

    let documents = once(scene, "first", &files)?;
    ensure!(documents.len() == 1_053, "want 1053 documents; got {}", documents.len());
    let of = |file: &str| {
        let path = scene.path(file).to_string_lossy().into_owned();
        let is_of = move |document: &&Value| {
            text(document, "/log/file/path").is_some_and(|of| of == path || of.ends_with(&path))
        };
        documents.iter().filter(is_of).collect::<Vec<_>>()
    };
    for document in &documents {
        for field in ["/@timestamp", "/message", "/host/name", "/log/file/path", "/event/dataset"] {
            let has_it = text(document, field).is_some_and(|value| !value.is_empty());
            ensure!(has_it || field == "/message", "field {field} of {document:#}");
        }
    }

    ensure!(of("access.log").len() == 1_000, "want 1000 documents of access.log; got {}", of("access.log").len());
    let first = of("access.log")[0];
    for field in ["/source/address", "/url/original", "/http/request/method", "/user_agent/original"] {
        ensure!(text(first, field).is_some_and(|value| !value.is_empty()), "field {field} of {first:#}");
    }
    for field in ["/http/response/status_code", "/http/response/body/bytes"] {
        ensure!(first.pointer(field).is_some_and(Value::is_u64), "field {field} of {first:#}");
    }

    let app: Vec<Option<&str>> = of("app.log").iter().map(|document| text(document, "/message")).collect();
    // Nobody goes on with a line after `--once`, so the last one counts as it is.
    let wanted = ["first of the application", "second of the application", "an unfinished line"];
    ensure!(app == wanted.map(Some), "app.log: {app:?}");
    let order = of("orders.log")[7];
    ensure!(order.pointer("/shop/order").is_some_and(|value| value == 7), "a JSON line's own field: {order:#}");

    ensure!(once(scene, "second", &files)?.is_empty(), "a second run delivers something again");
    access.write(10)?;
    File::options().append(true).open(scene.path("app.log"))?.write_all(b" is finished now\n")?;
    let more = once(scene, "third", &files)?;
    ensure!(more.len() == 11, "want 11 new documents; got {}", more.len());
    let rest = more.iter().any(|document| text(document, "/message") == Some(" is finished now"));
    ensure!(rest, "what came after the end of the first run: {more:#?}");
    Ok(())
}

/// With `--elasticsearch`: every line is in exactly one document.
pub fn once_delivers_to_elasticsearch(scene: &Scene) -> anyhow::Result<()> {
    let destination = Destination::stand_in();
    let mut file = LogFile::create(scene.path("access.log"), Stream::new(0, 2))?;
    let mut lines = 0;
    for part in [8_000, 0, 3_000] {
        file.write(part)?;
        lines += part;
        let printed = once(scene, "up", &["--elasticsearch", &destination.url(), "access.log"])?;
        ensure!(printed.is_empty(), "with --elasticsearch nothing is printed");
        ensure!(destination.count()? == lines, "want {lines} documents; got {}", destination.count()?);
    }
    let found = destination.check(&[file.written()])?;
    for Found { index, .. } in &found {
        let month = index.rsplit('-').next().unwrap_or_default();
        ensure!(index.starts_with("sluice-") && month.len() == 7 && &month[4..5] == ".", "index {index}");
    }
    Ok(())
}

/// While it runs, other clients list the topic and read it, each group for itself; it tells its health and its counters;
/// Ctrl-C drains and ends.
pub fn runs_beside_other_clients(scene: &Scene) -> anyhow::Result<()> {
    let destination = Destination::stand_in();
    let mut file = LogFile::create(scene.path("access.log"), Stream::new(0, 3))?;
    file.write(2_000)?;
    let (listen, status) = (ports::free_address(), ports::free_address());
    let mut process = scene.start("up", up_at(&listen, &status, &["--elasticsearch", &destination.url(), "*.log"]));
    sluice::wait_for_broker(&mut process, &listen)?;
    for said in [listen.as_str(), "access.log", &status] {
        process.wait_for_stderr(said, ONCE)?;
    }
    destination.wait(2_000, ONCE)?;
    file.write(500)?;
    file.rotate(7)?;
    file.write(500)?;
    destination.wait(3_007, ONCE)?;

    ensure!(topic::names(&listen)?.iter().any(|name| name == TOPIC), "topics: {:?}", topic::names(&listen)?);
    oracle::compare(&[file.written()], topic::read(&listen, TOPIC)?.into_iter().map(Record::arrived)).check("topic")?;
    for group in ["another", "and-another"] {
        let mut records = topic::read_in_group(&listen, TOPIC, group, 3_007, ONCE).with_context(|| group.to_owned())?;
        records.sort_by_key(|record| (record.partition, record.offset));
        oracle::compare(&[file.written()], records.into_iter().map(Record::arrived)).check(group)?;
    }

    let health = format!("http://{status}/health");
    wait::until_equal("health", ONCE, 200, || Ok(http::get(&health)?.0))?;
    let (_, metrics) = http::get(&format!("http://{status}/metrics"))?;
    ensure!(metrics.contains("# TYPE ") && metrics.ends_with("# EOF\n"), "metrics: {metrics}");
    let counted = metrics.lines().filter(|line| !line.starts_with('#')).any(|line| line.ends_with(" 3007"));
    ensure!(counted, "no counter stands at 3007 lines: {metrics}");

    // What is written last is delivered before the end.
    file.write(100)?;
    wait::until("the last lines in the topic", ONCE, || {
        topic::count(&listen, TOPIC).is_ok_and(|count| count == 3_107).then_some(())
    })?;
    end_politely(process)?;
    destination.check(&[file.written()])?;
    Ok(())
}

fn end_politely(process: Process) -> anyhow::Result<()> {
    process.interrupt()?;
    let ended = process.wait(ONCE)?;
    ensure!(ended.success(), "ended with {ended} after Ctrl-C");
    Ok(())
}

/// `--from end`: only what is written from then on.
pub fn from_end(scene: &Scene) -> anyhow::Result<()> {
    let destination = Destination::stand_in();
    let mut file = LogFile::create(scene.path("access.log"), Stream::new(0, 4))?;
    file.write(1_000)?;
    ensure!(once(scene, "once", &["--from", "end", "access.log"])?.is_empty(), "lines from before the start");
    file.write(10)?;
    let url = destination.url();
    let after = once(scene, "after", &["--from", "end", "--elasticsearch", &url, "access.log"])?;
    ensure!(after.is_empty() && destination.count()? == 10, "want the 10 new lines; got {}", destination.count()?);
    Ok(())
}

/// `pipeline run`: lines in, documents out, without a broker.
pub fn pipeline_run(scene: &Scene) -> anyhow::Result<()> {
    let stream = Stream::new(0, 5);
    let lines: String = (0..100).map(|number| stream.line(number) + "\n").collect();
    let input = scene.file("lines", lines);
    let pipeline = "processors: [{set: {field: shop, value: books}}, {rename: {field: message, target_field: said}}]\n";
    scene.file("own.yml", pipeline);
    for (pipeline, field) in [("nginx-access", "/http/response/status_code"), ("own.yml", "/said")] {
        let mut command = sluice::command(["pipeline", "run", pipeline]);
        let output = command.current_dir(scene.folder()).stdin(File::open(&input)?).output()?;
        ensure!(output.status.success(), "{pipeline}: {}", String::from_utf8_lossy(&output.stderr));
        let documents = String::from_utf8(output.stdout)?;
        let documents: Vec<Value> = documents.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        ensure!(documents.len() == 100, "{pipeline}: want 100 documents; got {}", documents.len());
        ensure!(documents.iter().all(|document| document.pointer(field).is_some()), "{pipeline}: {:#}", documents[0]);
    }
    Ok(())
}
