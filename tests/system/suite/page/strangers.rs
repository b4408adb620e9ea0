//! What `sluice discover` refuses, and with which credentials it asks.

use super::discover;
use crate::harness::scene::Scene;
use crate::harness::{http, ports, sluice, wait};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

/// Other hosts and origins, and everything that is not a search: refused in Elasticsearch's form, and not passed on.
pub fn are_refused(scene: &Scene) -> anyhow::Result<()> {
    // Nobody listens there: what is passed on ends as 502.
    let nobody = format!("http://{}", ports::free_address());
    let (page, _process) = discover(scene, &nobody, "logs-*", &nobody)?;
    let ask =
        |method: reqwest::Method, path: &str, headers: &[(&str, &str)], body: &str| -> anyhow::Result<(u16, String)> {
            let mut request = http::client().request(method, format!("{page}{path}")).body(body.to_owned());
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = request.send()?;
            Ok((answer.status().as_u16(), answer.text()?))
        };
    use reqwest::Method;
    let json = ("content-type", "application/json");
    let own = page.as_str();
    let origin = |value| ("origin", value);
    let cases = [
        (Method::POST, "/logs-*/_search", vec![json], 502),
        (Method::POST, "/logs-*/_search", vec![json, origin(own)], 502),
        (Method::GET, "/logs-*/_field_caps?fields=*", vec![], 502),
        (Method::POST, "/logs-*/_search", vec![json, origin("http://evil.example")], 403),
        (Method::POST, "/logs-*/_search", vec![json, origin("null")], 403),
        (Method::POST, "/logs-*/_search", vec![json, ("host", "evil.example")], 403),
        (Method::GET, "/", vec![("host", "evil.example")], 403),
        (Method::GET, "/_page/status/0/metrics", vec![("host", "evil.example")], 403),
        (Method::GET, "/_page/app.js", vec![("sec-fetch-site", "cross-site")], 403),
        (Method::POST, "/logs-*/_search", vec![("content-type", "text/plain")], 415),
        (Method::POST, "/logs-*/_search?scroll=1m", vec![json], 400),
        (Method::POST, "/_bulk", vec![json], 403),
        (Method::DELETE, "/logs-1", vec![json], 403),
        (Method::PUT, "/logs-1/_search", vec![json], 405),
        (Method::POST, "/logs-1%2f_doc/_search", vec![json], 400),
        (Method::GET, "/_page/status/0/_ingest", vec![], 404),
        (Method::GET, "/_page/../Cargo.toml", vec![], 403),
    ];
    for (method, path, headers, want) in cases {
        let (got, body) = ask(method.clone(), path, &headers, "{}")?;
        ensure!(got == want, "{method} {path} with {headers:?}: want {want}; got {got}: {body}");
        if path.contains("_search") {
            let error: Value = serde_json::from_str(&body).with_context(|| format!("{method} {path}: {body:?}"))?;
            ensure!(error["error"]["reason"].is_string() && error["status"] == want, "Elasticsearch's form: {error}");
        }
    }
    let (got, body) = ask(Method::POST, "/_search", &[json], &" ".repeat(1024 * 1024 + 1))?;
    ensure!(got == 413, "a large body: want 413; got {got}: {body}");
    let home = http::client().get(format!("{page}/")).send()?;
    let policy = home.headers().get("content-security-policy").and_then(|it| it.to_str().ok()).unwrap_or_default();
    ensure!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "a strict policy; got {policy:?}");
    Ok(())
}

/// The page's searches carry the credentials of the config file, which the page does not see.
pub fn credentials_are_sent(scene: &Scene) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = format!("http://{}", listener.local_addr()?);
    let (heard, hear) = mpsc::channel();
    thread::spawn(move || -> anyhow::Result<()> {
        for stream in listener.incoming() {
            let mut stream = stream?;
            let lines = BufReader::new(stream.try_clone()?).lines();
            let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let _ = heard.send(head);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")?;
        }
        Ok(())
    });
    scene.file(
        "sluice.yaml",
        format!("worker: {{elasticsearch: {{urls: [\"{server}\"], username: reader, password: s3cret}}}}"),
    );
    let address = ports::free_address();
    let mut process = scene.start("discover", sluice::command(["discover", "--listen", &address]));
    let asked = wait::until("an answer", super::START, || {
        let answer = http::get(&format!("http://{address}/logs/_field_caps?fields=*")).ok();
        (answer.is_some() || !process.is_running()).then_some(answer)
    })?;
    ensure!(asked == Some((200, "{}".to_owned())), "the answer is passed on; got {asked:?}: {}", process.stderr());
    let head = hear.recv()?;
    ensure!(head[0] == "GET /logs/_field_caps?fields=* HTTP/1.1", "what was asked for; got {head:?}");
    // base64 of reader:s3cret
    ensure!(
        head.iter().any(|line| line.eq_ignore_ascii_case("authorization: Basic cmVhZGVyOnMzY3JldA==")),
        "credentials; got {head:?}"
    );
    let settings = http::get(&format!("http://{address}/_page/settings"))?.1;
    ensure!(!settings.contains("s3cret") && !process.stdout().contains("s3cret"), "nobody is told the password");
    Ok(())
}
