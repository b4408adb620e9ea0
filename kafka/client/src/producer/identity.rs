//! The producer id and epoch under which a broker recognises repeated batches (KIP-98).

use std::sync::Mutex;

use kafka_wire::batch::NO_PRODUCER_ID;
use kafka_wire::protocol::messages::{InitProducerIdRequest, ProducerId};

use super::Producer;
use crate::code::ErrorCode;
use crate::error::ClientError;
use crate::lock::lock;

/// A producer id with its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProducerIdentity {
    pub id: i64,
    pub epoch: i16,
}

/// The identity in use.
#[derive(Debug, Default)]
pub(super) struct Slot(Mutex<Option<ProducerIdentity>>);

impl Producer {
    /// Asks the cluster for a new identity, whose sequences begin at 0 in every partition.
    pub async fn obtain_identity(&self) -> Result<ProducerIdentity, ClientError> {
        let identity = self.client.retry(|| self.obtain_identity_once()).await?;
        self.resume(identity);
        Ok(identity)
    }

    async fn obtain_identity_once(&self) -> Result<ProducerIdentity, ClientError> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            // There is no transaction that could time out; Java's producer says the same.
            .with_transaction_timeout_ms(i32::MAX)
            .with_producer_id(ProducerId(NO_PRODUCER_ID))
            .with_producer_epoch(-1);
        let response = self.client.call_any(request).await?;
        match ErrorCode::from_wire(response.error_code) {
            None => Ok(ProducerIdentity { id: response.producer_id.0, epoch: response.producer_epoch }),
            Some(code) => Err(ClientError::refused("obtain producer id", code, None)),
        }
    }

    /// Goes on with an identity from a journal.
    pub fn resume(&self, identity: ProducerIdentity) {
        *lock(&self.identity.0) = Some(identity);
    }

    /// The identity that was obtained or resumed last.
    pub fn identity(&self) -> Option<ProducerIdentity> {
        *lock(&self.identity.0)
    }
}
