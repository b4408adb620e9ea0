//! `sluice agent status`: how far each file is, from the running agent, or else from its checkpoints.

use super::{CHECKPOINTS_DEFAULT, STATUS_PORT};
use crate::cli::AgentStatusArgs;
use crate::command::up;
use crate::config::ConfigFile;
use crate::failure::Failure;
use crate::followed::FollowedFiles;
use anyhow::{Context, bail};
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An agent tells of its files within two seconds.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// A hundred thousand files with long names.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub async fn run(args: AgentStatusArgs, config: &ConfigFile) -> anyhow::Result<ExitCode> {
    let asked = args.status_listen.or(config.agent.status_listen);
    let default = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let addresses = asked.map_or_else(|| vec![default(STATUS_PORT), default(up::STATUS_PORT)], |asked| vec![asked]);
    let mut reasons = Vec::new();
    for address in addresses {
        match ask(address).await {
            Ok(files) => return show(&files, &format!("http://{address}/files"), args.json),
            Err(error) => reasons.push(format!("{address}: {error:#}")),
        }
    }
    let folder = args.checkpoints.or_else(|| config.agent.checkpoints.clone());
    let folder = folder.unwrap_or_else(|| match &config.broker.data {
        Some(data) => data.join("agent"),
        None => PathBuf::from(CHECKPOINTS_DEFAULT),
    });
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

/// Asks a status port for its files.
async fn ask(address: SocketAddr) -> anyhow::Result<FollowedFiles> {
    let body = tokio::time::timeout(ANSWER_MAX, get(reachable(address), "/files")).await.context("no answer")??;
    serde_json::from_str(&body).context("the answer is not that of an agent")
}

/// A status server on all addresses is reached over loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

/// The body of a GET over HTTP/1.1, from a server that closes when asked to.
async fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if !head.starts_with("HTTP/1.1 ") || status != "200" {
        bail!("the answer is {:?}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}
