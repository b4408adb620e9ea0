//! The Discover page: served from the binary, with a read-only proxy to an Elasticsearch.
//!
//! ```text
//! browser ─▶ guard ─▶ assets     the page itself, at / and below /_page/
//!                  ├▶ proxy      _search, _msearch, _field_caps ─▶ Elasticsearch or OpenSearch
//!                  └▶ status     /_page/status/N/metrics        ─▶ the status ports of the parts
//! ```
//!
//! Architecture invariant: nothing of a document is ever markup. The page makes text nodes only, and its
//! Content-Security-Policy forbids scripts and styles that are not its own files.

mod assets;
mod guard;
mod proxy;
mod status;
mod upstream;

pub use assets::home;
pub use guard::only_own_origin;
pub use upstream::{Answer, NoAnswer, Question, Upstream};

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;
use std::sync::Arc;

/// What a page is served over.
#[derive(Clone, Default)]
pub struct Page {
    /// Index names and patterns that are searched when the person says nothing else, such as `sluice-*`.
    pub index: String,
    /// What is searched, for people: `Elasticsearch at http://10.0.0.1:9200`. Without credentials.
    pub server: String,
    /// The status ports of the parts, for the page Pipeline.
    pub status: Vec<Arc<dyn Upstream>>,
}

impl Page {
    /// The page's own files and what it asks beside searches: everything below `/_page/`. The page itself, [`home`],
    /// and the searches are left to the one who has them.
    pub fn router(&self) -> Router {
        let settings = json!({
            "index": self.index, "server": self.server, "version": env!("CARGO_PKG_VERSION"), "stages": self.status.len(),
        });
        let settings = move || async move {
            ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], settings.to_string())
        };
        Router::new()
            .route("/_page/settings", get(settings))
            .merge(status::router(self.status.clone()))
            .route("/_page/{*file}", get(assets::file))
    }

    /// The page in front of a server that is somewhere else: [`Page::router`], [`home`], and searches that are passed on.
    pub fn in_front_of(&self, server: Arc<dyn Upstream>) -> Router {
        self.router().route("/", get(|| async { assets::home().into_response() })).merge(proxy::router(server))
    }
}
