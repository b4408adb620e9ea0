//! From fetched record batches to documents in JSON: the part of the worker that costs CPU.

mod source;

use super::config::Choice;
use super::identity;
use super::index::{IndexPattern, Indices, settle_time, sound_time};
use super::ledger::Span;
use crate::document::{Document, Origin};
use crate::library;
use crate::pipeline::{Context, Failure, Outcome, Pipeline};
use crate::sink::{DocumentBatch, DocumentId, Framing, Item, Op, Spares};
use crate::slots::{Came, Tally};
use jiff::Timestamp;
use kafka_client::TopicPartition;
use kafka_wire::batch::{BatchHeader, Batches, Record, RecordParts};
use source::Source;
use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

/// Bytes of one batch's records in plain form. Kafka's default for a batch is 1 MiB compressed, and logs that repeat
/// themselves are compressed up to a hundredfold; beyond that it is a bomb.
pub(crate) const PLAIN_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes of documents that are made in one go: what would be more is left for the next one.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A buffer for records in plain form that is larger than this is not kept.
const PLAIN_BYTES_KEPT_MAX: usize = 4 * 1024 * 1024;
/// Items for which room is made at once; a span can be much longer where a topic is compacted.
const ITEMS_RESERVED_MAX: usize = 16 * 1024;
const LOCK: &str = "nothing panics while it holds the buffers";
/// More than is expected is reserved by a part of it: a buffer that grows is copied.
const RESERVE_PART: usize = 8;

/// Turns records into documents.
pub(crate) struct Renderer {
    /// By dataset.
    exact: HashMap<String, Choice>,
    /// For all other datasets.
    rest: Option<Choice>,
    ready_made: HashMap<&'static str, Arc<Pipeline>>,
    index: IndexPattern,
    framing: Option<Arc<dyn Framing>>,
    spares: Arc<Spares>,
    /// Buffers for records in plain form, one for each thread that has ever worked at the same time.
    plain: Mutex<Vec<Vec<u8>>>,
}

/// The documents of a run of record batches.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    /// Has the items when all are made.
    pub batch: DocumentBatch,
    pub items: Vec<Item>,
    /// The record's offset for each item of the batch.
    pub offsets: Vec<i64>,
    /// The offset behind the last record that was looked at: where to go on, if it is not the span's end.
    pub next: i64,
    pub records: u64,
    pub dropped: u64,
    /// Documents whose pipeline failed; they are in the batch.
    pub failed: u64,
    /// What cannot be read, now or ever.
    pub unreadable: Vec<Unreadable>,
}

impl Rendered {
    /// What it takes in memory, about.
    pub fn bytes(&self) -> usize {
        self.batch.json.capacity() + self.frame_bytes()
    }

    /// What it takes beside the documents.
    pub fn frame_bytes(&self) -> usize {
        self.offsets.capacity() * (size_of::<i64>() + size_of::<Item>())
    }

    fn complete(mut self) -> Self {
        self.batch.items = Arc::new(std::mem::take(&mut self.items));
        self
    }
}

/// Records whose bytes are not what a producer should write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub first: i64,
    pub last: i64,
    pub reason: String,
}

impl Renderer {
    pub fn new(pipelines: Vec<(String, Choice)>, index: IndexPattern, framing: Option<Arc<dyn Framing>>) -> Self {
        let load = |name| Arc::new(Pipeline::load(name).expect("the library's tests load every ready-made pipeline"));
        let ready_made = match pipelines.iter().any(|(_, choice)| matches!(choice, Choice::ByDataset)) {
            true => library::names_for_datasets().map(|name| (name, load(name))).collect(),
            false => HashMap::new(),
        };
        let (rest, exact): (Vec<_>, Vec<_>) = pipelines.into_iter().partition(|(dataset, _)| dataset == "*");
        let rest = rest.into_iter().next().map(|(_, choice)| choice);
        Self {
            exact: exact.into_iter().collect(),
            rest,
            ready_made,
            index,
            framing,
            spares: Arc::default(),
            plain: Mutex::default(),
        }
    }

    /// Renders the records of `batches`, whole record batches, that are in `span`, or as many of them as fit into
    /// [`DOCUMENT_BYTES_MAX`]. About `bytes` are expected.
    pub fn render(
        &self,
        partition: &TopicPartition,
        topic_id: Option<[u8; 16]>,
        batches: &[u8],
        span: Span,
        bytes: usize,
    ) -> Rendered {
        let mut rendered = Rendered { next: span.first, ..Rendered::default() };
        let reserved = (bytes + bytes / RESERVE_PART).min(DOCUMENT_BYTES_MAX);
        rendered.batch = DocumentBatch {
            json: self.spares.take(reserved),
            is_framed: self.framing.is_some(),
            spares: Some(Arc::clone(&self.spares)),
            partition: partition.partition,
            ..DocumentBatch::default()
        };
        let expected =
            usize::try_from(span.next.saturating_sub(span.first)).unwrap_or_default().min(ITEMS_RESERVED_MAX);
        rendered.items.reserve(expected);
        rendered.offsets.reserve(expected);
        let mut run = Run {
            renderer: self,
            indices: Indices::new(&self.index),
            partition_hash: identity::partition_hash(&partition.topic, topic_id, partition.partition),
            now: Timestamp::now(),
            plain: self.plain.lock().expect(LOCK).pop().unwrap_or_default(),
            line: 0..0,
        };
        let mut tally = Tally::default();
        // The worker has walked over the same batches before, so no header is malformed here.
        for (header, batch) in Batches::new(batches).flatten() {
            if header.is_control() || header.last_offset() < span.first || header.base_offset >= span.next {
                continue;
            }
            match run.render_batch(&header, batch, span, &mut rendered, &mut tally) {
                Ok(true) => {}
                Ok(false) => {
                    self.keep(run.plain);
                    return rendered.complete();
                }
                Err(unreadable) => rendered.unreadable.push(unreadable),
            }
        }
        self.keep(run.plain);
        rendered.next = span.next;
        rendered.complete()
    }

    /// Keeps a buffer for records, unless it is one that held many of them or a large one.
    fn keep(&self, buffer: Vec<u8>) {
        if buffer.capacity() <= PLAIN_BYTES_KEPT_MAX {
            self.plain.lock().expect(LOCK).push(buffer);
        }
    }

    /// Every pipeline that a record can pass, each once.
    pub fn pipelines(&self) -> Vec<Arc<Pipeline>> {
        let chosen = self.exact.values().chain(&self.rest).filter_map(|choice| match choice {
            Choice::Pipeline(pipeline) => Some(pipeline),
            Choice::ByDataset => None,
        });
        let mut pipelines: Vec<Arc<Pipeline>> = Vec::new();
        for pipeline in chosen.chain(self.ready_made.values()) {
            if !pipelines.iter().any(|known| Arc::ptr_eq(known, pipeline)) {
                pipelines.push(Arc::clone(pipeline));
            }
        }
        pipelines
    }

    fn pipeline(&self, dataset: Option<&str>) -> Option<&Pipeline> {
        let exact = dataset.and_then(|dataset| self.exact.get(dataset));
        match exact.or(self.rest.as_ref())? {
            Choice::Pipeline(pipeline) => Some(pipeline),
            Choice::ByDataset => {
                self.ready_made.get(library::for_dataset(dataset.unwrap_or_default())).map(|pipeline| &**pipeline)
            }
        }
    }
}

/// One call of [`Renderer::render`].
struct Run<'a> {
    renderer: &'a Renderer,
    indices: Indices<'a>,
    partition_hash: u64,
    now: Timestamp,
    /// What the last batch was decompressed to.
    plain: Vec<u8>,
    /// Where the sink's line before the last document is.
    line: Range<usize>,
}

impl<'a> Run<'a> {
    /// Whether there is room for more documents.
    fn render_batch(
        &mut self,
        header: &BatchHeader,
        batch: &[u8],
        span: Span,
        rendered: &mut Rendered,
        tally: &mut Tally<'a>,
    ) -> Result<bool, Unreadable> {
        let last = header.last_offset();
        let unreadable = |first: i64, reason: String| Unreadable { first, last, reason };
        let mut next = header.base_offset.max(span.first);
        header.verify_crc(batch).map_err(|error| unreadable(next, error.to_string()))?;
        let mut buffer = std::mem::take(&mut self.plain);
        let mut parts = RecordParts::new(*header, batch, PLAIN_BYTES_MAX, &mut buffer)
            .map_err(|error| unreadable(next, with_cause(&error)))?;
        while let Some(part) = parts.next() {
            let (mut source, mut pipeline) = (Source::default(), None);
            for record in part.map_err(|error| unreadable(next, with_cause(&error)))? {
                let record = record.map_err(|error| unreadable(next, error.to_string()))?;
                next = record.offset.saturating_add(1);
                if !(span.first..span.next).contains(&record.offset) {
                    continue;
                }
                if source.read(&record) {
                    pipeline = self.renderer.pipeline(source.dataset());
                }
                self.render_record(&record, &source, pipeline, rendered, tally);
                if rendered.batch.json.len() >= DOCUMENT_BYTES_MAX && next < span.next {
                    rendered.next = next;
                    self.plain = buffer;
                    return Ok(false);
                }
            }
        }
        self.plain = buffer;
        Ok(true)
    }

    fn render_record(
        &mut self,
        record: &Record<'_>,
        source: &Source<'_>,
        pipeline: Option<&'a Pipeline>,
        rendered: &mut Rendered,
        tally: &mut Tally<'a>,
    ) {
        rendered.records += 1;
        let line = record.value.unwrap_or_default();
        let origin = source.origin(record.timestamp);
        let context = Context::at(record.timestamp, self.now);
        if let Some(pipeline) = pipeline {
            let start = rendered.batch.json.len();
            let came = catch_unwind(AssertUnwindSafe(|| {
                pipeline.run_line(line, &origin, &context, tally, |fields| {
                    let event_ms = sound_time(fields.timestamp_ms(), record.timestamp)?;
                    let own = Own::default();
                    self.put(record, source, &origin, event_ms, own, rendered, |json| fields.write_json(json));
                    Some(())
                })
            }));
            match came {
                Ok(Came::Done(())) => return,
                Ok(Came::Dropped) => {
                    rendered.dropped += 1;
                    return;
                }
                Ok(Came::Tree) => {}
                // Over a tree it is said what it was, if it happens there too.
                Err(_) => rendered.batch.json.truncate(start),
            }
        }
        let mut document = Document::from_line(line, &origin);
        if let Some(pipeline) = pipeline {
            match run_pipeline(pipeline, &mut document, &context) {
                Outcome::Done => {}
                Outcome::Dropped => {
                    rendered.dropped += 1;
                    return;
                }
                Outcome::Failed(failure) => {
                    rendered.failed += 1;
                    document = Document::from_failed_line(line, &origin, &failure);
                }
            }
        }
        let event_ms = settle_time(&mut document, record.timestamp);
        let own = Own { id: document.id(), index: document.index(), routing: document.routing() };
        self.put(record, source, &origin, event_ms, own, rendered, |json| document.write_json(json));
    }

    /// Puts a document with its id and index into the batch.
    #[allow(clippy::too_many_arguments)]
    fn put(
        &mut self,
        record: &Record<'_>,
        source: &Source<'_>,
        origin: &Origin<'_>,
        event_ms: i64,
        own: Own<'_>,
        rendered: &mut Rendered,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let line = record.value.unwrap_or_default();
        let id = match own.id {
            Some(id) if !id.is_empty() => DocumentId::Text(id.into()),
            _ => match (&source.replayed_id, source.place()) {
                (Some(id), _) => id.clone(),
                (None, Some(place)) => place.id(line),
                (None, None) => identity::of_record(self.partition_hash, record.offset, line),
            },
        };
        let index = match own.index {
            Some(index) if !index.is_empty() => index.into(),
            _ => self.indices.name(origin.dataset, event_ms),
        };
        let item = Item {
            json: 0..0,
            id: Some(id),
            index,
            event_ms,
            op: Op::Create,
            routing: own.routing.map(Into::into),
            pipeline: None,
        };
        let json = &mut rendered.batch.json;
        let framing = self.renderer.framing.as_deref();
        if let Some(framing) = framing {
            let start = json.len();
            match rendered.items.last() {
                Some(before) => framing.write_next_line(&item, before, self.line.clone(), json),
                None => framing.write_line(&item, json),
            }
            self.line = start..json.len();
        }
        let start = json.len();
        write(json);
        let end = json.len();
        if framing.is_some() {
            json.push(b'\n');
        }
        rendered.offsets.push(record.offset);
        // Moved before its place is known: a move reads in wide words, for which what was written in narrow ones just before is not
        // ready yet.
        rendered.items.push(item);
        if let Some(item) = rendered.items.last_mut() {
            item.json = start..end;
        }
    }
}

/// What a pipeline set of what else is given to a document.
#[derive(Default)]
struct Own<'a> {
    id: Option<&'a str>,
    index: Option<&'a str>,
    routing: Option<&'a str>,
}

/// Runs a pipeline so that one line that meets a bug in a processor costs one document, and not the worker's life each
/// time that the line is read again.
fn run_pipeline(pipeline: &Pipeline, document: &mut Document, context: &Context) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| pipeline.run(document, context))).unwrap_or_else(|_| {
        let message = format!("pipeline {:?} panicked, which is a bug", pipeline.name());
        Outcome::Failed(Failure { message, processor_type: "pipeline", processor_tag: None, pipeline: None })
    })
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
