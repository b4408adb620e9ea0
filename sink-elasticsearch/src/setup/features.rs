//! What the server can do of that which a template or a policy would use: asked, since builds and licences differ.

use super::plan::{SetUpError, ask};
use super::server::{Product, Server};
use crate::connection::Connection;
use reqwest::Method;
use serde_json::{Value, json};

/// An index pattern that only our questions have.
const PROBE: &str = "sluice-setup-probe";

/// What there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Features {
    /// The field type `match_only_text`: without positions, a third of the size of `text`.
    pub match_only_text: bool,
    /// The field type that takes any object as one field: `flattened`, or OpenSearch's `flat_object`.
    pub flat: Option<&'static str>,
    /// The setting by which fields above the limit are left out instead of the document.
    pub ignores_fields_beyond_limit: bool,
    /// Elasticsearch's index lifecycle management.
    pub ilm: bool,
    /// OpenSearch's index state management.
    pub ism: bool,
}

impl Features {
    pub async fn of(connection: &Connection, server: &Server) -> Result<Self, SetUpError> {
        let field = |kind: &str| json!({ "mappings": { "properties": { "probe": { "type": kind } } } });
        let ignore = json!({ "settings": { "index.mapping.total_fields.ignore_dynamic_beyond_limit": true } });
        let mut features =
            Self { match_only_text: takes(connection, field("match_only_text")).await?, ..Self::default() };
        match server.product {
            Product::Elasticsearch => {
                features.flat = takes(connection, field("flattened")).await?.then_some("flattened");
                // Since 8.14; before, a probe could only say that the setting is unknown.
                features.ignores_fields_beyond_limit = server.release() >= (8, 14) && takes(connection, ignore).await?;
                features.ilm = answers(connection, "/_ilm/status").await?;
            }
            Product::OpenSearch => {
                features.flat = takes(connection, field("flat_object")).await?.then_some("flat_object");
                features.ism = answers(connection, "/_plugins/_ism/policies").await?;
            }
        }
        Ok(features)
    }
}

/// Whether the server would take a template with this content. Nothing is stored.
async fn takes(connection: &Connection, template: Value) -> Result<bool, SetUpError> {
    let body = json!({ "index_patterns": [PROBE], "priority": 4_000_000, "template": template });
    let answer = ask(connection, Method::POST, "/_index_template/_simulate", Some(&body)).await?;
    match answer.is_refused() {
        true => Err(answer.refusal("look at index templates (privilege manage_index_templates)")),
        false => Ok(answer.status < 300),
    }
}

/// Whether there is such a REST API: a server without it says 400, "no handler found". 404 is an answer of the API.
async fn answers(connection: &Connection, path: &str) -> Result<bool, SetUpError> {
    let answer = ask(connection, Method::GET, path, None).await?;
    match answer.is_refused() {
        true => Err(answer.refusal("look at lifecycle policies (privilege manage_ilm)")),
        false => Ok(answer.status != 400 && answer.status != 405 && answer.status < 500),
    }
}
