//! Request and response headers: what stands in front of every body (protocol guide, "Request Headers"; KIP-482).
//!
//! ```text
//! request v1   api key i16, api version i16, correlation id i32, client id nullable string (16-bit length)
//! request v2   the same, then tagged fields; the client id keeps its 16-bit length
//! response v0  correlation id i32
//! response v1  the same, then tagged fields
//! ```
//! Version 0 of the request header, without a client id, belonged to ControlledShutdown alone, which Kafka 4 no longer
//! has.

use super::walk::Walk;
use super::{CheckError, find_api, requests, responses};

const API_VERSIONS: i16 = 18;

/// The header of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHead<'a> {
    pub api_key: i16,
    /// Not yet checked: a version that [`super::request`] refuses may be answered, as ApiVersions has to be (KIP-511).
    pub api_version: i16,
    pub correlation_id: i32,
    pub client_id: Option<&'a str>,
    /// Where the body starts in the frame.
    pub body_offset: usize,
}

/// The header of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseHead {
    pub correlation_id: i32,
    /// Where the body starts in the frame.
    pub body_offset: usize,
}

/// Reads the header at the front of `frame`.
///
/// # Errors
/// An API that is not in the tables has no known header version, and the connection has to be closed, as for a header
/// that is cut off or malformed.
pub fn request_header(frame: &[u8]) -> Result<RequestHead<'_>, CheckError> {
    let mut walk = Walk::start(frame);
    let api_key = walk.i16("api key")?;
    let api_version = walk.i16("api version")?;
    let correlation_id = walk.i32("correlation id")?;
    let message = find_api(requests::ALL, api_key)?;
    let client_id = walk.text("client id")?.map(std::str::from_utf8).transpose().map_err(|_| CheckError::ClientId)?;
    if message.is_flexible(api_version) {
        walk.tagged("request header", &[])?;
    }
    Ok(RequestHead { api_key, api_version, correlation_id, client_id, body_offset: frame.len() - walk.left() })
}

/// Reads the header at the front of `frame`, the answer to a request of this API and version.
///
/// # Errors
/// The API is not in the tables, or the header is cut off or malformed.
pub fn response_header(api_key: i16, api_version: i16, frame: &[u8]) -> Result<ResponseHead, CheckError> {
    let message = find_api(responses::ALL, api_key)?;
    let mut walk = Walk::start(frame);
    let correlation_id = walk.i32("correlation id")?;
    // ApiVersions answers with the old header whatever its version: the asker does not know yet what the broker speaks.
    if api_key != API_VERSIONS && message.is_flexible(api_version) {
        walk.tagged("response header", &[])?;
    }
    Ok(ResponseHead { correlation_id, body_offset: frame.len() - walk.left() })
}
