//! A typed request on its way: which versions it may use, how long it may take, and its bytes.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_wire::check;
use kafka_wire::frame::LENGTH_BYTES;
use kafka_wire::protocol::messages::RequestHeader;
use kafka_wire::protocol::protocol::{Decodable, Encodable, Request, StrBytes};

/// A request with what its sender wants of the call. Every request is a call with the defaults (`client.call_any(request)`).
pub struct Call<R> {
    build: Box<dyn FnOnce(i16) -> R + Send>,
    pub(crate) version_max: i16,
    pub(crate) timeout: Option<Duration>,
}

impl<R: Request + Send + 'static> Call<R> {
    pub fn new(request: R) -> Self {
        Self::build(move |_| request)
    }

    /// A request whose fields depend on the version that the broker speaks.
    pub fn build(build: impl FnOnce(i16) -> R + Send + 'static) -> Self {
        Self { build: Box::new(build), version_max: i16::MAX, timeout: None }
    }

    /// Does not use a version above `version`, such as the first that wants topic ids.
    pub fn version_max(mut self, version: i16) -> Self {
        self.version_max = version;
        self
    }

    /// Instead of the client's request timeout, for calls that the broker holds back (fetch, join group).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    pub(crate) fn request(self, version: i16) -> R {
        (self.build)(version)
    }
}

impl<R: Request + Send + 'static> From<R> for Call<R> {
    fn from(request: R) -> Self {
        Self::new(request)
    }
}

/// The name of a request's API for errors, such as `Metadata`.
pub(crate) fn api_name<R>() -> &'static str {
    let path = std::any::type_name::<R>();
    let name = path.rsplit("::").next().unwrap_or(path);
    name.strip_suffix("Request").unwrap_or(name)
}

/// A request header, as all requests have it.
pub(crate) fn request_header(key: i16, version: i16, correlation_id: i32, client_id: &str) -> RequestHeader {
    RequestHeader::default()
        .with_request_api_key(key)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_string(client_id.to_owned())))
}

/// The whole frame of a request.
pub(crate) fn encode<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) -> Result<Bytes, String> {
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    request_header(R::KEY, version, correlation_id, client_id)
        .encode(&mut frame, R::header_version(version))
        .and_then(|()| request.encode(&mut frame, version))
        .map_err(|error| error.to_string())?;
    let length = i32::try_from(frame.len() - LENGTH_BYTES).map_err(|error| error.to_string())?;
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(frame.freeze())
}

/// Reads the response to a request of this version from its frame. Nothing reaches the decoder unchecked, since it
/// reserves what a count on the wire says.
pub(crate) fn decode<R: Request>(mut frame: Bytes, version: i16) -> Result<R::Response, String> {
    let head = check::response_header(R::KEY, version, &frame).map_err(|error| error.to_string())?;
    frame.advance(head.body_offset);
    check::response(R::KEY, version, &frame).map_err(|error| error.to_string())?;
    R::Response::decode(&mut frame, version).map_err(|error| error.to_string())
}
