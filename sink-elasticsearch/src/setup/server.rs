//! What the server is: recognised by headers and by its node's answer, since not every one answers `GET /`.

use super::plan::{SetUpError, ask};
use crate::connection::Connection;
use reqwest::Method;
use serde_json::Value;
use std::fmt;

/// Which of the two, and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub product: Product,
    /// Such as `9.2.0`.
    pub version: String,
}

/// The two families of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    Elasticsearch,
    OpenSearch,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let product = match self.product {
            Product::Elasticsearch => "Elasticsearch",
            Product::OpenSearch => "OpenSearch",
        };
        write!(f, "{product} {}", self.version)
    }
}

impl Server {
    /// Asks what answers there.
    ///
    /// # Errors
    /// Nothing, or something else, answers; or it does not let us ask.
    pub async fn recognise(connection: &Connection) -> Result<Self, SetUpError> {
        let root = ask(connection, Method::GET, "/", None).await?;
        if let Some(server) = Self::of_root(&root.body) {
            return Ok(server);
        }
        // Elasticsearch without the module for `GET /`: 405. A user without the privilege `monitor`: 403.
        let path = "/_nodes/_local?filter_path=nodes.*.version,nodes.*.build_flavor,nodes.*.build_type";
        let node = ask(connection, Method::GET, path, None).await?;
        Self::of_node(&node.body).ok_or_else(|| match node.is_refused() {
            true => node.refusal("tell its version (privilege monitor)"),
            false => SetUpError::NotElasticsearch { node: connection.describe(), status: root.status },
        })
    }

    /// From the answer to `GET /`.
    fn of_root(body: &Value) -> Option<Self> {
        let version = body["version"]["number"].as_str()?.to_owned();
        let product = match body["version"]["distribution"].as_str() {
            Some("opensearch") => Product::OpenSearch,
            Some(_) => return None,
            // OpenSearch can be told to call itself 7.10.2, and then has no distribution; nor has it a flavor.
            None if body["version"]["build_flavor"].is_string() => Product::Elasticsearch,
            None => Product::OpenSearch,
        };
        Some(Self { product, version })
    }

    /// From the answer to `GET /_nodes/_local`.
    fn of_node(body: &Value) -> Option<Self> {
        let node = body["nodes"].as_object()?.values().next()?;
        let version = node["version"].as_str()?.to_owned();
        // OpenSearch says how it was built, but has only one flavor.
        let product = match node["build_flavor"].is_string() {
            true => Product::Elasticsearch,
            false => Product::OpenSearch,
        };
        Some(Self { product, version })
    }

    /// Major and minor version; zeros where they are no numbers.
    pub(super) fn release(&self) -> (u32, u32) {
        let mut numbers = self.version.split('.').map(|number| number.parse().unwrap_or_default());
        (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the real servers said: recorded by tests/answers/record.
    #[test]
    fn every_recorded_server_is_recognised() {
        let check = |text: &str, want: &str| {
            let recorded: Value = serde_json::from_str(text).expect("a recorded file is JSON");
            let body = |path: &str| {
                let body = recorded["server"][path]["body"].as_str().unwrap_or_default();
                serde_json::from_str::<Value>(body).unwrap_or_default()
            };
            let of_node = Server::of_node(&body("/_nodes/_local?filter_path=nodes.*.version,nodes.*.build_flavor"));
            assert_eq!(of_node.map(|server| server.to_string()).as_deref(), Some(want), "by its node");
            if let Some(server) = Server::of_root(&body("/")) {
                assert_eq!(server.to_string(), want, "by GET /");
            }
        };
        check(include_str!("../../tests/answers/elasticsearch-7.17.28.json"), "Elasticsearch 7.17.28");
        check(include_str!("../../tests/answers/elasticsearch-8.15.0.json"), "Elasticsearch 8.15.0");
        check(include_str!("../../tests/answers/elasticsearch-9.2.0.json"), "Elasticsearch 9.2.0");
        check(include_str!("../../tests/answers/opensearch-3.3.2.json"), "OpenSearch 3.3.2");
        check(include_str!("../../tests/answers/opensearch-3.8.0.json"), "OpenSearch 3.8.0");
    }

    #[test]
    fn something_else_is_not_taken_for_one() {
        for body in
            [r#"{"tagline":"hi"}"#, r#"{"version":"1"}"#, r#"{"version":{"number":"1","distribution":"other"}}"#, "[]"]
        {
            let body: Value = serde_json::from_str(body).expect("JSON");
            assert_eq!((Server::of_root(&body), Server::of_node(&body)), (None, None), "{body}");
        }
    }

    #[test]
    fn releases() {
        let release = |version: &str| Server { product: Product::OpenSearch, version: version.into() }.release();
        assert_eq!(release("9.2.0-SNAPSHOT"), (9, 2));
        assert_eq!(release("x"), (0, 0));
    }
}
