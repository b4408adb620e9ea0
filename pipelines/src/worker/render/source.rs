//! What a record's headers say about its line: read anew only where they are not those of the record before.

use super::super::identity::{self, FilePlace};
use crate::document::Origin;
use crate::sink::DocumentId;
use kafka_wire::batch::Record;
use std::borrow::Cow;

/// An agent writes it last.
const POSITION_HEADER: &[u8] = b"log.offset";
const REPLAYED_ID_HEADER: &[u8] = identity::REPLAYED_ID_HEADER.as_bytes();

/// The headers of a record.
#[derive(Default)]
pub(super) struct Source<'a> {
    /// These are headers whose last one is the position. In an agent's records all before it is the same for the lines of a
    /// file.
    ends_with_position: bool,
    file_id: Option<u64>,
    host_name: Option<Cow<'a, str>>,
    file_path: Option<Cow<'a, str>>,
    dataset: Option<Cow<'a, str>>,
    position: Option<u64>,
    /// Of a record that was a dead letter, and had another offset before.
    pub replayed_id: Option<DocumentId>,
    labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    stream: Option<Cow<'a, str>>,
    address: Option<Cow<'a, str>>,
    written_at: Option<Cow<'a, str>>,
    truncated: bool,
}

impl<'a> Source<'a> {
    /// Takes the headers of `record` in place of those of the record before it in its batch. Returns whether more is different
    /// than the position.
    pub fn read(&mut self, record: &Record<'a>) -> bool {
        let position = record.headers.split_last(POSITION_HEADER);
        if let Some((_, value)) = position
            && self.ends_with_position
            && record.headers.repeats()
        {
            self.position = value.and_then(identity::decimal);
            return false;
        }
        *self = Self { ends_with_position: position.is_some(), ..Self::default() };
        for header in record.headers.clone() {
            let text = || header.value.map(String::from_utf8_lossy);
            match header.key {
                b"host.name" => self.host_name = text(),
                b"log.file.path" => self.file_path = text(),
                b"event.dataset" => self.dataset = text().filter(|dataset| !dataset.is_empty()),
                b"sluice.file.id" => self.file_id = header.value.and_then(identity::file_id),
                POSITION_HEADER => self.position = header.value.and_then(identity::decimal),
                REPLAYED_ID_HEADER => self.replayed_id = header.value.and_then(identity::replayed),
                b"stream" => self.stream = text(),
                b"log.source.address" => self.address = text(),
                b"@timestamp" => self.written_at = text(),
                b"sluice.cut" => self.truncated = true,
                key => {
                    let name = key.strip_prefix(b"labels.").filter(|name| !name.is_empty());
                    self.labels.extend(name.map(String::from_utf8_lossy).zip(text()));
                }
            }
        }
        true
    }

    pub fn dataset(&self) -> Option<&str> {
        self.dataset.as_deref()
    }

    /// Where the line stands in a file of an agent.
    pub fn place(&self) -> Option<FilePlace> {
        FilePlace::new(self.file_id?, self.position?)
    }

    pub fn origin(&self, timestamp_ms: i64) -> Origin<'_> {
        Origin {
            timestamp_ms,
            host_name: self.host_name.as_deref(),
            file_path: self.file_path.as_deref(),
            position: self.position,
            dataset: self.dataset.as_deref(),
            labels: &self.labels,
            stream: self.stream.as_deref(),
            source_address: self.address.as_deref(),
            written_at: self.written_at.as_deref(),
            truncated: self.truncated,
        }
    }
}
