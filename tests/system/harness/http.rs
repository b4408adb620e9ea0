//! A plain HTTP client for loopback.

use reqwest::blocking::Client;
use std::sync::LazyLock;
use std::time::Duration;

/// The longest answer that a loaded server takes its time for: a refresh after 200,000 documents.
const TIMEOUT: Duration = Duration::from_secs(60);

/// One client for all tests.
pub fn client() -> &'static Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| {
        Client::builder().no_proxy().timeout(TIMEOUT).build().expect("a plain client has nothing that can fail")
    });
    &CLIENT
}

/// Status and body of a GET.
pub fn get(url: &str) -> anyhow::Result<(u16, String)> {
    let answer = client().get(url).send()?;
    Ok((answer.status().as_u16(), answer.text()?))
}
