//! The client against brokers that are scripted to fail.

mod connecting;
mod fake;
mod mixture;
mod producing;

use std::time::Duration;

use kafka_client::{Client, ClientConfig};

/// What a test waits for at most; only a test that fails waits this long.
const DEADLINE: Duration = Duration::from_secs(30);

/// A client with short delays.
fn client(bootstrap: Vec<String>) -> Client {
    let mut config = ClientConfig::new(bootstrap);
    config.connect_timeout = Duration::from_millis(500);
    config.request_timeout = Duration::from_millis(200);
    config.retry_backoff_min = Duration::from_millis(2);
    config.retry_backoff_max = Duration::from_millis(20);
    Client::new(config)
}

/// Waits until `condition` holds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("{what} did not happen in {DEADLINE:?}"));
}
