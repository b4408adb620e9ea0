//! TLS of the listeners (rustls): the certificate, its key, and whose certificates clients have to show.

use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio_rustls::TlsAcceptor;

use super::{SecurityError, changed_at};

/// Between two looks at whether a file has changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Files in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The broker's certificate, followed by those that lead to its root.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Roots of the certificates that clients have to show; without it they show none.
    pub client_ca: Option<PathBuf>,
}

/// Makes TLS connections with the certificate that is in the files now.
pub(crate) struct Acceptor {
    files: TlsFiles,
    state: Mutex<State>,
}

struct State {
    config: Arc<ServerConfig>,
    changed_at: Vec<Option<SystemTime>>,
    looked_at: Instant,
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Acceptor {
    /// # Errors
    /// A file is missing or broken, or key and certificate do not belong together.
    pub fn open(files: TlsFiles) -> Result<Self, SecurityError> {
        let changed_at = changed_at(files.paths());
        let config = Arc::new(files.read()?);
        Ok(Self { files, state: Mutex::new(State { config, changed_at, looked_at: Instant::now() }) })
    }

    /// For a new connection. Files that have changed are read again; broken ones leave everything as it was.
    pub fn current(&self) -> TlsAcceptor {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked_at.elapsed() >= LOOK_INTERVAL {
            state.looked_at = Instant::now();
            let now = changed_at(self.files.paths());
            if now != state.changed_at {
                match self.files.read() {
                    Ok(config) => {
                        tracing::info!("read the certificate again");
                        state.config = Arc::new(config);
                        state.changed_at = now;
                    }
                    // Looked at again: certificate and key are seldom replaced at the same moment.
                    Err(error) => tracing::error!("the certificate stays as it was: {error}"),
                }
            }
        }
        TlsAcceptor::from(Arc::clone(&state.config))
    }
}

impl TlsFiles {
    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.certificate, &self.key].into_iter().chain(&self.client_ca)
    }

    fn read(&self) -> Result<ServerConfig, SecurityError> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| failed(&self.key, error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&self.certificate, error))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(path)? {
                    roots.add(root).map_err(|error| failed(path, error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(|error| failed(path, error))?)
            }
        };
        builder.with_single_cert(chain, key).map_err(|error| failed(&self.certificate, error))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SecurityError> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(all) if all.is_empty() => Err(failed(path, "it holds no certificate")),
        all => all.map_err(|error| failed(path, error)),
    }
}

fn failed(path: &Path, reason: impl ToString) -> SecurityError {
    SecurityError::File { path: path.to_owned(), reason: reason.to_string() }
}
