//! Error codes of the protocol, by Kafka's own names (protocol guide, "Error Codes").

use std::fmt;

use kafka_wire::protocol::ResponseError;

/// An error code that a broker answered; never 0. Displays as Kafka's name, such as `NOT_LEADER_OR_FOLLOWER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode(ResponseError);

impl ErrorCode {
    /// `None` for 0, which is no error.
    pub fn from_wire(code: i16) -> Option<Self> {
        ResponseError::try_from_code(code).map(Self)
    }

    /// `Ok` for 0; else the code.
    pub fn check(code: i16) -> Result<(), Self> {
        Self::from_wire(code).map_or(Ok(()), Err)
    }

    /// The number on the wire.
    pub fn number(self) -> i16 {
        self.0.code()
    }

    /// The variant, for a `match`.
    pub fn kind(self) -> ResponseError {
        self.0
    }

    /// Whether Kafka's table says that the same request may succeed later.
    pub fn is_retriable(self) -> bool {
        self.0.is_retriable()
    }

    /// Whether the cached leaders are out of date.
    pub fn is_stale_metadata(self) -> bool {
        matches!(
            self.0,
            ResponseError::UnknownTopicOrPartition
                | ResponseError::LeaderNotAvailable
                | ResponseError::NotLeaderOrFollower
                | ResponseError::ReplicaNotAvailable
                | ResponseError::ListenerNotFound
                | ResponseError::FencedLeaderEpoch
                | ResponseError::UnknownLeaderEpoch
                | ResponseError::KafkaStorageError
                | ResponseError::UnknownTopicId
                | ResponseError::InconsistentTopicId
        )
    }
}

impl From<ResponseError> for ErrorCode {
    fn from(kind: ResponseError) -> Self {
        Self(kind)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ResponseError::Unknown(number) = self.0 {
            return write!(f, "error code {number}");
        }
        // The crate has the names in camel case; operators look for Kafka's spelling.
        for (index, letter) in format!("{:?}", self.0).chars().enumerate() {
            if index > 0 && letter.is_ascii_uppercase() {
                f.write_str("_")?;
            }
            write!(f, "{}", letter.to_ascii_uppercase())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let name = |code| ErrorCode::from_wire(code).map(|code| code.to_string());
        assert_eq!(name(0), None);
        assert_eq!(name(6).as_deref(), Some("NOT_LEADER_OR_FOLLOWER"));
        assert_eq!(name(-1).as_deref(), Some("UNKNOWN_SERVER_ERROR"));
        assert_eq!(name(1000).as_deref(), Some("error code 1000"));
    }
}
