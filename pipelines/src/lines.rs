//! Runs a pipeline over lines without a broker: what `sluice pipeline run FILE < lines` does.

use std::io::{self, BufRead, Write};

use jiff::Timestamp;

use crate::document::{Document, Origin};
use crate::pipeline::{Context, Outcome, Pipeline};
use crate::slots::{Came, Fields};

/// What a run over lines came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinesRun {
    pub lines: u64,
    /// Documents written, those of failed lines included.
    pub documents: u64,
    pub dropped: u64,
    pub failed: u64,
}

/// Reads lines until the end, and writes one document per line as NDJSON; a dropped document is no line. All lines
/// count as read at `now`. A last line without newline counts; carriage returns before newlines do not belong to lines.
pub fn run_lines(
    pipeline: &Pipeline,
    now: Timestamp,
    mut lines: impl BufRead,
    mut documents: impl Write,
) -> io::Result<LinesRun> {
    let origin = Origin { timestamp_ms: now.as_millisecond(), ..Origin::default() };
    let context = Context::at(origin.timestamp_ms, now);
    let mut run = LinesRun::default();
    let mut json = Vec::new();
    // The beginning of a line whose end is not in the reader's buffer.
    let mut begun: Vec<u8> = Vec::new();
    loop {
        let buffer = lines.fill_buf()?;
        let end = memchr::memchr(b'\n', buffer);
        let (line, taken) = match end {
            Some(end) if begun.is_empty() => (&buffer[..end], end + 1),
            Some(end) => {
                begun.extend_from_slice(&buffer[..end]);
                (&begun[..], end + 1)
            }
            None if buffer.is_empty() && begun.is_empty() => break,
            None if buffer.is_empty() => (&begun[..], 0),
            None => {
                let taken = buffer.len();
                begun.extend_from_slice(buffer);
                lines.consume(taken);
                continue;
            }
        };
        let line = if end.is_some() { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
        run.line(pipeline, &context, &origin, line, &mut json);
        lines.consume(taken);
        begun.clear();
        documents.write_all(&json)?;
        json.clear();
    }
    documents.flush()?;
    Ok(run)
}

impl LinesRun {
    /// Runs a pipeline over one line; its document, if there is one, becomes a line of `json`.
    fn line(&mut self, pipeline: &Pipeline, context: &Context, origin: &Origin<'_>, line: &[u8], json: &mut Vec<u8>) {
        self.lines += 1;
        let write = |fields: &Fields<'_, '_>| {
            fields.write_json(json);
            Some(())
        };
        match pipeline.run_line(line, origin, context, write) {
            Came::Tree => {}
            Came::Dropped => {
                self.dropped += 1;
                return;
            }
            Came::Done(()) => {
                self.documents += 1;
                json.push(b'\n');
                return;
            }
        }
        let mut document = Document::from_line(line, origin);
        match pipeline.run(&mut document, context) {
            Outcome::Done => {}
            Outcome::Dropped => {
                self.dropped += 1;
                return;
            }
            Outcome::Failed(failure) => {
                self.failed += 1;
                document = Document::from_failed_line(line, origin, &failure);
            }
        }
        self.documents += 1;
        document.write_json(json);
        json.push(b'\n');
    }
}
