//! What becomes of a batch: the answer to its sender, and what a broker's error code means for it.

use kafka_wire::protocol::ResponseError;

use crate::code::ErrorCode;

/// The broker has a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// Offset of the first record; `None` when the broker had the batch already and no longer knows where.
    pub base_offset: Option<i64>,
}

/// Why a batch was not written. What may succeed later is retried inside and never comes out here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProduceError {
    /// Larger than the broker or the topic takes: split it. The parts may use the same sequences.
    #[error("record batch of {bytes} bytes is too large for the broker")]
    TooLarge { bytes: usize },
    /// The broker will never take this batch: it is malformed, its timestamp is out of range, the topic's name is
    /// invalid or writing to it is not allowed.
    #[error("broker refused the record batch: {code}{}", message.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused { code: ErrorCode, message: Option<String> },
    /// The broker refused the batch before it looked whether it has it, and an earlier attempt may have been written.
    /// The same batch may be sent again; under another sequence it might be there twice.
    #[error("broker refused a record batch that it may have: {code}")]
    Unsure { code: ErrorCode },
    /// What the broker knows of this producer id does not fit the batch. It is not written: take a new identity.
    #[error("broker's state of the producer does not fit the record batch: {code}")]
    SequenceLost { code: ErrorCode },
    /// A batch before this one failed, in the same partition. This one is not in the log: send it again when the
    /// failed one is mended.
    #[error("a record batch before this one failed")]
    Aborted,
    /// The producer was closed first. The batch may be in the log.
    #[error("the producer is closed")]
    Closed,
}

/// What an answer, or the lack of one, means for a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted {
        base_offset: Option<i64>,
    },
    /// The sequence is not the one that the broker expects next. Normal behind a batch that failed.
    Sequence(ErrorCode),
    TooLarge,
    Refused {
        code: ErrorCode,
        message: Option<String>,
    },
    /// Send it again.
    Retry {
        /// `None`: the connection was lost.
        code: Option<ErrorCode>,
        /// It may have been written all the same.
        written: bool,
    },
}

impl Verdict {
    /// The connection ended, or the response does not name the batch.
    pub const LOST: Self = Self::Retry { code: None, written: true };

    /// Reads a partition's part of a Produce response.
    pub fn of(code: i16, base_offset: i64, message: Option<&str>) -> Self {
        let Some(code) = ErrorCode::from_wire(code) else {
            return Self::Accepted { base_offset: Some(base_offset).filter(|offset| *offset >= 0) };
        };
        match code.kind() {
            ResponseError::DuplicateSequenceNumber => Self::Accepted { base_offset: None },
            ResponseError::OutOfOrderSequenceNumber
            | ResponseError::InvalidProducerEpoch
            | ResponseError::ProducerFenced
            | ResponseError::UnknownProducerId => Self::Sequence(code),
            ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge => Self::TooLarge,
            ResponseError::RequestTimedOut | ResponseError::NotEnoughReplicasAfterAppend => {
                Self::Retry { code: Some(code), written: true }
            }
            _ if code.is_retriable() => Self::Retry { code: Some(code), written: false },
            _ => Self::Refused { code, message: message.map(str::to_owned) },
        }
    }
}
