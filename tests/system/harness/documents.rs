//! Documents of an index, from a real Elasticsearch or OpenSearch or from the stand-in.

use super::http;
use super::oracle::Arrived;
use anyhow::{Context, ensure};
use elasticsearch_stand_in::StandIn;
use serde_json::{Value, json};

/// Documents of one page: the servers' limit of `index.max_result_window`.
const PAGE_DOCUMENTS: usize = 10_000;
/// How long the server keeps the place of a page, on a machine that is busy.
const PAGE_KEPT: &str = "5m";

/// A document as it is found.
#[derive(Debug, Clone)]
pub struct Found {
    pub index: String,
    pub id: String,
    pub source: Value,
}

impl Found {
    /// The line that the document was made from.
    pub fn line(&self) -> Option<&str> {
        let original = self.source.pointer("/event/original").and_then(Value::as_str);
        original.or_else(|| self.source.get("message").and_then(Value::as_str))
    }

    /// For the oracle: documents have no order.
    pub fn arrived(self) -> Arrived {
        let line = self.line().map_or_else(|| self.source.to_string(), str::to_owned).into_bytes();
        Arrived { line, place: format!("{}/{}", self.index, self.id), order: None }
    }
}

/// How many documents there are in the indices of `pattern`, after a refresh.
pub fn count(url: &str, pattern: &str) -> anyhow::Result<u64> {
    refresh(url, pattern)?;
    let answer: Value = http::client().get(format!("{url}/{pattern}/_count")).send()?.json()?;
    answer["count"].as_u64().with_context(|| format!("count {pattern}: {answer}"))
}

/// Every document of the indices of `pattern`.
pub fn read(url: &str, pattern: &str) -> anyhow::Result<Vec<Found>> {
    let mut all = Vec::new();
    each(url, pattern, |found| {
        all.push(found);
        Ok(())
    })?;
    Ok(all)
}

/// Gives every document of the indices of `pattern` to `look`, of millions never more than a page at once.
pub fn each(url: &str, pattern: &str, mut look: impl FnMut(Found) -> anyhow::Result<()>) -> anyhow::Result<()> {
    refresh(url, pattern)?;
    let client = http::client();
    let first = client
        .post(format!("{url}/{pattern}/_search?scroll={PAGE_KEPT}"))
        .json(&json!({ "size": PAGE_DOCUMENTS, "sort": ["_doc"] }))
        .send()?;
    let mut page: Value = first.error_for_status()?.json()?;
    loop {
        let hits = page.pointer_mut("/hits/hits").and_then(Value::as_array_mut).map(std::mem::take);
        let hits = hits.context("a page of hits")?;
        if hits.is_empty() {
            break;
        }
        for mut hit in hits {
            let text = |name: &str| hit[name].as_str().map(str::to_owned).context("a hit has an index and an id");
            look(Found { index: text("_index")?, id: text("_id")?, source: hit["_source"].take() })?;
        }
        let scroll = client.post(format!("{url}/_search/scroll"));
        page = scroll
            .json(&json!({ "scroll": PAGE_KEPT, "scroll_id": page["_scroll_id"] }))
            .send()?
            .error_for_status()?
            .json()?;
    }
    let scroll = json!({ "scroll_id": page["_scroll_id"] });
    client.delete(format!("{url}/_search/scroll")).json(&scroll).send()?.error_for_status()?;
    Ok(())
}

/// Every document that the stand-in took, after a look at whether it was sent anything that it must not be sent.
pub fn of_stand_in(stand_in: &StandIn) -> anyhow::Result<Vec<Found>> {
    let violations = stand_in.violations();
    ensure!(violations.is_empty(), "the stand-in was sent what it must not be sent: {violations:#?}");
    let documents = stand_in.documents().into_iter();
    Ok(documents.map(|((index, id), source)| Found { index, id, source }).collect())
}

fn refresh(url: &str, pattern: &str) -> anyhow::Result<()> {
    http::client().post(format!("{url}/{pattern}/_refresh")).send()?.error_for_status()?;
    Ok(())
}
