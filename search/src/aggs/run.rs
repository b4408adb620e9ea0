//! Aggregations over all partitions that a search is about.

use super::collect::{Collecting, Prepared};
use super::partial::merge_all;
use super::request::Aggregation;
use super::{FieldColumn, FieldKind, Index};
use crate::exec::{Context, SearchError, Target, build};
use crate::query::{Query, Refusal};
use crate::store::schema::column;
use crate::store::{Kind, Mapping, Snapshot};
use serde_json::Value;
use tantivy::TantivyError;

/// Counts what the queries of `targets` find: how many documents, and the answer. `snapshots` are all indices that were asked, also those with no partition.
pub fn run(
    aggregations: &[Aggregation],
    targets: &[Target<'_>],
    snapshots: &[Snapshot],
    now_millis: i64,
) -> Result<(u64, Value), SearchError> {
    let (mut total, mut all) = (0, Vec::new());
    for target in targets {
        let snapshot = target.snapshot;
        let context = Context { index: &snapshot.name, mapping: &snapshot.mapping, now_millis };
        let prepared = Prepared::new(aggregations, &OfIndex { context }, target.searcher)?;
        let (number, partials) = target.searcher.search(&target.query, &Collecting(&prepared)).map_err(refused)?;
        total += number;
        merge_all(&mut all, partials);
    }
    let kind_of = |field: &str| snapshots.iter().filter_map(|snapshot| kind(&snapshot.mapping, field)).max();
    Ok((total, super::answer(aggregations, &all, now_millis, &kind_of)?))
}

pub(super) fn refused(error: TantivyError) -> SearchError {
    match error {
        // Nothing else in a request that was prepared is an invalid argument.
        TantivyError::InvalidArgument(reason) => {
            SearchError::Refused(Refusal::new("too_many_buckets_exception", reason))
        }
        error => SearchError::Tantivy(error),
    }
}

struct OfIndex<'a> {
    context: Context<'a>,
}

impl Index for OfIndex<'_> {
    fn field(&self, field: &str) -> Option<FieldColumn> {
        let (path, _) = self.context.mapping.resolve(field)?;
        Some(FieldColumn { column: column(path), kind: kind(self.context.mapping, field)? })
    }

    fn build(&self, query: &Query) -> Result<Box<dyn tantivy::query::Query>, Refusal> {
        build(query, &self.context)
    }
}

/// `None`: the field has no values that could be counted.
fn kind(mapping: &Mapping, field: &str) -> Option<FieldKind> {
    Some(match mapping.resolve(field)?.1.kind() {
        Kind::Date => FieldKind::Date,
        Kind::Keyword | Kind::Flat => FieldKind::Keyword,
        Kind::Text => FieldKind::Text,
        Kind::Long => FieldKind::Long,
        Kind::Double => FieldKind::Double,
        Kind::Boolean => FieldKind::Boolean,
        Kind::Ip => FieldKind::Ip,
        Kind::Place | Kind::Stored => return None,
    })
}
