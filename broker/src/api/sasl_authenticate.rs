//! SaslAuthenticate (key 36): one message of the exchange, and its answer (KIP-152).

use bytes::Bytes;
use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, Session, answer, last_answer, text};
use crate::connection::Turn;
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=2;

pub fn handle(node: &Arc<Node>, call: &Call, session: &mut Session, request: SaslAuthenticateRequest) -> Turn {
    let Some(users) = &node.security.users else {
        let error = ResponseError::IllegalSaslState;
        let response = SaslAuthenticateResponse::default()
            .with_error_code(error.code())
            .with_error_message(Some(text(error.to_string())));
        return last_answer(call, &response, "nobody asks for authentication here".to_owned());
    };
    match session.authentication.step(&request.auth_bytes, users) {
        Ok(message) => answer(
            call,
            &SaslAuthenticateResponse::default().with_error_message(None).with_auth_bytes(Bytes::from(message)),
        ),
        Err(error) => {
            node.counters.authentications_failed.inc();
            let response = SaslAuthenticateResponse::default()
                .with_error_code(ResponseError::SaslAuthenticationFailed.code())
                .with_error_message(Some(text(format!("Authentication failed: {error}"))));
            last_answer(call, &response, format!("authentication failed: {error}"))
        }
    }
}
