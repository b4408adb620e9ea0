//! An address to listen on, with what is spoken there.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// Kafka's security protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecurityProtocol {
    Plaintext,
    /// TLS.
    Ssl,
    SaslPlaintext,
    /// TLS, and a user with a password.
    SaslSsl,
}

impl SecurityProtocol {
    const ALL: [Self; 4] = [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl];

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    pub fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    pub fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// `[PROTOCOL://]ADDRESS:PORT`; without a protocol it is in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub protocol: SecurityProtocol,
    /// Port 0 takes a free one.
    pub address: SocketAddr,
    /// Host and port that clients of this listener are told to connect to; `None`: the address that the client already
    /// uses.
    pub advertise: Option<(String, u16)>,
}

/// The text is no listener.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no listener: want [PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL://]ADDRESS:PORT")]
pub struct ListenerError(pub String);

impl From<SocketAddr> for Listener {
    fn from(address: SocketAddr) -> Self {
        Self { protocol: SecurityProtocol::Plaintext, address, advertise: None }
    }
}

impl FromStr for Listener {
    type Err = ListenerError;

    fn from_str(text: &str) -> Result<Self, ListenerError> {
        let (name, address) = text.split_once("://").unwrap_or((SecurityProtocol::Plaintext.name(), text));
        let protocol = SecurityProtocol::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(name));
        match (protocol, address.parse()) {
            (Some(protocol), Ok(address)) => Ok(Self { protocol, address, advertise: None }),
            _ => Err(ListenerError(text.to_owned())),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.protocol.name(), self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(text.parse::<Listener>().ok().map(|one| one.to_string()).as_deref(), expect, "{text}");
    }

    #[test]
    fn listeners() {
        check("127.0.0.1:9092", Some("PLAINTEXT://127.0.0.1:9092"));
        check("sasl_ssl://0.0.0.0:9093", Some("SASL_SSL://0.0.0.0:9093"));
        check("SSL://[::1]:9094", Some("SSL://[::1]:9094"));
        check("TLS://127.0.0.1:1", None);
        check("localhost:9092", None);
        check("", None);
    }
}
