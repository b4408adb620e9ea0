//! The far end of a pipeline: what a sink is given, and what it answers for each document.
//!
//! A sink takes documents in batches and answers once for every one of them. It retries inside, for ever, whatever can
//! succeed later; so an answer is final, and the worker may commit the offset of the record behind it.

mod charge;
mod spares;

pub use charge::Charge;
pub use spares::Spares;

use async_trait::async_trait;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Longest `_id` that Elasticsearch and OpenSearch take, in bytes.
pub const DOCUMENT_ID_BYTES_MAX: usize = 512;
/// Length of the ids that are made from a record's identity: 18 bytes as base64url without padding.
pub const RECORD_ID_BYTES: usize = 24;

/// Where documents go.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Delivers every document and answers with one outcome per item, in the order of the items.
    ///
    /// Whatever can succeed later is tried again inside. What keeps a single document or a single index from it is waited
    /// for so long as the sink is told, then these documents are rejected; what concerns the far end as a whole is waited
    /// for without an end, and shows in [`Sink::problems`]. The call lasts as long as its last document. Calls may overlap; a sink combines them into larger
    /// requests. Dropping the future gives its documents up: what was not yet sent is not sent any more, what was sent
    /// may or may not have arrived.
    ///
    /// # Errors
    /// [`Closed`]: the sink ends, and nothing is known about these documents.
    async fn deliver(&self, batch: DocumentBatch) -> Result<Vec<Outcome>, Closed>;

    /// Stops waiting for more: what [`Sink::deliver`] was given and has not sent yet is sent now.
    async fn flush(&self);

    /// No more documents come before some of those that the sink has are done: while it has nothing else to do, it need not
    /// wait for more.
    fn hurry(&self) {}

    /// What documents are to have around them, so that nobody copies them once more only to add it. `None`: nothing. A
    /// batch need not have it.
    fn framing(&self) -> Option<Arc<dyn Framing>> {
        None
    }

    /// Why documents are not being delivered now, one sentence each with the way out; empty when all is well.
    fn problems(&self) -> Vec<String>;
}

/// What a sink wants around each document: a line before it, and a newline behind it.
pub trait Framing: Send + Sync {
    /// Writes the line before the document of `item`, whose `json` counts for nothing, with its newline.
    fn write_line(&self, item: &Item, out: &mut Vec<u8>);

    /// The same where `line` of `out` is that of `before`, which may be the same but for the id.
    fn write_next_line(&self, item: &Item, before: &Item, line: Range<usize>, out: &mut Vec<u8>) {
        let _ = (before, line);
        self.write_line(item, out);
    }
}

/// Documents rendered as JSON one after the other, and what each one is.
#[derive(Debug, Clone, Default)]
pub struct DocumentBatch {
    /// The documents' JSON objects; none has a raw newline in it.
    pub json: Vec<u8>,
    /// Each document has around it what the sink's [`Framing`] says, and there is nothing else in `json`.
    pub is_framed: bool,
    /// Where `json` goes when nobody needs it any more, to be filled again.
    pub spares: Option<Arc<Spares>>,
    /// Counts the capacity of `json` as long as it is there, and what of it is kept in other places.
    pub charge: Option<Arc<Charge>>,
    /// One item per document. Who gives documents to a sink may keep it.
    pub items: Arc<Vec<Item>>,
    /// Partition of the records behind them: documents of one partition are given to a sink in the order of its offsets.
    pub partition: i32,
}

impl DocumentBatch {
    /// The JSON object of `item`, which must be one of this batch.
    pub fn document(&self, item: &Item) -> &[u8] {
        &self.json[item.json.clone()]
    }
}

/// One document of a [`DocumentBatch`]: where its JSON is and where it shall go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The document's place in [`DocumentBatch::json`].
    pub json: Range<usize>,
    /// `None`: the far end makes one, and a repetition is not recognised.
    pub id: Option<DocumentId>,
    pub index: Arc<str>,
    /// Time of the document's event, in milliseconds since the epoch: that in its `@timestamp`.
    pub event_ms: i64,
    pub op: Op,
    pub routing: Option<Arc<str>>,
    /// Ingest pipeline of the far end that the document shall pass (`pipeline` of a bulk action).
    pub pipeline: Option<Arc<str>>,
}

/// What happens when the document is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// It stays as it is: [`Outcome::AlreadyThere`].
    Create,
    /// It is replaced.
    Index,
}

/// A document's `_id`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum DocumentId {
    /// Made from the record's identity: ASCII of base64url, kept in place.
    Record([u8; RECORD_ID_BYTES]),
    /// Set by a pipeline; 1 to [`DOCUMENT_ID_BYTES_MAX`] bytes, or the far end refuses it.
    Text(Arc<str>),
}

impl DocumentId {
    pub fn as_str(&self) -> &str {
        match self {
            // `Record` is public, so its bytes are not known to be ASCII; what is not text is no id.
            Self::Record(ascii) => std::str::from_utf8(ascii).unwrap_or_default(),
            Self::Text(text) => text,
        }
    }
}

impl fmt::Debug for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What became of one document; final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It was there before: a repetition after a crash or a rebalance, and as good as done.
    AlreadyThere,
    /// The far end will never take it: a dead letter.
    Rejected(Box<Rejection>),
}

/// Why a document was rejected, in the far end's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// HTTP status of the item, or of the whole request.
    pub status: u16,
    /// The far end's error type, such as `document_parsing_exception`.
    pub kind: String,
    pub reason: String,
    /// How often the document was sent.
    pub attempts: u32,
}

/// The sink ends and delivers nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sink is closed")]
pub struct Closed;
