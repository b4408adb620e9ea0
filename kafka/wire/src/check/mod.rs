//! A walk over the bytes of a message before `kafka-protocol` decodes it.
//!
//! That crate reserves what a count on the wire says: a Metadata request with the body `7fffffff` asks for 150 GB and
//! aborts the process. Here every count has to fit into the bytes that are left, all counts of a message together have
//! a limit, varints have their shortest form, and the message ends where the bytes end. The walk allocates nothing and
//! recurses as deep as the tables are nested, never as deep as the bytes say.
//!
//! Source of the shapes: the message schemas of Apache Kafka 4.1, as `kafka-protocol` 0.18 has them; the tests compare
//! the tables with its decoder and encoder.

mod head;
mod requests;
mod responses;
mod shape;
#[cfg(test)]
mod tests;
mod walk;

pub use head::{RequestHead, ResponseHead, request_header, response_header};

use shape::Message;
use walk::Walk;

/// Elements of all arrays of a request, and tagged fields. The decoder reserves up to about 200 bytes for one, so a
/// request takes at most 20 MB of memory beyond its own bytes; a consumer of 10,000 partitions needs 20,000.
pub const REQUEST_ELEMENTS_MAX: usize = 100_000;

/// Elements of all arrays of a response, and tagged fields: brokers answer what was asked, so there is room for the
/// metadata of 100,000 partitions with three replicas each, and an end to it.
pub const RESPONSE_ELEMENTS_MAX: usize = 1_000_000;

/// Why a message must not be decoded; the connection has to be closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    #[error("API key {0} is unknown")]
    UnknownApi(i16),
    #[error("version {api_version} of API key {api_key} is unknown")]
    UnknownVersion { api_key: i16, api_version: i16 },
    #[error("message ends within {field}")]
    CutOff { field: &'static str },
    #[error("length {length} of {field} is not possible")]
    Length { field: &'static str, length: i64 },
    #[error("count {count} of {field} does not fit the {left} bytes that are left")]
    Count { field: &'static str, count: usize, left: usize },
    #[error("message has more than {max} elements")]
    TooMany { max: usize },
    #[error("varint in {field} is too long")]
    Varint { field: &'static str },
    #[error("tagged field {field} does not have the announced size {size}")]
    TagSize { field: &'static str, size: usize },
    #[error("{bytes} bytes follow the end of the message")]
    Trailing { bytes: usize },
    #[error("client id is not UTF-8")]
    ClientId,
}

/// Checks the body of a request, the bytes after its header. Bytes that follow its end are let pass and not decoded, as
/// Apache Kafka does: librdkafka (at least 2.0 to 2.12) writes the null array of Metadata 9 and later, all topics, as four
/// zero bytes instead of one.
///
/// # Errors
/// The decoder must not see these bytes.
pub fn request(api_key: i16, api_version: i16, body: &[u8]) -> Result<(), CheckError> {
    Walk::over(find(requests::ALL, api_key, api_version)?, api_version, body, REQUEST_ELEMENTS_MAX).map(drop)
}

/// Checks the body of a response, the bytes after its header.
///
/// # Errors
/// The decoder must not see these bytes.
pub fn response(api_key: i16, api_version: i16, body: &[u8]) -> Result<(), CheckError> {
    match Walk::over(find(responses::ALL, api_key, api_version)?, api_version, body, RESPONSE_ELEMENTS_MAX)? {
        0 => Ok(()),
        bytes => Err(CheckError::Trailing { bytes }),
    }
}

fn find(table: &[&'static Message], api_key: i16, api_version: i16) -> Result<&'static Message, CheckError> {
    let message = find_api(table, api_key)?;
    match message.has(api_version) {
        true => Ok(message),
        false => Err(CheckError::UnknownVersion { api_key, api_version }),
    }
}

fn find_api(table: &[&'static Message], api_key: i16) -> Result<&'static Message, CheckError> {
    let message = table.iter().copied().find(|message| message.api_key == api_key);
    message.ok_or(CheckError::UnknownApi(api_key))
}
