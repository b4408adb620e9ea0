//! A changed config of `sluice up`, and changed certificates of an agent, are taken over without a line lost or doubled, and
//! what changed is printed.

use super::secured::{Certificates, secured_broker};
use crate::harness::agent::{DELIVERY, Setup};
use crate::harness::destination::Destination;
use crate::harness::lines::Stream;
use crate::harness::log_file::LogFile;
use crate::harness::process::{Ended, Process};
use crate::harness::random::Random;
use crate::harness::scene::Scene;
use crate::harness::sluice::{self, START};
use crate::harness::soak::soak;
use crate::harness::writing::{self, Plan, Rotation};
use crate::harness::{ports, wait};
use anyhow::{Context, ensure};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

/// Reloads of the short form and of the long one (`SLUICE_SOAK=full`).
const RELOADS: (u32, u32) = (8, 100);
/// For one reload: agent and worker drain and start again, in a debug binary on a loaded machine.
const RELOAD: Duration = Duration::from_secs(120);
const PLAN: Plan = Plan {
    rotation: Rotation::Mixed,
    streams: 3,
    lines_per_stream: 10_000_000,
    lines_per_rotation: 2_000,
    lines_per_second: 1_000,
};
/// Lines of a file that an input is added for.
const EXTRA_LINES: u64 = 50;

/// Inputs, pipelines and settings of both parts change again and again while files are written and rotated.
pub fn of_up(scene: &Scene) -> anyhow::Result<()> {
    let mut random = scene.random("reload::of_up");
    let logs = scene.directory("logs");
    let elasticsearch = Destination::stand_in();
    let (listen, status) = (ports::free_address(), ports::free_address());
    let mut told = Config { linger_ms: 5, pipeline: "one", open_offsets: 1_000_000, extra: Vec::new() };
    for pipeline in ["one", "two"] {
        scene
            .file(&format!("{pipeline}.yml"), format!("processors: [{{set: {{field: passed, value: {pipeline}}}}}]\n"));
    }
    scene.file("sluice.yaml", told.text(scene));
    let writing = writing::start(&logs, PLAN, Random::new(random.next()))?;
    let mut command = sluice::command(["up", "--listen", &listen, "--status-listen", &status, "--data", "data"]);
    command.args(["--elasticsearch", &elasticsearch.url()]);
    let up = scene.start("up", command);
    elasticsearch.wait(1, START)?;
    let mut extra = Vec::new();
    let running = Running { scene, process: &up, status: &status, deadline: RELOAD };
    for round in 1..=soak(RELOADS.0, RELOADS.1) {
        // A random moment is what this is about, so there is nothing to wait for.
        thread::sleep(Duration::from_millis(random.of(0..1000)));
        // Each kind comes in the short form, too.
        let wanted = match round % 4 {
            0 => {
                told.linger_ms = 5 + u64::from(round);
                format!("agent.linger_ms is {}", told.linger_ms)
            }
            1 => {
                let mut file = LogFile::create(
                    scene.path(&format!("extra-{round}.log")),
                    Stream::new(100 + round, random.next()),
                )?;
                file.write(EXTRA_LINES)?;
                told.extra.push(round);
                extra.push(file.written());
                format!("agent.inputs.{} is new", told.extra.len())
            }
            2 => {
                told.pipeline = if told.pipeline == "one" { "two" } else { "one" };
                format!("worker.pipelines.* is \"./{}.yml\"", told.pipeline)
            }
            _ => {
                told.open_offsets = 1_000_000 + u64::from(round);
                format!("worker.open_offsets_max is {}", told.open_offsets)
            }
        };
        scene.file("sluice.yaml", told.text(scene));
        let taken_over = running.take_over(random.once_in(2), round <= RELOADS.0, &wanted);
        taken_over.with_context(|| format!("reload {round}"))?;
    }
    let mut written = writing.end()?;
    written.extend(extra);
    elasticsearch.wait(written.iter().map(|written| written.lines).sum(), DELIVERY)?;
    up.interrupt()?;
    let ended = up.wait(RELOAD)?;
    ensure!(ended.success(), "up ended with {ended}");
    let found = elasticsearch.check(&written)?;
    let passed: BTreeSet<&str> = found.iter().filter_map(|found| found.source["passed"].as_str()).collect();
    ensure!(passed == BTreeSet::from(["one", "two"]), "both pipelines were used: {passed:?}");
    Ok(())
}

/// What the config of `up` says.
struct Config {
    linger_ms: u64,
    pipeline: &'static str,
    open_offsets: u64,
    /// Numbers of the files with an input and a topic of their own.
    extra: Vec<u32>,
}

impl Config {
    fn text(&self, scene: &Scene) -> String {
        let mut inputs = format!("    - {{paths: [{:?}]}}\n", scene.path("logs/app-*"));
        for number in &self.extra {
            let path = scene.path(&format!("extra-{number}.log"));
            inputs.push_str(&format!("    - {{paths: [{path:?}], topic: extra-{}}}\n", number % 3));
        }
        format!(
            "agent:\n  linger_ms: {}\n  inputs:\n{inputs}worker:\n  pipelines: {{\"*\": ./{}.yml}}\n  open_offsets_max: {}\n",
            self.linger_ms, self.pipeline, self.open_offsets,
        )
    }
}

/// A running part whose config file has changed.
pub struct Running<'a> {
    pub scene: &'a Scene,
    pub process: &'a Process,
    /// Address of its status page.
    pub status: &'a str,
    /// For a reload by a signal.
    pub deadline: Duration,
}

impl Running<'_> {
    /// Lets it take over the file, until it says `wanted`: by `sluice reload` or, at random, `by_signal`. The part itself
    /// says it only while `is_traced`: of many traces some are left out, so that after a signal the command is asked, too.
    pub fn take_over(&self, by_signal: bool, is_traced: bool, wanted: &str) -> anyhow::Result<()> {
        let told = || self.process.stderr().matches(wanted).count();
        let before = told();
        if by_signal {
            self.process.signal(Signal::HUP)?;
        }
        if by_signal && is_traced {
            return wait::until(&format!("a word about {wanted:?}"), self.deadline, || (told() > before).then_some(()));
        }
        let said = reload_well(self.scene, self.status)?;
        // Whoever of the two comes first takes it over.
        let nothing_left = by_signal && said.contains("nothing has changed");
        ensure!(said.contains(wanted) || nothing_left, "want {wanted:?} in {said}");
        Ok(())
    }
}

/// Exit code of `sluice reload`, and what it says.
pub fn reload(scene: &Scene, status: &str) -> anyhow::Result<(Option<i32>, String)> {
    let command = sluice::command(["reload", "--status-listen", status]);
    let Ended { status, out, err } = scene.start("reload", command).finish(RELOAD)?;
    Ok((status.code(), out + &err))
}

/// A reload that ends well.
fn reload_well(scene: &Scene, status: &str) -> anyhow::Result<String> {
    let (code, said) = reload(scene, status)?;
    ensure!(code == Some(0), "sluice reload ended with {code:?}: {said}");
    Ok(said)
}

/// The broker's certificate comes from another authority from now on, and the file that the agent trusts has that one under the
/// old name: a reload takes it over.
pub fn of_certificates(scene: &Scene) -> anyhow::Result<()> {
    let certificates = Certificates::make(scene)?;
    let (broker, [plain, _, tls]) = secured_broker(scene, "ops: {password: o-secret, admin: true}\n")?;
    let logs = scene.directory("logs");
    let mut file = LogFile::create(logs.join("app.log"), Stream::new(1, 7))?;
    let trusted = scene.file("trusted.pem", fs::read(certificates.path("ca.pem"))?);
    let mut setup = Setup::new(scene, &tls, "logs", &["logs/app*"]).set(&format!("broker_tls: {{ca: {trusted:?}}}"));
    let agent = setup.start();
    // The oracle reads in the clear.
    setup.broker = plain;
    file.write(100)?;
    setup.wait_for(100)?;

    let before = certificates.path("before.pem");
    fs::rename(certificates.path("ca.pem"), &before)?;
    let again = Certificates::make(scene)?;
    ensure!(fs::read(again.path("ca.pem"))? != fs::read(&before)?, "another authority");
    // Nothing of the config has changed but what is in a file that it names.
    fs::copy(again.path("ca.pem"), &trusted)?;
    let said = reload_well(scene, agent.address())?;
    ensure!(said.contains("agent.broker_tls.ca: the file has another content"), "{said}");
    file.write(100)?;
    setup.wait_for(200)?;
    // Who comes anew is shown the new one; the agent has come anew.
    ensure!(broker.stderr().contains("read the certificate again"), "{}", broker.stderr());
    // And without a change there is nothing to do.
    let said = reload_well(scene, agent.address())?;
    ensure!(said.contains("nothing has changed"), "{said}");
    setup.finish(agent, &[file.written()])?;
    drop(broker);
    Ok(())
}
