//! Authentication with a user and a password (RFC 4422): what both sides of a connection say to each other. No I/O.

pub mod plain;
pub mod scram;

use std::fmt;
use std::str::FromStr;

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// The password itself (RFC 4616): only where the connection is encrypted.
    Plain,
    /// A proof that both sides know the password, which stays where it is (RFC 5802, RFC 7677).
    Scram(scram::Hash),
}

impl Mechanism {
    /// All mechanisms, the strongest first.
    pub const ALL: [Self; 3] = [Self::Scram(scram::Hash::Sha512), Self::Scram(scram::Hash::Sha256), Self::Plain];

    /// The name on the wire and in Kafka's `sasl.mechanism`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(scram::Hash::Sha256) => "SCRAM-SHA-256",
            Self::Scram(scram::Hash::Sha512) => "SCRAM-SHA-512",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is not a mechanism that is spoken here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown SASL mechanism {0:?}; want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")]
pub struct UnknownMechanism(pub String);

impl FromStr for Mechanism {
    type Err = UnknownMechanism;

    fn from_str(name: &str) -> Result<Self, UnknownMechanism> {
        let same = |mechanism: &Self| mechanism.name().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(same).ok_or_else(|| UnknownMechanism(name.to_owned()))
    }
}

/// Why an exchange ended without a user. What a client is told does not say which of the two was wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    #[error("a message of the exchange is malformed: {0}")]
    Malformed(&'static str),
    #[error("user or password is wrong")]
    Refused,
    /// The other side does not know the password either, and is not whom it should be.
    #[error("the server does not know the password")]
    ServerUnproven,
    #[error("the server said {0:?}")]
    ServerSaid(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mechanisms_have_names() {
        for mechanism in Mechanism::ALL {
            assert_eq!(mechanism.name().parse(), Ok(mechanism));
        }
        assert_eq!("scram-sha-256".parse(), Ok(Mechanism::Scram(scram::Hash::Sha256)));
        assert!("GSSAPI".parse::<Mechanism>().is_err());
    }
}
