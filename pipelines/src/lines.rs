//! Runs a pipeline over lines without a broker: what `sluice pipeline run FILE < lines` does.

use std::io::{self, BufRead, Write};

use jiff::Timestamp;

use crate::document::{Document, Origin};
use crate::pipeline::{Context, Outcome, Pipeline};

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
    let mut line = Vec::new();
    let mut json = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        }
        run.lines += 1;
        let mut document = Document::from_line(&line, &origin);
        match pipeline.run(&mut document, &context) {
            Outcome::Done => {}
            Outcome::Dropped => {
                run.dropped += 1;
                line.clear();
                continue;
            }
            Outcome::Failed(failure) => {
                run.failed += 1;
                document = Document::from_failed_line(&line, &origin, &failure);
            }
        }
        run.documents += 1;
        document.write_json(&mut json);
        json.push(b'\n');
        documents.write_all(&json)?;
        json.clear();
        line.clear();
    }
    documents.flush()?;
    Ok(run)
}
