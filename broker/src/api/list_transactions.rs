//! ListTransactions (key 66): there are none (KIP-664).

use kafka_wire::protocol::messages::{ListTransactionsRequest, ListTransactionsResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::Call;
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=2;

/// Kafka's `TransactionState`, as its tools name them.
const STATES: [&str; 8] = [
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "PrepareEpochFence",
    "Dead",
];

pub async fn handle(_node: &Arc<Node>, _call: &Call, request: ListTransactionsRequest) -> ListTransactionsResponse {
    let unknown = request.state_filters.into_iter().filter(|state| !STATES.contains(&state.as_str()));
    ListTransactionsResponse::default().with_unknown_state_filters(unknown.collect())
}
