//! InitProducerId (key 22): an identity for an idempotent producer (KIP-98). Transactions are refused.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::Call;
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=5;

pub async fn handle(node: &Arc<Node>, call: &Call, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let refused = |error: ResponseError| {
        InitProducerIdResponse::default()
            .with_error_code(error.code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
    };
    if request.transactional_id.is_some() {
        // Not retriable, so that a client says at once that there are no transactions here.
        return refused(ResponseError::TransactionalIdAuthorizationFailed);
    }
    let may = call.rights.may_write_something();
    if let Err(error) = call.permitted(node, may, ResponseError::ClusterAuthorizationFailed) {
        return refused(error);
    }
    let ids = Arc::clone(node);
    // A fresh block is flushed to the disk, which blocks.
    let taken = tokio::task::spawn_blocking(move || ids.producer_ids.take()).await;
    match taken {
        Ok(Ok(id)) => InitProducerIdResponse::default().with_producer_id(ProducerId(id)).with_producer_epoch(0),
        Ok(Err(error)) => {
            tracing::error!("producer ids cannot be taken from the data directory: {error}");
            refused(ResponseError::KafkaStorageError)
        }
        Err(_) => refused(ResponseError::CoordinatorNotAvailable),
    }
}
