//! Asks the status port of a running part.

use anyhow::Context;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A hundred thousand files with long names.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// An answer over HTTP/1.1.
pub struct Answer {
    /// The first line: version, status, reason.
    pub status: String,
    pub body: String,
}

/// Sends a request without a body to a server that closes when asked to, and reads at most `bytes_max` bytes of its answer.
///
/// # Errors
/// The connection breaks, or the answer is not HTTP.
pub async fn ask(mut stream: TcpStream, method: &str, path: &str, bytes_max: u64) -> anyhow::Result<Answer> {
    let address = stream.peer_addr()?;
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(bytes_max).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let status = head.lines().next().unwrap_or_default();
    Ok(Answer { status: status.to_owned(), body: body.to_owned() })
}

/// Status and body of a GET.
///
/// # Errors
/// Nobody listens there, or as those of [`ask`].
pub async fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    let answer = ask(TcpStream::connect(address).await?, "GET", path, ANSWER_BYTES_MAX).await?;
    let status = answer.status.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    Ok((status.with_context(|| format!("the answer is {:?}", answer.status))?, answer.body))
}
