//! Requests to a status server of its own.

use super::*;
use crate::status::StatusListener;
use pipelines::simulate::Catalogue;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

const PIPELINE: &str = "processors:\n  - set: {field: a, value: 1}\n";

/// A server, and the sender that keeps it from being told of an end.
async fn server() -> (SocketAddr, watch::Sender<Vec<String>>) {
    let pipeline = pipelines::pipeline::Pipeline::parse("mine.yml", PIPELINE).expect("a pipeline");
    let address = "127.0.0.1:0".parse().expect("an address");
    let listener = StatusListener::bind(Some(address), 0).await.expect("a free port");
    let address = listener.address();
    let (problems, observed) = watch::channel(Vec::new());
    let (_, pipelines) = watch::channel(Arc::new(Catalogue::of([&pipeline])));
    let (_, shown) = tokio::sync::watch::channel(crate::status::Shown::default());
    listener.with_pipelines(pipelines).serve(shown, observed);
    (address, problems)
}

async fn ask(address: SocketAddr, head: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let length = body.len();
    let request = format!("{head}\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    // A refused body may be left unread.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

#[tokio::test]
async fn pipelines_are_shown_and_simulated() {
    let (address, _problems) = server().await;
    let show = |path: &str| format!("GET {path} HTTP/1.1");
    let mine = r#"{"mine":{"processors":[{"set":{"field":"a","value":1}}]}}"#;
    assert_eq!(ask(address, &show("/_ingest/pipeline"), "").await, (200, mine.to_owned()));
    assert_eq!(ask(address, &show("/_ingest/pipeline/m*"), "").await, (200, mine.to_owned()));
    assert_eq!(ask(address, &show("/_ingest/pipeline/other"), "").await, (404, "{}".to_owned()));
    assert!(ask(address, &show("/_ingest/pipeline?pretty"), "").await.1.starts_with("{\n  \"mine\""));

    let post = |path: &str| format!("POST {path} HTTP/1.1\r\ncontent-type: application/json; charset=utf-8");
    let docs = r#"{"docs":[{"_source":{"b":2}}]}"#;
    let (status, body) = ask(address, &post("/_ingest/pipeline/mine/_simulate"), docs).await;
    let start = r#"{"docs":[{"doc":{"_index":"_index","_id":"_id","_source":{"b":2,"a":1},"_ingest":{"timestamp":""#;
    assert!(status == 200 && body.starts_with(start), "{status} {body}");
    let (_, body) = ask(address, &post("/_ingest/pipeline/mine/_simulate?verbose"), docs).await;
    assert!(
        body.starts_with(r#"{"docs":[{"processor_results":[{"processor_type":"set","status":"success","#),
        "{body}"
    );
    let inline = r#"{"pipeline":{"processors":[{"pipeline":{"name":"mine"}}]},"docs":[{"_source":{}}]}"#;
    let (status, body) = ask(address, &post("/_ingest/pipeline/_simulate"), inline).await;
    assert!(status == 200 && body.contains(r#""_source":{"a":1}"#), "{status} {body}");
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused() {
    let (address, _problems) = server().await;
    let check = async |head: &str, body: &str, expect: u16, reason: &str| {
        let (status, answer) = ask(address, head, body).await;
        assert!(status == expect && answer.contains(reason), "{head}: {status} {answer}");
    };
    let post = "POST /_ingest/pipeline/_simulate HTTP/1.1";
    let json = "content-type: application/json";
    check(post, "{}", 406, "Content-Type header [] is not supported").await;
    check(&format!("{post}\r\ncontent-type: text/plain"), "{}", 406, "[text/plain]").await;
    check(&format!("{post}\r\n{json}\r\norigin: http://x"), "{}", 403, "").await;
    check(&format!("{post}\r\n{json}"), "", 400, "request body or source parameter is required").await;
    let unknown = format!("POST /_ingest/pipeline/_simulate?nix=1 HTTP/1.1\r\n{json}");
    check(&unknown, "{}", 400, "request [/_ingest/pipeline/_simulate] contains unrecognized parameter: [nix]").await;
    let wrong = format!("POST /_ingest/pipeline/_simulate?verbose=nix HTTP/1.1\r\n{json}");
    check(&wrong, "{}", 400, "Failed to parse value [nix] as only [true] or [false] are allowed.").await;
    // Told by the length, before anything is read.
    let large = " ".repeat(BODY_BYTES_MAX + 1);
    let (status, _) = ask(address, &format!("{post}\r\n{json}"), &large).await;
    assert!(matches!(status, 413 | 0), "{status}");
    assert_eq!(ask(address, "GET /_ingest/pipeline HTTP/1.1", "").await.0, 200);
}
