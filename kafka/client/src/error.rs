//! What can go wrong with a broker, by what the caller does about it.

use std::io;
use std::sync::Arc;

use kafka_wire::frame::FrameError;

use crate::code::ErrorCode;
use crate::topic_partition::TopicPartition;

/// Why a connection could not be made, or ended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectionError {
    #[error("no connection within {0:?}")]
    ConnectTimeout(std::time::Duration),
    #[error("no response within {0:?}")]
    RequestTimeout(std::time::Duration),
    #[error("connection failed")]
    Io(#[source] Arc<io::Error>),
    #[error("connection was closed by the broker")]
    ClosedByPeer,
    #[error("connection was closed")]
    Closed,
    #[error("response is not Kafka's")]
    Frame(#[source] FrameError),
    #[error("response has correlation id {got}; want {want}")]
    Correlation { got: i32, want: i32 },
    #[error("response without a request")]
    Unasked,
    #[error("malformed {api} response: {reason}")]
    Malformed { api: &'static str, reason: String },
    #[error("no TLS connection: {0}")]
    Tls(String),
    #[error("broker did not let us in: {0}")]
    Authentication(String),
    #[error("broker does not ask for a user; hint: leave sasl out, or name a port that does")]
    NoAuthentication,
    #[error("broker refused to tell its versions: {0}")]
    Versions(ErrorCode),
}

impl From<io::Error> for ConnectionError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// Why a call failed. [`ClientError::is_retriable`] says whether the same call may succeed later.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// Retriable: the broker cannot be reached, or the connection was lost with the call in flight (it may have been
    /// carried out).
    #[error("cannot reach broker {address}")]
    Unreachable {
        address: Arc<str>,
        #[source]
        source: ConnectionError,
    },
    /// Retriable: there is no such broker in the cluster (any more), or no bootstrap address.
    #[error("broker {0} is not known")]
    UnknownNode(i32),
    /// Retriable: no bootstrap address was given, or none answered.
    #[error("no broker is known")]
    NoBroker,
    /// Retriable: the partition has no leader, or does not exist yet.
    #[error("no leader is known for {0}")]
    LeaderUnknown(TopicPartition),
    /// The log no longer has, or does not have yet, the wanted offset.
    #[error("offset {offset} of {partition} is out of range")]
    OffsetOutOfRange { partition: TopicPartition, offset: i64 },
    /// The broker answered with an error code; some are retriable.
    #[error("{what}: broker answered {code}{}", message.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused { what: String, code: ErrorCode, message: Option<String> },
    /// The broker is too old or too new for the call.
    #[error("broker {address} does not speak {api} in a version that is known here")]
    Unsupported { address: Arc<str>, api: &'static str },
    /// The request cannot be written in the version that the broker speaks.
    #[error("cannot write {api} request in version {version}: {reason}")]
    Unwritable { api: &'static str, version: i16, reason: String },
}

impl ClientError {
    /// A broker's answer to `what`, such as `create topic "logs"`.
    pub fn refused(what: impl Into<String>, code: ErrorCode, message: Option<&str>) -> Self {
        Self::Refused { what: what.into(), code, message: message.filter(|text| !text.is_empty()).map(str::to_owned) }
    }

    /// Whether the same call may succeed later without anybody's help.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::UnknownNode(_) | Self::NoBroker | Self::LeaderUnknown(_) => true,
            Self::Refused { code, .. } => code.is_retriable(),
            Self::OffsetOutOfRange { .. } | Self::Unsupported { .. } | Self::Unwritable { .. } => false,
        }
    }

    /// The broker's error code, where it is the cause.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// The error and its causes in one line, for a trace or for [`crate::Client::problem`].
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
