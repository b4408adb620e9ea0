//! What the sink can be told, and the check of it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Bytes of a bulk request before compression, unless configured: large enough that a request's fixed cost does not
/// matter, and a twelfth of what Elasticsearch accepts by default (`http.max_content_length`, 100 MiB).
const BULK_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Documents of a bulk request, unless configured.
const BULK_DOCUMENTS_MAX: usize = 10_000;
/// What a server accepts at most by default; a larger request could only be refused.
pub(crate) const BULK_BYTES_LIMIT: usize = 100 * 1024 * 1024;
/// Requests in flight, unless configured. The sink begins with few and comes here only while answers stay fast.
const REQUESTS_IN_FLIGHT_MAX: usize = 16;
/// More requests at once would queue in the server; bounds the memory of rendered requests, too.
pub(crate) const REQUESTS_IN_FLIGHT_LIMIT: usize = 64;
/// How long documents wait for an index that takes none: long enough for an operator who is called to open it, short
/// enough that one late line does not stop its partition for the night.
const INDEX_HOLD: Duration = Duration::from_secs(15 * 60);

/// The configuration of an [`ElasticsearchSink`](crate::ElasticsearchSink).
#[derive(Debug, Clone)]
pub struct Config {
    pub connection: ConnectionConfig,
    /// Size of a bulk request in bytes before compression. One larger document goes in a request of its own.
    pub bulk_bytes_max: usize,
    pub bulk_documents_max: usize,
    /// How long the first document of a request waits for others.
    pub linger: Duration,
    pub compression: Compression,
    pub requests_in_flight_max: usize,
    /// First pause before something is sent again; it doubles up to `backoff_max`.
    pub backoff_min: Duration,
    pub backoff_max: Duration,
    /// How long documents wait for one index that takes none (closed, blocked, missing) before they are rejected. What
    /// concerns the whole server is waited for without an end.
    pub index_hold: Duration,
}

/// How the servers are reached: also for those who set them up.
#[derive(Clone)]
pub struct ConnectionConfig {
    /// Nodes of one cluster, `http://` or `https://`, all equal; requests go to them in turn. `user:password@` in a
    /// URL is basic authentication.
    pub urls: Vec<String>,
    /// Overrides what the URLs say.
    pub auth: Option<Auth>,
    pub tls: Tls,
    pub connect_timeout: Duration,
    /// From sending a request to the end of its answer.
    pub request_timeout: Duration,
}

/// Files of TLS, all in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificate authorities that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate and its chain, for servers that ask for it.
    pub certificate_file: Option<PathBuf>,
    /// The private key of `certificate_file`, not encrypted.
    pub key_file: Option<PathBuf>,
}

/// Whether requests are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Gzip, unless all nodes are on this host: there it would only cost CPU, twice.
    Auto,
    None,
    /// At zlib's fastest level.
    Gzip,
}

impl Config {
    /// The defaults, with these nodes.
    pub fn new(urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            connection: ConnectionConfig::new(urls),
            bulk_bytes_max: BULK_BYTES_MAX,
            bulk_documents_max: BULK_DOCUMENTS_MAX,
            linger: Duration::from_millis(200),
            compression: Compression::Auto,
            requests_in_flight_max: REQUESTS_IN_FLIGHT_MAX,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            index_hold: INDEX_HOLD,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let range = |key, got: usize, min: usize, max: usize| match (min..=max).contains(&got) {
            true => Ok(()),
            false => Err(ConfigError::OutOfRange { key, got, min, max }),
        };
        range("bulk_bytes_max", self.bulk_bytes_max, 1024, BULK_BYTES_LIMIT)?;
        range("bulk_documents_max", self.bulk_documents_max, 1, 1_000_000)?;
        range("requests_in_flight_max", self.requests_in_flight_max, 1, REQUESTS_IN_FLIGHT_LIMIT)?;
        if self.backoff_min.is_zero() || self.backoff_min > self.backoff_max {
            return Err(ConfigError::Backoff { min: self.backoff_min, max: self.backoff_max });
        }
        Ok(())
    }
}

impl ConnectionConfig {
    /// The defaults, with these nodes.
    pub fn new(urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            urls: urls.into_iter().map(Into::into).collect(),
            auth: None,
            tls: Tls::default(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
        }
    }
}

// A URL may have a password in it.
impl fmt::Debug for ConnectionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<_> = self.urls.iter().map(|url| without_credentials(url)).collect();
        f.debug_struct("ConnectionConfig")
            .field("urls", &urls)
            .field("auth", &self.auth)
            .field("tls", &self.tls)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .finish()
    }
}

/// The URL with `...` for user and password. It need not be a valid one.
pub fn without_credentials(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((before, after)) => match before.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://...@{after}"),
            None => format!("...@{after}"),
        },
        None => url.to_owned(),
    }
}

/// How the sink says who it is. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    Basic {
        user: String,
        password: String,
    },
    /// `id:key`, or that in base64, as Elasticsearch gives it under `encoded`.
    ApiKey(String),
    Bearer(String),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { user, .. } => write!(f, "Basic({user:?}, ...)"),
            Self::ApiKey(_) => f.write_str("ApiKey(...)"),
            Self::Bearer(_) => f.write_str("Bearer(...)"),
        }
    }
}

/// Why a [`Config`] is refused. No message shows a password.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("no Elasticsearch URL is given")]
    NoUrl,
    #[error("Elasticsearch URL {url:?}: {reason}")]
    Url { url: String, reason: String },
    #[error("{key} is {got}; want {min} to {max}")]
    OutOfRange { key: &'static str, got: usize, min: usize, max: usize },
    #[error("the back-off from {min:?} to {max:?} is empty")]
    Backoff { min: Duration, max: Duration },
    #[error("the credentials contain a character that no HTTP header may have")]
    Credentials,
    #[error("read {path:?}")]
    File { path: PathBuf, source: std::io::Error },
    /// Nothing of the file is in the message: it may be a key.
    #[error("{path:?} has no {want} in PEM")]
    Pem { path: PathBuf, want: &'static str },
    #[error("a client certificate needs both certificate_file and key_file")]
    HalfIdentity,
    #[error("set up the HTTP client")]
    Client(#[source] reqwest::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_a_secret() {
        let mut config = Config::new(["http://elastic:s3cret@h:9200", "elastic:s3cret@h"]);
        for auth in [
            Auth::Basic { user: "u".into(), password: "s3cret".into() },
            Auth::ApiKey("s3cret".into()),
            Auth::Bearer("s3cret".into()),
        ] {
            config.connection.auth = Some(auth);
            let shown = format!("{config:?}");
            assert!(!shown.contains("s3cret") && shown.contains("http://...@h:9200"), "{shown}");
        }
    }
}
