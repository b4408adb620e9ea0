//! How a connection to a secured broker is made: TLS, and a user with a password.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig as TlsConfig, RootCertStore};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use kafka_wire::sasl::Mechanism;

use crate::error::ConnectionError;

/// What brokers ask for beside an address. The default is nothing: a connection in the clear.
#[derive(Debug, Clone, Default)]
pub struct Security {
    pub tls: Option<Tls>,
    pub sasl: Option<Sasl>,
}

/// A user and how it proves to be that.
#[derive(Clone)]
pub struct Sasl {
    pub mechanism: Mechanism,
    pub user: String,
    pub password: String,
}

/// The password stays out of traces.
impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sasl").field("mechanism", &self.mechanism).field("user", &self.user).finish_non_exhaustive()
    }
}

/// Files in PEM form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Roots of the brokers' certificates; without it those of the system.
    pub ca: Option<PathBuf>,
    /// The client's own certificate and its key, for brokers that ask for one.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// Whom to trust, and what to show, read once.
#[derive(Clone)]
pub struct Tls {
    config: Arc<TlsConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("read {path:?}: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("the system has no root certificates; hint: name a file of them")]
    NoRoots,
    #[error("a client certificate needs both a certificate and a key")]
    Half,
    #[error("set up TLS: {0}")]
    Setup(String),
}

impl Tls {
    /// # Errors
    /// A file is missing or broken, or certificate and key do not belong together.
    pub fn open(files: &TlsFiles) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        match &files.ca {
            Some(path) => {
                for root in certificates(path)? {
                    roots.add(root).map_err(|error| failed(path, error))?;
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    return Err(TlsError::NoRoots);
                }
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = TlsConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Setup(error.to_string()))?
            .with_root_certificates(roots);
        let config = match (&files.certificate, &files.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let chain = certificates(certificate)?;
                let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, error))?;
                builder.with_client_auth_cert(chain, secret).map_err(|error| failed(certificate, error))?
            }
            _ => return Err(TlsError::Half),
        };
        Ok(Self { config: Arc::new(config) })
    }

    /// Makes a TLS connection of `stream` with the broker at `HOST:PORT`, whose certificate has to name that host.
    pub(crate) async fn connect(
        &self,
        address: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, ConnectionError> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|error| ConnectionError::Tls(error.to_string()))?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(name, stream).await.map_err(|error| ConnectionError::Tls(error.to_string()))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(all) if all.is_empty() => Err(failed(path, "it holds no certificate")),
        all => all.map_err(|error| failed(path, error)),
    }
}

fn failed(path: &Path, reason: impl ToString) -> TlsError {
    TlsError::File { path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let sasl = Sasl { mechanism: Mechanism::Plain, user: "anna".into(), password: "geheim".into() };
        let shown = format!("{:?}", Security { tls: None, sasl: Some(sasl) });
        assert!(shown.contains("anna") && !shown.contains("geheim"), "{shown}");
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let missing = TlsFiles { ca: Some("/does/not/exist.pem".into()), ..Default::default() };
        assert!(matches!(Tls::open(&missing), Err(TlsError::File { .. })));
        let directory = std::env::temp_dir().join(format!("sluice-tls-{}", std::process::id()));
        std::fs::write(&directory, "no certificate").expect("a temporary file");
        let empty = TlsFiles { ca: Some(directory.clone()), ..Default::default() };
        let refused = Tls::open(&empty);
        std::fs::remove_file(&directory).expect("written above");
        assert!(matches!(refused, Err(TlsError::File { .. })), "{refused:?}");
    }
}
