//! SaslHandshake (key 17): how the client is going to prove who it is (KIP-43).
//!
//! Version 0 is refused: its exchange would follow without Kafka's headers, which no client of these years does.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::{SaslHandshakeRequest, SaslHandshakeResponse};
use kafka_wire::sasl::Mechanism;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, NONE, Session, answer, last_answer, text};
use crate::connection::Turn;
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=1;

pub fn handle(_node: &Arc<Node>, call: &Call, session: &mut Session, request: SaslHandshakeRequest) -> Turn {
    let response = SaslHandshakeResponse::default()
        .with_mechanisms(Mechanism::ALL.iter().map(|mechanism| text(mechanism.name())).collect());
    let refused = |error: ResponseError| {
        let response = response.clone().with_error_code(error.code());
        last_answer(call, &response, format!("SASL handshake refused: {error}"))
    };
    if call.version == 0 {
        return refused(ResponseError::UnsupportedSaslMechanism);
    }
    match request.mechanism.parse::<Mechanism>() {
        Err(_) => refused(ResponseError::UnsupportedSaslMechanism),
        Ok(mechanism) if session.authentication.choose(mechanism) => answer(call, &response.with_error_code(NONE)),
        Ok(_) => refused(ResponseError::IllegalSaslState),
    }
}
