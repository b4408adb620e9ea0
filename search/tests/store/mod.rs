//! A store behind its HTTP API, for the tests of it.

use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;

/// A server on a folder, with a blocking client.
pub struct Store {
    runtime: tokio::runtime::Runtime,
    server: Option<search::Server>,
    address: SocketAddr,
    pub client: reqwest::blocking::Client,
}

impl Store {
    pub fn open(folder: &Path) -> Self {
        // No TLS is spoken; the client wants to know how all the same. Another test may have said so before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let listen = "127.0.0.1:0".parse().expect("an address");
        let server = runtime.block_on(search::Server::start(
            folder.to_owned(),
            listen,
            search::Retention::default(),
            &search::page::Page::default(),
            &mut prometheus_client::registry::Registry::default(),
        ));
        let server = server.expect("a server");
        let address = server.address();
        Self { runtime, server: Some(server), address, client: reqwest::blocking::Client::new() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        answer(self.client.get(self.url(path)).send().expect("an answer"))
    }

    pub fn post(&self, path: &str, body: impl Into<reqwest::blocking::Body>) -> (u16, Value) {
        answer(self.client.post(self.url(path)).body(body).send().expect("an answer"))
    }

    pub fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.client.put(self.url(path)).body(body.to_string()).send().expect("an answer"))
    }

    /// Ids of the hits, in their order.
    pub fn ids(&self, index: &str, body: &Value) -> Vec<String> {
        let (status, found) = self.post(&format!("{index}/_search"), body.to_string());
        assert_eq!(status, 200, "{found:#}");
        let hits = found["hits"]["hits"].as_array().expect("hits");
        hits.iter().map(|hit| hit["_id"].as_str().expect("an id").to_owned()).collect()
    }

    pub fn bulk(&self, path: &str, lines: &[Value]) -> Value {
        let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let (status, found) = self.post(path, body);
        assert_eq!(status, 200, "{found:#}");
        found
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let server = self.server.take().expect("it is stopped once");
        self.runtime.block_on(server.stop());
    }
}

fn answer(response: reqwest::blocking::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["x-elastic-product"], "Elasticsearch");
    let text = response.text().expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
