//! Documents by their `_id`, in whatever index they are.

use super::Place;
use crate::command::search::{Server, hits};
use serde_json::json;
use std::collections::{HashMap, HashSet};

/// Ids of one question: its body stays below 64 KiB.
const IDS_MAX: usize = 1000;
/// Documents of one answer (`index.max_result_window`): ten times as many as ids, should one be in several indices.
const DOCUMENTS_MAX: usize = 10_000;

pub struct Documents {
    server: Server,
}

impl Documents {
    pub fn new(server: Server) -> Self {
        Self { server }
    }

    pub fn describe(&self) -> String {
        format!("{} of {}", self.server.index(), self.server.describe())
    }

    /// Has the server show what it took a moment ago.
    pub async fn refresh(&self) {
        self.server.refresh().await;
    }

    /// Where the documents with these ids are.
    pub async fn find<'a>(&self, ids: &[&'a str]) -> anyhow::Result<HashMap<&'a str, Vec<Place>>> {
        let mut found: HashMap<&str, Vec<Place>> = HashMap::new();
        for ids in ids.chunks(IDS_MAX) {
            let body = json!({ "size": DOCUMENTS_MAX, "_source": false, "query": { "ids": { "values": ids } } });
            let answer = self.server.search(&body).await?;
            let asked: HashSet<&'a str> = ids.iter().copied().collect();
            for hit in hits(&answer) {
                let text = |name: &str| hit[name].as_str().unwrap_or_default();
                if let Some(&id) = asked.get(text("_id")) {
                    found.entry(id).or_default().push(Place { index: text("_index").to_owned(), id: id.to_owned() });
                }
            }
        }
        Ok(found)
    }
}
