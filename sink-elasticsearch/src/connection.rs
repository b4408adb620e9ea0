//! The HTTP client for the nodes of a cluster: addresses, who we are to them, and TLS.

use crate::config::{ConfigError, ConnectionConfig, Tls};
use crate::node::Node;
use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Certificate, Client, Identity, Method, RequestBuilder, StatusCode};
use std::path::Path;
use std::time::Duration;

const JSON: &str = "application/json";
/// Bytes of an answer that are read: far more than what 10,000 items with long reasons have, and a bound for what a
/// stranger on that port can make us keep.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A client, and the nodes that it talks to. It connects when something is asked.
pub struct Connection {
    pub(crate) client: Client,
    pub(crate) nodes: Vec<Node>,
}

/// Why there is no answer. No message shows a password.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("no answer from {node}: {why}")]
    NoAnswer { node: String, why: String },
    #[error("the answer of {node} is larger than 64 MiB")]
    TooLarge { node: String },
}

impl Connection {
    /// Checks the configuration and reads its files.
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn new(config: &ConnectionConfig) -> Result<Self, ConfigError> {
        if config.urls.is_empty() {
            return Err(ConfigError::NoUrl);
        }
        let nodes = config.urls.iter().map(|url| Node::parse(url, config.auth.as_ref()));
        let nodes = nodes.collect::<Result<Vec<_>, ConfigError>>()?;
        let client = client(config, nodes.iter().any(Node::is_https))?;
        Ok(Self { client, nodes })
    }

    /// The nodes' URLs, without credentials, for people.
    pub fn describe(&self) -> String {
        self.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Asks the first node that answers: status and body. `path` begins with a slash and may have a query; `body` is
    /// JSON.
    ///
    /// # Errors
    /// No node answers.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<(StatusCode, Vec<u8>), AskError> {
        self.pass(method, path, body.map(|body| (JSON, body.to_string().into()))).await
    }

    /// [`Connection::ask`] with a body that is sent as it came, under its media type.
    ///
    /// # Errors
    /// No node answers.
    pub async fn pass(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<(StatusCode, Vec<u8>), AskError> {
        let mut failed = None;
        for place in 0..self.nodes.len() {
            match self.ask_node(place, method.clone(), path, body.clone(), None).await {
                Ok(answer) => return Ok(answer),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.expect("a connection has nodes"))
    }

    pub(crate) async fn ask_node(
        &self,
        place: usize,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
        timeout: Option<Duration>,
    ) -> Result<(StatusCode, Vec<u8>), AskError> {
        let node = &self.nodes[place];
        let mut request = self.request(node, method, path).header(ACCEPT, JSON);
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        if let Some((media_type, body)) = body {
            request = request.header(CONTENT_TYPE, media_type).body(body);
        }
        let no_answer = |error| AskError::NoAnswer { node: node.name.clone(), why: innermost(error) };
        let mut response = request.send().await.map_err(no_answer)?;
        let status = response.status();
        let answer = read(&mut response).await.map_err(no_answer)?;
        let answer = answer.ok_or_else(|| AskError::TooLarge { node: node.name.clone() })?;
        Ok((status, answer))
    }

    fn request(&self, node: &Node, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", node.name));
        match &node.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization.clone()),
            None => request,
        }
    }
}

/// The body of an answer; `None`: there is more than [`ANSWER_BYTES_MAX`].
pub(crate) async fn read(response: &mut reqwest::Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    let mut answer = Vec::with_capacity(announced.min(ANSWER_BYTES_RESERVED_MAX));
    while let Some(chunk) = response.chunk().await? {
        if answer.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Ok(None);
        }
        answer.extend_from_slice(&chunk);
    }
    Ok(Some(answer))
}

/// The most that is reserved because an answer announces it: 10,000 items that are done.
const ANSWER_BYTES_RESERVED_MAX: usize = 512 * 1024;

/// What the operator can act on: the innermost cause, without the URL.
pub(crate) fn innermost(error: reqwest::Error) -> String {
    use std::error::Error as _;
    let timed_out = error.is_timeout();
    let error = error.without_url();
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        why = inner.to_string();
        source = inner.source();
    }
    if timed_out { "it takes too long".into() } else { why }
}

fn client(config: &ConnectionConfig, https: bool) -> Result<Client, ConfigError> {
    // The process has one provider of cryptography; that somebody installed it before is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
        // Documents go where the configuration says, not where a shell's http_proxy says.
        .no_proxy()
        // A redirect would carry the documents and the credentials to somewhere else.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(config.connect_timeout)
        .timeout(config.request_timeout);
    let Tls { ca_file, certificate_file, key_file } = &config.tls;
    if let Some(path) = ca_file {
        let want = "certificate of an authority";
        let authorities = Certificate::from_pem_bundle(&file(path)?).unwrap_or_default();
        if authorities.is_empty() {
            return Err(ConfigError::Pem { path: path.clone(), want });
        }
        builder = builder.tls_certs_only(authorities);
    } else if !https {
        // A machine without certificate authorities can still speak HTTP.
        builder = builder.tls_certs_only([]);
    }
    match (certificate_file, key_file) {
        (None, None) => {}
        (Some(certificate_file), Some(key_file)) => {
            let (certificate, key) = (file(certificate_file)?, file(key_file)?);
            if Certificate::from_pem_bundle(&certificate).unwrap_or_default().is_empty() {
                return Err(ConfigError::Pem { path: certificate_file.clone(), want: "certificate" });
            }
            let identity = Identity::from_pem(&[certificate, b"\n".to_vec(), key].concat());
            let pem = |_| ConfigError::Pem { path: key_file.clone(), want: "private key that is not encrypted" };
            builder = builder.identity(identity.map_err(pem)?);
        }
        _ => return Err(ConfigError::HalfIdentity),
    }
    builder.build().map_err(ConfigError::Client)
}

fn file(path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })
}
