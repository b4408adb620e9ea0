//! DescribeTransactions (key 65): there are none (KIP-664).

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::describe_transactions_response::TransactionState;
use kafka_wire::protocol::messages::{DescribeTransactionsRequest, DescribeTransactionsResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::Call;
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=0;

pub async fn handle(
    _node: &Arc<Node>,
    _call: &Call,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let unknown = |id| {
        TransactionState::default()
            .with_transactional_id(id)
            .with_error_code(ResponseError::TransactionalIdNotFound.code())
    };
    DescribeTransactionsResponse::default()
        .with_transaction_states(request.transactional_ids.into_iter().map(unknown).collect())
}
