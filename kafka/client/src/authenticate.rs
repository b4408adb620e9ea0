//! The exchange by which a new connection says who it is (KIP-43, KIP-152), before its first call.

use bytes::Bytes;
use kafka_wire::protocol::messages::{
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_wire::protocol::protocol::{Request, StrBytes};
use kafka_wire::sasl::{Mechanism, SaslError, plain, scram};

use crate::call::{self, api_name};
use crate::code::ErrorCode;
use crate::config::ClientConfig;
use crate::error::ConnectionError;
use crate::pipe::Pipe;
use crate::security::Sasl;
use crate::versions::Versions;

/// Correlation ids that the exchange may use, from the first free one on: handshake, and two messages.
pub(crate) const CORRELATION_IDS: i32 = 3;
/// Version 0 of the handshake would be followed by messages without Kafka's headers.
const HANDSHAKE_VERSION: i16 = 1;

/// Proves to the broker that this is `sasl.user`.
///
/// # Errors
/// The broker knows neither SASL nor the mechanism, refuses, or does not know the password itself (SCRAM).
pub(crate) async fn authenticate(
    pipe: &Pipe,
    config: &ClientConfig,
    sasl: &Sasl,
    versions: &Versions,
    correlation_id: i32,
) -> Result<(), ConnectionError> {
    let version = versions.pick::<SaslAuthenticateRequest>(i16::MAX).ok_or(ConnectionError::NoAuthentication)?;
    let mut exchange = Exchange { pipe, config, version, correlation_id };
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(sasl.mechanism.name()));
    let response: SaslHandshakeResponse = exchange.ask(request, HANDSHAKE_VERSION).await?;
    if response.error_code != 0 {
        let offered: Vec<&str> = response.mechanisms.iter().map(|one| one.as_str()).collect();
        let reason = format!("{} was refused; offered: {}", sasl.mechanism, offered.join(", "));
        return Err(ConnectionError::Authentication(reason));
    }
    match sasl.mechanism {
        Mechanism::Plain => exchange.say(plain::message(&sasl.user, &sasl.password)).await.map(drop),
        Mechanism::Scram(hash) => {
            let (mut client, first) = scram::Client::start(hash, &sasl.user, &nonce());
            let answer = exchange.say(first).await?;
            let last = client.prove(&sasl.password, &answer).map_err(refused)?;
            let answer = exchange.say(last).await?;
            client.finish(&answer).map_err(refused)
        }
    }
}

/// Printable characters that nobody can foresee.
fn nonce() -> String {
    let bytes = ring_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ring_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    let provider = rustls::crypto::ring::default_provider();
    provider.secure_random.fill(&mut bytes).expect("the system has random numbers");
    bytes
}

fn refused(error: SaslError) -> ConnectionError {
    ConnectionError::Authentication(error.to_string())
}

struct Exchange<'a> {
    pipe: &'a Pipe,
    config: &'a ClientConfig,
    version: i16,
    correlation_id: i32,
}

impl Exchange<'_> {
    async fn ask<R: Request>(&mut self, request: R, version: i16) -> Result<R::Response, ConnectionError> {
        let malformed = |reason| ConnectionError::Malformed { api: api_name::<R>(), reason };
        let id = self.correlation_id;
        self.correlation_id += 1;
        let frame = call::encode(&request, version, id, &self.config.client_id).map_err(malformed)?;
        let response = self.pipe.send(vec![frame], id, self.config.request_timeout).await?;
        call::decode::<R>(response, version).map_err(malformed)
    }

    async fn say(&mut self, message: Vec<u8>) -> Result<Bytes, ConnectionError> {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(message.into());
        let response: SaslAuthenticateResponse = self.ask(request, self.version).await?;
        match ErrorCode::check(response.error_code) {
            Ok(()) => Ok(response.auth_bytes),
            Err(code) => {
                let message = response.error_message.filter(|text| !text.is_empty());
                let reason = message.map_or_else(|| code.to_string(), |text| text.to_string());
                Err(ConnectionError::Authentication(reason))
            }
        }
    }
}
