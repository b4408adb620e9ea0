//! The hits of a search: over all indices and partitions, in the order that the request asks for.

use super::best::Best;
use super::build::{Context, build};
use super::sort::{By, Found, SortKey, SortValue, compare};
use crate::query::{Query, Refusal};
use crate::store::schema::{FIELDS, source_of};
use crate::store::{Snapshot, StoreError};
use serde_json::value::RawValue;
use tantivy::query::Query as TantivyQuery;
use tantivy::schema::Value as _;
use tantivy::{Searcher, TantivyDocument};

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("cannot search")]
    Tantivy(#[from] tantivy::TantivyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which hits, and how many.
pub struct HitsRequest<'a> {
    pub sort: &'a [SortKey],
    pub from: usize,
    pub size: usize,
    pub after: Option<&'a [SortValue]>,
}

/// A partition and the query as it is to be run there.
pub struct Target<'a> {
    pub snapshot: &'a Snapshot,
    pub searcher: &'a Searcher,
    pub query: Box<dyn TantivyQuery>,
}

/// A document that was found.
pub struct Hit {
    pub index: String,
    pub id: String,
    pub score: f32,
    pub values: Vec<SortValue>,
    pub source: Box<RawValue>,
}

/// All hits of a search.
pub struct Hits {
    pub total: u64,
    pub score_max: Option<f32>,
    pub hits: Vec<Hit>,
}

/// `query` for each partition of `snapshots`.
pub fn targets<'a>(snapshots: &'a [Snapshot], query: &Query, now_millis: i64) -> Result<Vec<Target<'a>>, Refusal> {
    let mut targets = Vec::new();
    for snapshot in snapshots {
        let context = Context { index: &snapshot.name, mapping: &snapshot.mapping, now_millis };
        let query = build(query, &context)?;
        for (_, searcher) in &snapshot.partitions {
            targets.push(Target { snapshot, searcher, query: query.box_clone() });
        }
    }
    Ok(targets)
}

/// How many documents match.
pub fn count(targets: &[Target<'_>]) -> Result<u64, SearchError> {
    targets.iter().try_fold(0, |sum, target| {
        let number = target.searcher.search(&target.query, &tantivy::collector::Count)?;
        Ok(sum + number as u64)
    })
}

/// Finds the hits, and reads those that are asked for.
pub fn hits(targets: &[Target<'_>], request: &HitsRequest<'_>) -> Result<Hits, SearchError> {
    let by_score = [SortKey { by: By::Score, descending: true, missing_first: false, missing: None }];
    let keys = if request.sort.is_empty() { &by_score[..] } else { request.sort };
    let needs_score = keys.iter().any(|key| key.by == By::Score);
    let limit = request.from.saturating_add(request.size);
    if limit == 0 {
        return Ok(Hits { total: count(targets)?, score_max: None, hits: Vec::new() });
    }
    let mut total = 0;
    let mut all: Vec<(usize, Found)> = Vec::new();
    for (place, target) in targets.iter().enumerate() {
        let path = |key: &SortKey| match &key.by {
            By::Field(field) => target.snapshot.mapping.resolve(field).map(|(path, _)| path.to_owned()),
            By::Score | By::Written => None,
        };
        let paths = keys.iter().map(path).collect();
        let best = Best { keys, paths, limit, after: request.after, needs_score };
        let (found, number) = target.searcher.search(&target.query, &best)?;
        total += number;
        all.extend(found.into_iter().map(|found| (place, found)));
        // Between partitions only as many are kept as are asked for.
        all.sort_by(|(_, a), (_, b)| compare(keys, a, b));
        all.truncate(limit);
    }
    let score_max = all.first().filter(|_| needs_score).map(|(_, found)| found.score);
    let mut hits = Vec::new();
    for (place, found) in all.into_iter().skip(request.from) {
        hits.push(read(&targets[place], found)?);
    }
    Ok(Hits { total, score_max, hits })
}

fn read(target: &Target<'_>, found: Found) -> Result<Hit, SearchError> {
    let document: TantivyDocument = target.searcher.doc(found.address)?;
    let id = document.get_first(FIELDS.id).and_then(|id| id.as_str()).unwrap_or_default().to_owned();
    let source = source_of(&document, FIELDS.source).unwrap_or(b"{}");
    let source = serde_json::from_slice(source).map_err(|error| {
        tantivy::TantivyError::InternalError(format!("document {id:?} is not the JSON that it was: {error}"))
    })?;
    let index = target.snapshot.name.clone();
    Ok(Hit { index, id, score: found.score, values: found.values, source })
}
