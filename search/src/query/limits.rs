//! How large a query may be.

use super::error::Refusal;

/// Queries in queries, parentheses in parentheses: each is a call on the stack here and in the execution. Elasticsearch's
/// limit for `bool`.
const DEPTH_MAX: usize = 30;
/// Leaves of a query, after a pattern has become fields: each is looked up in every segment's dictionary.
const LEAVES_MAX: usize = 8192;
/// Values of one `terms` query, as in Elasticsearch (`index.max_terms_count`).
pub(super) const TERMS_MAX: usize = 65_536;
/// Bytes of a query in Lucene's syntax, as in OpenSearch (`search.query.max_query_string_length`).
pub(super) const QUERY_STRING_BYTES_MAX: usize = 32_000;
/// Bytes of a pattern: its automaton has a state for each.
pub(super) const PATTERN_BYTES_MAX: usize = 1000;
/// How far apart a phrase's words may be: positions are compared for each.
pub(super) const SLOP_MAX: u32 = 1000;

/// What one request has used of the limits.
#[derive(Debug, Default)]
pub struct Limits {
    depth: usize,
    leaves: usize,
}

impl Limits {
    /// Runs `inner` one level deeper.
    pub(super) fn nested<T, S>(
        subject: &mut S,
        limits: impl Fn(&mut S) -> &mut Limits,
        inner: impl FnOnce(&mut S) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        limits(subject).depth += 1;
        if limits(subject).depth > DEPTH_MAX {
            return Err(Refusal::argument(format!("The query contains a nested query depth > {DEPTH_MAX}")));
        }
        let result = inner(subject);
        limits(subject).depth -= 1;
        result
    }

    /// Counts `count` leaves more.
    pub(super) fn leaves(&mut self, count: usize) -> Result<(), Refusal> {
        self.leaves += count;
        match self.leaves > LEAVES_MAX {
            true => Err(Refusal::new("too_many_clauses", format!("maxClauseCount is set to {LEAVES_MAX}"))),
            false => Ok(()),
        }
    }
}
