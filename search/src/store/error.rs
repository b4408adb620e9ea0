//! What goes wrong below the requests.

use std::io;
use std::path::Path;
use std::sync::Arc;

/// Why the store could not do something. After a failed write it takes no more.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("cannot {action} {object}")]
    Io { action: &'static str, object: String, source: Arc<io::Error> },
    #[error("cannot {action} {object}")]
    Tantivy { action: &'static str, object: String, source: Arc<tantivy::TantivyError> },
    #[error("the store in {folder} is in use by another process")]
    Locked { folder: String },
    #[error("the store has ended")]
    Ended,
}

impl StoreError {
    pub(super) fn io(action: &'static str, path: &Path, error: io::Error) -> Self {
        Self::Io { action, object: path.display().to_string(), source: Arc::new(error) }
    }

    pub(super) fn tantivy(action: &'static str, path: &Path, error: tantivy::TantivyError) -> Self {
        Self::Tantivy { action, object: path.display().to_string(), source: Arc::new(error) }
    }
}

/// An error with its causes, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}
