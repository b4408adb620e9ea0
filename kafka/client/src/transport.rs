//! The stream of bytes to one broker: TCP, or TLS over it.

use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::net::TcpStream;

use crate::error::ConnectionError;
use crate::security::Tls;

/// Both directions of a connected stream.
pub(crate) struct Transport {
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    pub writer: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Transport {
    /// Connects to `HOST:PORT`, trying every address that the name has.
    pub async fn connect(address: &str, tls: Option<&Tls>) -> Result<Self, ConnectionError> {
        let stream = TcpStream::connect(address).await?;
        // A request is written whole; waiting for more to fill a packet would only add latency.
        stream.set_nodelay(true)?;
        if let Some(tls) = tls {
            let (reader, writer) = split(tls.connect(address, stream).await?);
            return Ok(Self { reader: Box::new(reader), writer: Box::new(writer) });
        }
        let (reader, writer) = stream.into_split();
        Ok(Self { reader: Box::new(reader), writer: Box::new(writer) })
    }
}
