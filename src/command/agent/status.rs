//! `sluice agent status`: how far each file is, from the running agent, or else from its checkpoints.

use super::{CHECKPOINTS_DEFAULT, STATUS_PORT};
use crate::cli::AgentStatusArgs;
use crate::command::{loopback, reachable, status_port, up};
use crate::config::ConfigFile;
use crate::failure::Failure;
use crate::followed::FollowedFiles;
use anyhow::{Context, bail};
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// An agent tells of its files within two seconds.
const ANSWER_MAX: Duration = Duration::from_secs(5);

pub async fn run(args: AgentStatusArgs, config: &ConfigFile) -> anyhow::Result<ExitCode> {
    let reasons = match running(args.status_listen, config).await {
        Ok((address, files)) => return show(&files, &format!("http://{address}/files"), args.json),
        Err(reasons) => reasons,
    };
    let folder = checkpoints(args.checkpoints, config);
    let hint = "name the agent's --status-listen HOST:PORT, or its --checkpoints DIR";
    if !folder.is_dir() {
        let reasons = reasons.join("; ");
        return Err(Failure::new(format!("no agent answers ({reasons}), and there is no {folder:?}"), hint).into());
    }
    let files = agent::checkpointed(&folder).with_context(|| format!("read checkpoints {folder:?}"))?;
    eprintln!("note: no agent answers ({}); this is what {folder:?} says", reasons.join("; "));
    if io::stderr().is_terminal() {
        eprintln!("hint: if one is running, {hint}");
    }
    show(&FollowedFiles::of(&files), &folder.display().to_string(), args.json)
}

fn show(files: &FollowedFiles, source: &str, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match as_json {
        true => {
            let value = json!({ "source": source, "files": files.files });
            serde_json::to_writer_pretty(&mut out, &value).map_err(io::Error::from).and_then(|()| writeln!(out))
        }
        false => files.write_table(&mut out),
    }
    .context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// Where the agent's checkpoints are: as `named`, else as the config says, else in the data of a `sluice up`, if it names that.
pub fn checkpoints(named: Option<PathBuf>, config: &ConfigFile) -> PathBuf {
    let in_data = || config.broker.data.as_ref().map(|data| data.join("agent"));
    let folder = named.or_else(|| config.agent.checkpoints.clone()).or_else(in_data);
    folder.unwrap_or_else(|| CHECKPOINTS_DEFAULT.into())
}

/// The files of the agent, or the `sluice up`, that runs on this host; else why no port answers.
pub async fn running(
    asked: Option<SocketAddr>,
    config: &ConfigFile,
) -> Result<(SocketAddr, FollowedFiles), Vec<String>> {
    let asked = asked.or(config.agent.status_listen);
    let addresses = asked.map_or_else(|| [STATUS_PORT, up::STATUS_PORT].map(loopback).to_vec(), |asked| vec![asked]);
    let mut reasons = Vec::new();
    for address in addresses {
        match ask(address).await {
            Ok(files) => return Ok((address, files)),
            Err(error) => reasons.push(format!("{address}: {error:#}")),
        }
    }
    Err(reasons)
}

/// Asks a status port for its files.
async fn ask(address: SocketAddr) -> anyhow::Result<FollowedFiles> {
    let asking = status_port::get(reachable(address), "/files");
    match tokio::time::timeout(ANSWER_MAX, asking).await.context("no answer")?? {
        (200, body) => serde_json::from_str(&body).context("the answer is not that of an agent"),
        (status, _) => bail!("the answer is {status}"),
    }
}
