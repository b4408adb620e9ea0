//! A dead letter as it stands in its topic.

use bytes::Bytes;
use jiff::Timestamp;
use kafka_wire::batch::{Record, RecordHeaders};
use pipelines::worker::{DEAD_HEADER, REPLAYED_ID_HEADER, UNREADABLE_BATCH};
use serde_json::{Value, json};

/// Bytes of a reason in a list.
const REASON_CHARS_MAX: usize = 100;

/// A record that could not become a document, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// In the dead letter topic.
    pub partition: i32,
    pub offset: i64,
    /// When it became a dead letter.
    pub rejected_ms: i64,
    pub status: u16,
    pub kind: String,
    pub reason: String,
    pub index: String,
    pub id: String,
    pub attempts: u32,
    pub source: Source,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    /// Those of the original.
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// Where the original stood.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: i64,
}

impl Letter {
    /// `None`: it has not the headers of a dead letter, and is somebody else's.
    pub fn read(partition: i32, record: &Record<'_>) -> Option<Self> {
        let mut letter = Self {
            partition,
            offset: record.offset,
            rejected_ms: record.timestamp,
            status: 0,
            kind: String::new(),
            reason: String::new(),
            index: String::new(),
            id: String::new(),
            attempts: 0,
            source: Source { topic: String::new(), partition: 0, offset: 0, timestamp_ms: record.timestamp },
            key: record.key.map(Bytes::copy_from_slice),
            value: record.value.map(Bytes::copy_from_slice),
            headers: Vec::new(),
        };
        for header in record.headers.clone() {
            let key = String::from_utf8_lossy(header.key);
            let text = String::from_utf8_lossy(header.value.unwrap_or_default());
            let Some(name) = key.strip_prefix(DEAD_HEADER) else {
                letter.headers.push((key.into_owned(), header.value.map(Bytes::copy_from_slice)));
                continue;
            };
            match name {
                "status" => letter.status = text.parse().ok()?,
                "type" => letter.kind = text.into_owned(),
                "reason" => letter.reason = text.into_owned(),
                "index" => letter.index = text.into_owned(),
                "id" => letter.id = text.into_owned(),
                "attempts" => letter.attempts = text.parse().ok()?,
                "topic" => letter.source.topic = text.into_owned(),
                "partition" => letter.source.partition = text.parse().ok()?,
                "offset" => letter.source.offset = text.parse().ok()?,
                "timestamp" => letter.source.timestamp_ms = text.parse().ok()?,
                _ => {}
            }
        }
        (!letter.source.topic.is_empty()).then_some(letter)
    }

    /// Whether it is a record that can be sent back.
    pub fn is_record(&self) -> bool {
        self.kind != UNREADABLE_BATCH
    }

    /// The original's headers, and the id that its document had: at its new offset it would get another one.
    pub fn original_headers(&self) -> RecordHeaders {
        let mut headers = RecordHeaders::new();
        for (key, value) in self.headers.iter().filter(|(key, _)| key != REPLAYED_ID_HEADER) {
            headers.push(key, value.as_deref());
        }
        if !self.id.is_empty() {
            headers.push(REPLAYED_ID_HEADER, Some(self.id.as_bytes()));
        }
        headers
    }

    /// The name by which `show` finds it.
    pub fn place(&self) -> String {
        format!("{}:{}", self.partition, self.offset)
    }

    pub fn to_json(&self) -> Value {
        let text = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let headers: Vec<_> =
            self.headers.iter().map(|(key, value)| json!({"key": key, "value": text(value)})).collect();
        json!({
            "place": self.place(), "rejected": time(self.rejected_ms), "status": self.status, "type": self.kind,
            "reason": self.reason, "index": self.index, "id": self.id, "attempts": self.attempts,
            "source": {
                "topic": self.source.topic, "partition": self.source.partition, "offset": self.source.offset,
                "timestamp": time(self.source.timestamp_ms),
            },
            "key": text(&self.key), "value": text(&self.value), "headers": headers,
        })
    }

    /// One line for people. What comes from records is shown, never obeyed.
    pub fn line(&self) -> String {
        let Source { topic, partition, offset, .. } = &self.source;
        let reason: String = self.reason.chars().take(REASON_CHARS_MAX).collect();
        let line = format!(
            "{:<12} {}  {topic}:{partition}:{offset}  {} {}  {}  {reason}",
            self.place(),
            time(self.rejected_ms),
            self.status,
            self.kind,
            self.index,
        );
        printable(&line)
    }
}

/// A time as RFC 3339; a number where it is none.
pub fn time(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms);
    time.map_or_else(|_| ms.to_string(), |time| format!("{time:.3}"))
}

/// Control characters escaped.
pub fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    text.chars().map(escaped).collect()
}
