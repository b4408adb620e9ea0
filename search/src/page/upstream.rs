//! What stands behind the page: somebody who answers HTTP requests. Who that is, how it is reached and with which
//! credentials is not the page's to know.

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use bytes::Bytes;

/// A request that was found fit to be passed on.
#[derive(Debug, Clone)]
pub struct Question {
    pub method: Method,
    /// Begins with a slash; may have a query.
    pub path: String,
    /// Media type and body.
    pub body: Option<(&'static str, Bytes)>,
}

/// Whatever came back, also an error of the server.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

/// Nobody answered. The message is for people and shows no credentials.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// A server.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// Asks once, or each of several equal nodes until one answers.
    async fn ask(&self, question: Question) -> Result<Answer, NoAnswer>;
}
