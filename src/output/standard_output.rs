//! Standard output as the far end: NDJSON where it is piped, a short readable form on a terminal.

use super::{append_ndjson, readable};
use crate::screen::Screen;
use async_trait::async_trait;
use pipelines::sink::{Closed, DocumentBatch, Outcome, Sink};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// Writes documents to standard output, a line each. Without ids at the far end, a document whose delivery was not
/// committed before a crash is written again by the next run.
pub struct StandardOutput {
    form: Form,
    screen: Screen,
    closed: AtomicBool,
    /// Cancelled when nobody reads standard output any more, as after `up | head`.
    stop: CancellationToken,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Ndjson,
    Readable,
}

impl StandardOutput {
    pub fn new(screen: &Screen, stop: CancellationToken) -> Arc<Self> {
        let form = match io::stdout().is_terminal() {
            true => Form::Readable,
            false => Form::Ndjson,
        };
        Arc::new(Self { form, screen: screen.clone(), closed: AtomicBool::new(false), stop })
    }

    /// The form in words, for the first screen.
    pub fn describe(&self) -> &'static str {
        match self.form {
            Form::Ndjson => "standard output, as NDJSON",
            Form::Readable => "standard output, a short line each (NDJSON when piped)",
        }
    }

    fn render(&self, batch: &DocumentBatch) -> Vec<u8> {
        let mut out = Vec::with_capacity(batch.json.len() + batch.items.len());
        if self.form == Form::Ndjson {
            append_ndjson(batch, &mut out);
            return out;
        }
        for item in batch.items.iter() {
            readable::render(batch.document(item), &mut out);
            out.push(b'\n');
        }
        out
    }
}

#[async_trait]
impl Sink for StandardOutput {
    async fn deliver(&self, batch: DocumentBatch) -> Result<Vec<Outcome>, Closed> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Closed);
        }
        let text = self.render(&batch);
        // A reader that stops reading stops this thread, and with it the fetching: that is the back-pressure. It must
        // not stop the runtime's other tasks on this thread, such as timers and commits.
        let screen = self.screen.clone();
        let is_terminal = self.form == Form::Readable;
        let write = move || {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&text).and_then(|()| stdout.flush())
        };
        let written = tokio::task::spawn_blocking(move || match is_terminal {
            true => screen.suspend(write),
            false => write(),
        })
        .await;
        match written {
            Ok(Ok(())) => Ok(vec![Outcome::Done; batch.items.len()]),
            Ok(Err(error)) => {
                if !self.closed.swap(true, Ordering::Relaxed) {
                    tracing::debug!("standard output is closed: {error}");
                }
                self.stop.cancel();
                Err(Closed)
            }
            Err(_) => Err(Closed),
        }
    }

    async fn flush(&self) {}

    fn problems(&self) -> Vec<String> {
        match self.closed.load(Ordering::Relaxed) {
            true => vec!["standard output is closed".to_owned()],
            false => Vec::new(),
        }
    }
}
