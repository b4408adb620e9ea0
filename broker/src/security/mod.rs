//! Who may connect and what they may do: TLS, users with passwords, rights by topic.

pub(crate) mod listener;
pub(crate) mod rights;
pub(crate) mod sasl;
pub(crate) mod stream;
pub(crate) mod tls;
pub(crate) mod users;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

pub use listener::{Listener, ListenerError, SecurityProtocol};
pub use tls::TlsFiles;

use rights::Rights;
use tls::Acceptor;
use users::UsersFile;

/// Why security cannot be set up, with the file that stands in the way.
#[derive(Debug, thiserror::Error)]
pub enum SecurityError {
    #[error("listener {0} needs a certificate and a key")]
    NoCertificate(Listener),
    #[error("listener {0} needs a file of users")]
    NoUsers(Listener),
    #[error("listener {0} would be in the clear, for everybody who reaches that address")]
    InTheClear(Listener),
    #[error("read {path:?}: {reason}")]
    File { path: PathBuf, reason: String },
}

/// What the listeners of a broker need, checked.
#[derive(Debug)]
pub(crate) struct Security {
    pub acceptor: Option<Acceptor>,
    pub users: Option<UsersFile>,
    /// Of connections that name no user.
    pub anonymous: Arc<Rights>,
}

impl Security {
    /// Reads the files that the listeners need.
    ///
    /// # Errors
    /// A file is missing or broken, or a listener would be open to strangers without a word that allows it.
    pub fn open(config: &crate::Config) -> Result<Self, SecurityError> {
        for listener in &config.listen {
            let has_tls = listener.protocol.has_tls();
            if has_tls && config.tls.is_none() {
                return Err(SecurityError::NoCertificate(listener.clone()));
            }
            if listener.protocol.has_sasl() && config.users.is_none() {
                return Err(SecurityError::NoUsers(listener.clone()));
            }
            if !has_tls && !listener.address.ip().to_canonical().is_loopback() && !config.insecure {
                return Err(SecurityError::InTheClear(listener.clone()));
            }
        }
        let acceptor = config.tls.clone().map(Acceptor::open).transpose()?;
        let users = config.users.clone().map(UsersFile::open).transpose()?;
        Ok(Self { acceptor, users, anonymous: Arc::new(Rights::all()) })
    }
}

/// When these files changed last; `None` for one that is not there.
fn changed_at<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Vec<Option<SystemTime>> {
    paths.into_iter().map(|path| std::fs::metadata(path).and_then(|about| about.modified()).ok()).collect()
}
