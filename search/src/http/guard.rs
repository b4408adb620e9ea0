//! Who is answered: only programs and pages that mean this address itself.

use axum::http::{HeaderMap, header};
use std::net::{IpAddr, SocketAddr};

/// Whether the request names this listener as its Host, and comes from no page of another origin. A page that a person
/// opens can send requests to loopback, with a name of its own that resolves here.
pub fn is_own(headers: &HeaderMap, listen: SocketAddr) -> bool {
    let text = |name| headers.get(name).map(|value: &axum::http::HeaderValue| value.to_str().unwrap_or(""));
    let Some(host) = text(header::HOST) else { return false };
    let is_own_origin = match text(header::ORIGIN) {
        None => true,
        Some(origin) => origin.strip_prefix("http://").or(origin.strip_prefix("https://")) == Some(host),
    };
    is_own_host(host, listen) && is_own_origin
}

/// A listener that was opened to the network is reached by names that it cannot know.
fn is_own_host(host: &str, listen: SocketAddr) -> bool {
    if !listen.ip().is_loopback() {
        return !host.is_empty();
    }
    let name = host.strip_suffix(&format!(":{}", listen.port())).unwrap_or(host);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &'static str)], expect: bool) {
        let map = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), axum::http::HeaderValue::from_static(value)));
        let listen = "127.0.0.1:9200".parse().expect("an address");
        assert_eq!(is_own(&map.collect(), listen), expect, "{headers:?}");
    }

    #[test]
    fn strangers_are_refused() {
        check(&[("host", "127.0.0.1:9200")], true);
        check(&[("host", "localhost:9200"), ("origin", "http://localhost:9200")], true);
        check(&[("host", "[::1]:9200")], true);
        check(&[("host", "evil.example")], false);
        check(&[("host", "127.0.0.1:9200"), ("origin", "http://evil.example")], false);
        check(&[("host", "127.0.0.1:9200"), ("origin", "null")], false);
        check(&[], false);
    }
}
