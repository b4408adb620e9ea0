//! Who is answered: only pages and programs that mean this address itself.
//!
//! Loopback is not private. A web page that a person opens can send requests to it: with a name of its own that resolves
//! here (DNS rebinding: the Host is a stranger's), or straight to the address (the Origin is a stranger's).

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, SocketAddr};

/// A middleware that refuses requests of another Host or Origin with 403. `address` is what the server listens on.
pub async fn only_own_origin(State(address): State<SocketAddr>, request: Request, next: Next) -> Response {
    match is_own(request.headers(), address) {
        true => next.run(request).await,
        false => {
            let reason = "only requests of this address itself are answered";
            let error = serde_json::json!({
                "error": { "type": "security_exception", "reason": reason, "root_cause": [{ "type": "security_exception", "reason": reason }] },
                "status": 403,
            });
            (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "application/json")], format!("{error}\n")).into_response()
        }
    }
}

fn is_own(headers: &HeaderMap, address: SocketAddr) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let origin_fits = headers.get(header::ORIGIN).is_none_or(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) == Some(host)
    });
    // Browsers say so also where they send no Origin: a picture or a script of this server in a stranger's page.
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    is_own_host(host, address) && origin_fits && !matches!(site, Some("cross-site" | "same-site"))
        || is_navigation(headers, host, address)
}

/// A link to the page in another one is followed: it only shows the page, and nobody else sees it.
fn is_navigation(headers: &HeaderMap, host: &str, address: SocketAddr) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|got| got == value);
    is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
        && !headers.contains_key(header::ORIGIN)
        && is_own_host(host, address)
}

/// Whether `host` names this listener by address, or as localhost when it is on loopback. A listener that was opened to
/// the network on purpose is reached by names that it cannot know.
fn is_own_host(host: &str, address: SocketAddr) -> bool {
    if !address.ip().is_loopback() {
        return !host.is_empty();
    }
    let name = host.strip_suffix(&format!(":{}", address.port())).unwrap_or(host);
    let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn check(listen: &str, headers: &[(&'static str, &'static str)], expect: bool) {
        let map: HeaderMap = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        assert_eq!(is_own(&map, listen.parse().expect("an address")), expect, "{headers:?} on {listen}");
    }

    #[test]
    fn strangers_are_refused() {
        let own = "127.0.0.1:9200";
        check(own, &[("host", own)], true);
        check(own, &[("host", "localhost:9200")], true);
        check(own, &[("host", "[::1]:9200")], true);
        check(own, &[("host", own), ("origin", "http://127.0.0.1:9200")], true);
        check(own, &[("host", own), ("origin", "http://127.0.0.1:9200"), ("sec-fetch-site", "same-origin")], true);
        check(own, &[], false);
        check(own, &[("host", "")], false);
        check(own, &[("host", "evil.example")], false);
        check(own, &[("host", "evil.example:9200"), ("origin", "http://evil.example:9200")], false);
        check(own, &[("host", own), ("origin", "http://evil.example")], false);
        check(own, &[("host", own), ("origin", "http://127.0.0.1:9201")], false);
        check(own, &[("host", own), ("origin", "http://localhost:9200")], false);
        check(own, &[("host", own), ("origin", "null")], false);
        check(own, &[("host", own), ("sec-fetch-site", "cross-site")], false);
        check(
            own,
            &[
                ("host", own),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "no-cors"),
                ("sec-fetch-dest", "image"),
            ],
            false,
        );
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        check(own, &[&[("host", own)][..], &link].concat(), true);
        check(own, &[&[("host", "evil.example")][..], &link].concat(), false);
        check("10.0.0.1:9200", &[("host", "logs.internal:9200")], true);
        check("10.0.0.1:9200", &[("host", "logs.internal:9200"), ("origin", "http://evil.example")], false);
    }
}
