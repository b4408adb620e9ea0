//! Runs a pipeline over lines without a broker: what `sluice pipeline run FILE < lines` does.

use std::io::{self, BufRead, Write};

use jiff::Timestamp;

use crate::document::{Document, Origin};
use crate::pipeline::{Context, Outcome, Pipeline};
use crate::slots::{Came, Fields, Page, Tally};

/// What a run over lines came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinesRun {
    pub lines: u64,
    /// Documents written, those of failed lines included.
    pub documents: u64,
    pub dropped: u64,
    pub failed: u64,
}

/// Bytes of the reader's buffer that are looked at at once: they stay in the processor's caches.
const BLOCK: usize = 1 << 15;
/// Bytes of documents that are gathered before they are written.
const GATHERED: usize = 1 << 15;

/// Reads lines until the end, and writes one document per line as NDJSON; a dropped document is no line. All lines
/// count as read at `now`. A last line without newline counts; carriage returns before newlines do not belong to lines.
/// Nothing is kept back while the reader is asked for more.
pub fn run_lines(
    pipeline: &Pipeline,
    now: Timestamp,
    mut lines: impl BufRead,
    mut documents: impl Write,
) -> io::Result<LinesRun> {
    let origin = Origin { timestamp_ms: now.as_millisecond(), ..Origin::default() };
    let context = Context::at(origin.timestamp_ms, now);
    let mut over =
        Over { pipeline, context, origin, tally: Tally::default(), page: Page::default(), run: LinesRun::default() };
    // The beginning of a line whose end is not in the reader's buffer.
    let mut begun: Vec<u8> = Vec::new();
    loop {
        let buffer = lines.fill_buf()?;
        let block = &buffer[..buffer.len().min(BLOCK)];
        let taken = match memchr::memrchr(b'\n', block) {
            Some(end) if begun.is_empty() => {
                over.block(&block[..end], &mut documents)?;
                end + 1
            }
            Some(_) => {
                let end = memchr::memchr(b'\n', block).unwrap_or(0);
                begun.extend_from_slice(&block[..end]);
                over.line(without_return(&begun));
                begun.clear();
                end + 1
            }
            None if !block.is_empty() => {
                begun.extend_from_slice(block);
                block.len()
            }
            None => break,
        };
        lines.consume(taken);
        over.write(&mut documents)?;
    }
    if !begun.is_empty() {
        over.line(&begun);
        over.write(&mut documents)?;
    }
    documents.flush()?;
    Ok(over.run)
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A run over lines.
struct Over<'p> {
    pipeline: &'p Pipeline,
    context: Context,
    origin: Origin<'static>,
    tally: Tally<'p>,
    page: Page,
    run: LinesRun,
}

impl Over<'_> {
    /// Runs over lines with a newline between each two. That they are texts is seen for all of them at once, as it is of most.
    fn block(&mut self, lines: &[u8], documents: &mut impl Write) -> io::Result<()> {
        let text = std::str::from_utf8(lines).ok();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', lines).chain([lines.len()]) {
            let line = without_return(&lines[start..end]);
            match text {
                Some(text) => self.text(Some(&text[start..start + line.len()]), line),
                None => self.line(line),
            }
            start = end + 1;
            if self.page.written().len() >= GATHERED {
                self.write(documents)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, documents: &mut impl Write) -> io::Result<()> {
        documents.write_all(self.page.written())?;
        self.page.clear();
        Ok(())
    }

    fn line(&mut self, line: &[u8]) {
        self.text(std::str::from_utf8(line).ok(), line);
    }

    /// Runs the pipeline over one line; its document, if there is one, becomes a line of `page`.
    fn text(&mut self, text: Option<&str>, line: &[u8]) {
        let Over { pipeline, context, origin, tally, page, run } = self;
        run.lines += 1;
        let write = |fields: &Fields<'_, '_>| {
            fields.write_line(page);
            Some(())
        };
        match pipeline.run_text(text, origin, context, tally, write) {
            Came::Tree => {}
            Came::Dropped => {
                run.dropped += 1;
                return;
            }
            Came::Done(()) => {
                run.documents += 1;
                return;
            }
        }
        let mut document = Document::from_line(line, origin);
        match pipeline.run(&mut document, context) {
            Outcome::Done => {}
            Outcome::Dropped => {
                run.dropped += 1;
                return;
            }
            Outcome::Failed(failure) => {
                run.failed += 1;
                document = Document::from_failed_line(line, origin, &failure);
            }
        }
        run.documents += 1;
        page.append(|json| {
            document.write_json(json);
            json.push(b'\n');
        });
    }
}
