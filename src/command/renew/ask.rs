//! `sluice reload`: asks a running process to take over its changed config, and prints what changed.

use super::Answer;
use crate::cli::ReloadArgs;
use crate::command::{agent, loopback, status_port, up, worker};
use crate::failure::Failure;
use anyhow::Context;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpStream;

/// A part that is renewed drains first, at most as long as at its end.
const ANSWER_WAIT: Duration = Duration::from_secs(120);
const ANSWER_BYTES_MAX: u64 = 1 << 20;

pub async fn run(args: ReloadArgs) -> anyhow::Result<ExitCode> {
    let places: Vec<SocketAddr> = match args.status_listen {
        Some(address) => vec![address],
        None => [up::STATUS_PORT, agent::STATUS_PORT, worker::STATUS_PORT].map(loopback).to_vec(),
    };
    let mut asked = 0;
    let mut refused = false;
    for place in &places {
        let Ok(stream) = TcpStream::connect(place).await else { continue };
        asked += 1;
        let answer = tokio::time::timeout(ANSWER_WAIT, ask(stream, *place));
        let answer = answer.await.with_context(|| format!("{place} does not answer"))??;
        refused |= answer.refused.is_some();
        show(*place, &answer);
    }
    if asked == 0 {
        let places: Vec<String> = places.iter().map(ToString::to_string).collect();
        let hint = "name the status port of what runs with --status-listen 127.0.0.1:PORT; the broker reads its certificates by itself";
        return Err(Failure::new(format!("nothing answers at {}", places.join(", ")), hint).into());
    }
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn ask(stream: TcpStream, place: SocketAddr) -> anyhow::Result<Answer> {
    let answer = status_port::ask(stream, "POST", "/reload", ANSWER_BYTES_MAX).await?;
    serde_json::from_str(answer.body.trim())
        .with_context(|| format!("{place} answers {:?}; it takes over no config", answer.status))
}

fn show(place: SocketAddr, answer: &Answer) {
    for line in &answer.taken_over {
        println!("{place}: {line}");
    }
    for line in &answer.waiting {
        println!("{place}: {line}; needs a new start");
    }
    match &answer.refused {
        Some(reason) => eprintln!("error: {place}: what was in force goes on: {reason}"),
        None if answer.taken_over.is_empty() && answer.waiting.is_empty() => println!("{place}: nothing has changed"),
        None => {}
    }
}
