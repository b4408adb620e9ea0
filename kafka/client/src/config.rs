//! What a client is given.

use std::time::Duration;

use crate::security::Security;

/// How to reach the brokers. [`ClientConfig::new`] has defaults for everything but the addresses.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `HOST:PORT` of some of the brokers; the others are learnt from them.
    pub bootstrap: Vec<String>,
    /// What brokers show in their logs and quotas.
    pub client_id: String,
    /// TLS, user and password.
    pub security: Security,
    /// For the connection, the first exchange of versions and the authentication.
    pub connect_timeout: Duration,
    /// From sending a request to the whole response; a connection that misses it is closed.
    pub request_timeout: Duration,
    /// First delay after a failure; it doubles up to `retry_backoff_max`.
    pub retry_backoff_min: Duration,
    pub retry_backoff_max: Duration,
    /// Largest response that is read. Must be above what a fetch may ask for.
    pub response_bytes_max: usize,
}

/// Kafka's `socket.connection.setup.timeout.ms`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Kafka's `request.timeout.ms`.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Kafka's `retry.backoff.ms`.
const RETRY_BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Kafka's `retry.backoff.max.ms`: a broker that comes back is noticed within about a second.
const RETRY_BACKOFF_MAX: Duration = Duration::from_secs(1);
/// Above Kafka's default `fetch.max.bytes` of 55 MiB, which one larger batch may exceed.
const RESPONSE_BYTES_MAX: usize = 100 * 1024 * 1024;

impl ClientConfig {
    pub fn new(bootstrap: Vec<String>) -> Self {
        Self {
            bootstrap,
            client_id: "sluice".to_owned(),
            security: Security::default(),
            connect_timeout: CONNECT_TIMEOUT,
            request_timeout: REQUEST_TIMEOUT,
            retry_backoff_min: RETRY_BACKOFF_MIN,
            retry_backoff_max: RETRY_BACKOFF_MAX,
            response_bytes_max: RESPONSE_BYTES_MAX,
        }
    }
}
