//! What the sink can be told, and the check of it.

use std::fmt;
use std::time::Duration;

/// Bytes of a bulk request before compression, unless configured: large enough that a request's fixed cost does not
/// matter, and a twelfth of what Elasticsearch accepts by default (`http.max_content_length`, 100 MiB).
const BULK_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Documents of a bulk request, unless configured.
const BULK_DOCUMENTS_MAX: usize = 10_000;
/// What a server accepts at most by default; a larger request could only be refused.
pub(crate) const BULK_BYTES_LIMIT: usize = 100 * 1024 * 1024;
/// More requests at once would queue in the server; bounds the memory of rendered requests, too.
pub(crate) const REQUESTS_IN_FLIGHT_LIMIT: usize = 64;

/// The configuration of an [`ElasticsearchSink`](crate::ElasticsearchSink).
#[derive(Clone)]
pub struct Config {
    /// Nodes of one cluster, `http://` or `https://`, all equal; requests go to them in turn. `user:password@` in a
    /// URL is basic authentication.
    pub urls: Vec<String>,
    /// Overrides what the URLs say.
    pub auth: Option<Auth>,
    /// Size of a bulk request in bytes before compression. One larger document goes in a request of its own.
    pub bulk_bytes_max: usize,
    pub bulk_documents_max: usize,
    /// How long the first document of a request waits for others.
    pub linger: Duration,
    pub gzip: bool,
    pub requests_in_flight_max: usize,
    pub connect_timeout: Duration,
    /// From sending the request to the end of its answer.
    pub request_timeout: Duration,
    /// First pause before something is sent again; it doubles up to `backoff_max`.
    pub backoff_min: Duration,
    pub backoff_max: Duration,
}

impl Config {
    /// The defaults, with these nodes.
    pub fn new(urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            urls: urls.into_iter().map(Into::into).collect(),
            auth: None,
            bulk_bytes_max: BULK_BYTES_MAX,
            bulk_documents_max: BULK_DOCUMENTS_MAX,
            linger: Duration::from_secs(1),
            gzip: true,
            requests_in_flight_max: 4,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let range = |key, got: usize, min: usize, max: usize| match (min..=max).contains(&got) {
            true => Ok(()),
            false => Err(ConfigError::OutOfRange { key, got, min, max }),
        };
        if self.urls.is_empty() {
            return Err(ConfigError::NoUrl);
        }
        range("bulk_bytes_max", self.bulk_bytes_max, 1024, BULK_BYTES_LIMIT)?;
        range("bulk_documents_max", self.bulk_documents_max, 1, 1_000_000)?;
        range("requests_in_flight_max", self.requests_in_flight_max, 1, REQUESTS_IN_FLIGHT_LIMIT)?;
        if self.backoff_min.is_zero() || self.backoff_min > self.backoff_max {
            return Err(ConfigError::Backoff { min: self.backoff_min, max: self.backoff_max });
        }
        Ok(())
    }
}

/// How the sink says who it is. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    Basic {
        user: String,
        password: String,
    },
    /// The encoded form, `base64(id:key)`.
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
    #[error("set up the HTTP client")]
    Client(#[source] reqwest::Error),
}
