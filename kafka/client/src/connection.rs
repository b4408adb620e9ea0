//! A pipe to a broker whose API versions are known.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_wire::protocol::protocol::{Request, StrBytes};

use crate::authenticate::{CORRELATION_IDS, authenticate};
use crate::call::{self, Call, api_name};
use crate::code::ErrorCode;
use crate::config::ClientConfig;
use crate::counters::Counters;
use crate::error::{ClientError, ConnectionError};
use crate::pipe::Pipe;
use crate::transport::Transport;
use crate::versions::Versions;

/// What brokers put into their connection metrics (KIP-511); the charset is checked there.
const SOFTWARE_NAME: &str = "sluice";
const SOFTWARE_VERSION: &str = env!("CARGO_PKG_VERSION");
/// Above it stand versions that change the request again.
const API_VERSIONS_MAX: i16 = 4;

/// Correlation ids 0 and 1 are used to negotiate.
const NEGOTIATION_IDS: i32 = 2;

/// A connection that is ready for calls. Clones share it.
#[derive(Clone)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
}

struct Shared {
    address: Arc<str>,
    client_id: String,
    request_timeout: Duration,
    pipe: Pipe,
    versions: Versions,
    correlation_id: AtomicI32,
    counters: Arc<Counters>,
}

impl Connection {
    /// Connects, asks for the versions, and says who it is where brokers want to know.
    pub async fn open(
        address: Arc<str>,
        config: &ClientConfig,
        counters: Arc<Counters>,
    ) -> Result<Self, ConnectionError> {
        let open = async {
            let transport = Transport::connect(&address, config.security.tls.as_ref()).await?;
            let pipe = Pipe::new(transport, config.response_bytes_max);
            let versions = negotiate(&pipe, config).await?;
            if let Some(sasl) = &config.security.sasl {
                authenticate(&pipe, config, sasl, &versions, NEGOTIATION_IDS).await?;
            }
            Ok((pipe, versions))
        };
        let (pipe, versions) = tokio::time::timeout(config.connect_timeout, open)
            .await
            .map_err(|_| ConnectionError::ConnectTimeout(config.connect_timeout))
            .flatten()?;
        Ok(Self {
            shared: Arc::new(Shared {
                address,
                client_id: config.client_id.clone(),
                request_timeout: config.request_timeout,
                pipe,
                versions,
                correlation_id: AtomicI32::new(NEGOTIATION_IDS + CORRELATION_IDS),
                counters,
            }),
        })
    }

    pub fn address(&self) -> &Arc<str> {
        &self.shared.address
    }

    pub fn is_ended(&self) -> bool {
        self.shared.pipe.is_ended()
    }

    pub fn next_correlation_id(&self) -> i32 {
        self.shared.correlation_id.fetch_add(1, Ordering::Relaxed)
    }

    /// The version of `R` for this broker, at most `max`.
    pub fn version<R: Request>(&self, max: i16) -> Result<i16, ClientError> {
        self.shared
            .versions
            .pick::<R>(max)
            .ok_or_else(|| ClientError::Unsupported { address: Arc::clone(&self.shared.address), api: api_name::<R>() })
    }

    /// Queues a whole frame at once; the future waits for the response's frame.
    pub fn send(
        &self,
        parts: Vec<Bytes>,
        correlation_id: i32,
        timeout: Duration,
    ) -> impl Future<Output = Result<Bytes, ConnectionError>> + Send + use<> {
        self.shared.counters.requests.inc();
        self.shared.pipe.send(parts, correlation_id, timeout)
    }

    /// Reads a response; a malformed one ends the connection.
    pub fn decode<R: Request>(&self, frame: Bytes, version: i16) -> Result<R::Response, ConnectionError> {
        call::decode::<R>(frame, version).map_err(|reason| {
            let error = ConnectionError::Malformed { api: api_name::<R>(), reason };
            self.shared.pipe.fail(error.clone());
            error
        })
    }

    /// Sends one request and waits for its response.
    pub async fn call<R: Request + Send + 'static>(&self, call: Call<R>) -> Result<R::Response, ClientError> {
        let version = self.version::<R>(call.version_max)?;
        let timeout = call.timeout.unwrap_or(self.shared.request_timeout);
        let correlation_id = self.next_correlation_id();
        let frame = call::encode(&call.request(version), version, correlation_id, &self.shared.client_id)
            .map_err(|reason| ClientError::Unwritable { api: api_name::<R>(), version, reason })?;
        let response = self.send(vec![frame], correlation_id, timeout).await;
        response.and_then(|frame| self.decode::<R>(frame, version)).map_err(|source| self.unreachable(source))
    }

    pub fn unreachable(&self, source: ConnectionError) -> ClientError {
        ClientError::Unreachable { address: Arc::clone(&self.shared.address), source }
    }
}

/// Asks for the versions with the newest request; a broker that does not know it answers in version 0 (KIP-35).
async fn negotiate(pipe: &Pipe, config: &ClientConfig) -> Result<Versions, ConnectionError> {
    let response = ask_versions(pipe, config, 0, API_VERSIONS_MAX).await?;
    let response = if response.error_code == ResponseError::UnsupportedVersion.code() {
        let known = response.api_keys.iter().find(|api| api.api_key == ApiVersionsRequest::KEY);
        let version = known.map_or(0, |api| api.max_version.clamp(0, API_VERSIONS_MAX));
        ask_versions(pipe, config, 1, version).await?
    } else {
        response
    };
    ErrorCode::check(response.error_code).map_err(ConnectionError::Versions)?;
    Ok(Versions::new(&response))
}

async fn ask_versions(
    pipe: &Pipe,
    config: &ClientConfig,
    correlation_id: i32,
    version: i16,
) -> Result<ApiVersionsResponse, ConnectionError> {
    let malformed = |reason| ConnectionError::Malformed { api: api_name::<ApiVersionsRequest>(), reason };
    let mut request = ApiVersionsRequest::default();
    if version >= 3 {
        request.client_software_name = StrBytes::from_static_str(SOFTWARE_NAME);
        request.client_software_version = StrBytes::from_static_str(SOFTWARE_VERSION);
    }
    let frame = call::encode(&request, version, correlation_id, &config.client_id).map_err(malformed)?;
    let response = pipe.send(vec![frame], correlation_id, config.request_timeout).await?;
    // Error code 35 is always in a response of version 0, whatever was asked.
    let unsupported = ResponseError::UnsupportedVersion.code().to_be_bytes();
    let version = if response.get(4..6) == Some(&unsupported) { 0 } else { version };
    call::decode::<ApiVersionsRequest>(response, version).map_err(malformed)
}
