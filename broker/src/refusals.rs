//! What is refused, by reason. The reasons are a closed set and each is counted from the start, so that the first one is a rise.

use kafka_wire::frame::FrameError;
use kafka_wire::protocol::ResponseError;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::marker::PhantomData;

use crate::log::AppendError;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// A closed set of reasons.
pub(crate) trait Reason: Copy + 'static {
    const ALL: &'static [Self];

    /// As the metrics call it.
    fn label(self) -> &'static str;
}

/// How often something was refused, by reason; cheap to clone.
#[derive(Debug, Clone)]
pub struct Refusals<R> {
    counts: Family<ReasonLabel, Counter>,
    reasons: PhantomData<R>,
}

impl<R: Reason> Refusals<R> {
    pub fn count(&self, reason: R) {
        self.counts.get_or_create(&ReasonLabel { reason: reason.label() }).inc();
    }

    /// For the registry.
    pub(crate) fn family(&self) -> impl prometheus_client::registry::Metric + use<R> {
        self.counts.clone()
    }
}

impl<R: Reason> Default for Refusals<R> {
    fn default() -> Self {
        let counts = Family::default();
        for reason in R::ALL {
            drop(counts.get_or_create(&ReasonLabel { reason: reason.label() }));
        }
        Self { counts, reasons: PhantomData }
    }
}

macro_rules! reasons {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $reason:ident => $label:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $reason,)*
        }

        impl Reason for $name {
            const ALL: &'static [Self] = &[$(Self::$reason,)*];

            fn label(self) -> &'static str {
                match self {
                    $(Self::$reason => $label,)*
                }
            }
        }
    };
}

reasons! {
    /// Why a connection was closed that had done nothing wrong.
    ConnectionRefusal {
        /// There are as many as there may be.
        TooMany => "connections_max",
        /// Of this address.
        TooManyOfAddress => "connections_per_address_max",
        /// Nothing was asked for too long.
        Idle => "idle",
        /// It does not take its answers.
        Unread => "unread",
    }
}

reasons! {
    /// Why a request was not carried out. All but [`RequestRefusal::Authorization`] end the connection.
    RequestRefusal {
        /// Its bytes are not Kafka's protocol.
        Malformed => "malformed",
        /// An API, or a version of one, that is not advertised.
        NotServed => "not_served",
        /// Longer than a request may be.
        TooLarge => "too_large",
        /// The memory of all requests is used up.
        NoMemory => "memory",
        /// It was not finished in time.
        HalfRead => "half_read",
        /// No TLS connection came about.
        Tls => "tls",
        /// A wrong user or password, or a step of SASL out of turn.
        Authentication => "authentication",
        /// Asked for before the client has said who it is.
        Unauthenticated => "unauthenticated",
        /// The user may not use the topic or the group, or not administer; once for each that a request names.
        Authorization => "authorization",
        /// An answer cannot say it: acks=0, or it would be too long.
        Unanswerable => "unanswerable",
    }
}

reasons! {
    /// Why a record batch was not appended: Kafka's error, in small letters, but what KAFKA_STORAGE_ERROR says of four
    /// things has a reason each.
    BatchRefusal {
        CorruptMessage => "corrupt_message",
        InvalidRecord => "invalid_record",
        MessageTooLarge => "message_too_large",
        InvalidTimestamp => "invalid_timestamp",
        OutOfOrderSequenceNumber => "out_of_order_sequence_number",
        InvalidProducerEpoch => "invalid_producer_epoch",
        UnsupportedCompressionType => "unsupported_compression_type",
        NotEnoughReplicas => "not_enough_replicas",
        UnknownTopicOrPartition => "unknown_topic_or_partition",
        TopicAuthorizationFailed => "topic_authorization_failed",
        InvalidRequest => "invalid_request",
        /// The disk has refused the write; a full one, as a rule.
        Disk => "disk",
        /// The log has all of the disk that it may take.
        DiskMax => "disk_max",
        /// The partition could not be read at the start.
        Offline => "offline",
        /// A flush has failed, and the process is about to stop.
        Stopped => "stopped",
        Other => "other",
    }
}

impl From<ResponseError> for BatchRefusal {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::CorruptMessage => Self::CorruptMessage,
            ResponseError::InvalidRecord => Self::InvalidRecord,
            ResponseError::MessageTooLarge => Self::MessageTooLarge,
            ResponseError::InvalidTimestamp => Self::InvalidTimestamp,
            ResponseError::OutOfOrderSequenceNumber => Self::OutOfOrderSequenceNumber,
            ResponseError::InvalidProducerEpoch => Self::InvalidProducerEpoch,
            ResponseError::UnsupportedCompressionType => Self::UnsupportedCompressionType,
            ResponseError::NotEnoughReplicas => Self::NotEnoughReplicas,
            ResponseError::UnknownTopicOrPartition | ResponseError::UnknownTopicId => Self::UnknownTopicOrPartition,
            ResponseError::TopicAuthorizationFailed | ResponseError::TransactionalIdAuthorizationFailed => {
                Self::TopicAuthorizationFailed
            }
            ResponseError::InvalidRequest | ResponseError::InvalidRequiredAcks => Self::InvalidRequest,
            // What the log itself says of its disk is told apart before.
            ResponseError::KafkaStorageError => Self::Offline,
            _ => Self::Other,
        }
    }
}

impl From<&FrameError> for RequestRefusal {
    fn from(error: &FrameError) -> Self {
        match error {
            FrameError::Negative(_) => Self::Malformed,
            FrameError::TooLarge { .. } => Self::TooLarge,
        }
    }
}

/// Of what the log refuses by itself, where Kafka's error does not tell it.
pub(crate) fn of_append(error: &AppendError, answer: ResponseError) -> BatchRefusal {
    match error {
        AppendError::Disk(_) => BatchRefusal::Disk,
        AppendError::NoRoom { .. } => BatchRefusal::DiskMax,
        AppendError::Stopped => BatchRefusal::Stopped,
        _ => answer.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn check<R: Reason + std::fmt::Debug>() {
        let labels: HashSet<&str> = R::ALL.iter().map(|reason| reason.label()).collect();
        assert_eq!(labels.len(), R::ALL.len(), "each its own: {:?}", R::ALL);
    }

    #[test]
    fn labels_are_unique() {
        check::<ConnectionRefusal>();
        check::<RequestRefusal>();
        check::<BatchRefusal>();
    }
}
