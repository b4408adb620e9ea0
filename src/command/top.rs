//! `sluice top`: the way from file to index as one picture, from the parts' status ports.

mod picture;
mod samples;
mod stages;
mod terminal;

use super::paint::Paint;
use super::{agent, broker, loopback, reachable, status_port, up, worker};
use crate::cli::TopArgs;
use crate::config::ConfigFile;
use crate::failure::Failure;
use crate::shutdown;
use anyhow::Context;
use picture::picture;
use samples::Samples;
use serde_json::Value;
use stages::Looks;
use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use terminal::Terminal;

/// A status port answers within milliseconds; one that hangs must not hold up the picture of the others.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Looks over which a rate is taken: one alone jumps with the batches.
const RATE_LOOKS: usize = 3;
/// Problems that are shown: the first ones say most.
const PROBLEMS_MAX: usize = 8;

/// What all ports said at one moment.
struct Look {
    at: Instant,
    samples: Samples,
    problems: Vec<String>,
}

pub async fn run(args: TopArgs, config: &ConfigFile) -> anyhow::Result<ExitCode> {
    let stop = shutdown::on_signal()?;
    let ports = ports(&args.status, config);
    let every = Duration::from_secs(args.every);
    if !args.once && !io::stdout().is_terminal() {
        let hint = "print one picture with --once";
        return Err(Failure::new("standard output is no terminal to draw on", hint).into());
    }
    let mut looks = VecDeque::from([look(&ports).await]);
    if args.once {
        tokio::select! { () = stop.cancelled() => return Ok(ExitCode::SUCCESS), () = tokio::time::sleep(every) => () }
        looks.push_back(look(&ports).await);
        let columns = if io::stdout().is_terminal() { Terminal::size().0 } else { usize::MAX };
        let mut out = io::stdout().lock();
        let rows = rows(&looks, columns);
        rows.iter().try_for_each(|row| writeln!(out, "{}", row.text)).context("write to standard output")?;
        let is_empty = looks.back().is_none_or(|look| look.samples == Samples::default());
        return Ok(if is_empty { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let terminal = Terminal::enter().context("write to standard output")?;
    let paint = Paint::for_stdout();
    loop {
        terminal.draw(&rows(&looks, Terminal::size().0), paint).context("write to standard output")?;
        tokio::select! { () = stop.cancelled() => break, () = tokio::time::sleep(every) => () }
        tokio::select! { () = stop.cancelled() => break, look = look(&ports) => looks.push_back(look) }
        if looks.len() > RATE_LOOKS + 1 {
            looks.pop_front();
        }
    }
    drop(terminal);
    Ok(ExitCode::SUCCESS)
}

fn rows(looks: &VecDeque<Look>, columns: usize) -> Vec<picture::Row> {
    let (Some(first), Some(last)) = (looks.front(), looks.back()) else { return Vec::new() };
    let seconds = last.at.duration_since(first.at).as_secs_f64();
    let before = (looks.len() > 1).then_some((&first.samples, seconds));
    let stages = Looks { now: &last.samples, before }.stages();
    picture(&stages, &last.problems, columns)
}

/// The ports that are asked: those that were named, else those of the config file and the default ones.
pub fn ports(named: &[SocketAddr], config: &ConfigFile) -> Vec<SocketAddr> {
    if !named.is_empty() {
        return named.to_vec();
    }
    let written = [config.agent.status_listen, config.broker.status_listen, config.worker.status_listen];
    let defaults = [up::STATUS_PORT, broker::STATUS_PORT, agent::STATUS_PORT, worker::STATUS_PORT].map(loopback);
    let mut ports: Vec<SocketAddr> = written.into_iter().flatten().map(reachable).chain(defaults).collect();
    ports.sort();
    ports.dedup();
    ports
}

async fn look(ports: &[SocketAddr]) -> Look {
    let asking: Vec<_> = ports.iter().map(|&address| tokio::spawn(ask(address))).collect();
    let mut look = Look { at: Instant::now(), samples: Samples::default(), problems: Vec::new() };
    for answer in asking {
        // A port that nobody listens on is a part that does not run here.
        let Ok(Some((metrics, health))) = answer.await else { continue };
        look.samples.read(&metrics);
        let problems = health["problems"].as_array().map_or(&[][..], Vec::as_slice);
        look.problems.extend(problems.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    look.problems.truncate(PROBLEMS_MAX);
    look
}

async fn ask(address: SocketAddr) -> Option<(String, Value)> {
    let asking = async {
        let (status, metrics) = status_port::get(address, "/metrics").await.ok()?;
        let (_, health) = status_port::get(address, "/health").await.ok()?;
        (status == 200).then(|| (metrics, serde_json::from_str(&health).unwrap_or_default()))
    };
    tokio::time::timeout(ANSWER_MAX, asking).await.ok().flatten()
}
