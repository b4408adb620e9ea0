//! The section `broker` of `sluice.yaml`.

use super::size::Size;
use broker::{Listener, ListenerError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Records to segments and back.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BrokerSection {
    /// [PROTOCOL://]ADDRESS:PORT, with Kafka's names of protocols.
    pub listen: Option<Vec<ListenerText>>,
    /// [PROTOCOL://]HOST:PORT that clients are told to connect to, separated by commas.
    pub advertise: Option<String>,
    /// Certificate of the listeners with TLS.
    pub tls: Option<BrokerTls>,
    /// File of users, for the listeners with SASL.
    pub users: Option<PathBuf>,
    /// Whether listeners may be in the clear on addresses that others reach.
    pub insecure: Option<bool>,
    /// Directory of topics and offsets.
    pub data: Option<PathBuf>,
    /// Whether an acknowledgement waits for the disk.
    pub durability: Option<Durability>,
    /// What all topics together may take of the disk.
    pub disk_max: Option<Size>,
    /// Consumer groups that retention waits for.
    pub guard: Vec<String>,
    /// Configs under the names that they have in Kafka's server.properties.
    pub set: BTreeMap<String, Scalar>,
    /// Address of /health and /metrics [127.0.0.1:9601].
    pub status_listen: Option<SocketAddr>,
}

/// An address to listen on, as it is written.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[schemars(with = "String")]
#[serde(try_from = "String", into = "String")]
pub struct ListenerText(pub Listener);

impl TryFrom<String> for ListenerText {
    type Error = ListenerError;

    fn try_from(text: String) -> Result<Self, ListenerError> {
        text.parse().map(Self)
    }
}

impl From<ListenerText> for String {
    fn from(ListenerText(listener): ListenerText) -> Self {
        listener.to_string()
    }
}

/// Files in PEM form.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BrokerTls {
    /// The broker's certificate, followed by those that lead to its root.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// Roots of the certificates that clients have to show.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

/// When a producer that asks for acks=all has its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    Disk,
    PageCache,
}

/// A value of Kafka's configs, which YAML may take for a number or a flag.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Whole(whole) => whole.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}
