//! The body of a bulk request: an action line and a document line for each item.

use crate::delivery::{Run, bulk_bytes};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use pipelines::sink::{Item, Op};
use std::io::{BufWriter, Write};
use std::sync::Arc;

/// The level of the other shippers: level 6 takes three times the CPU for a tenth less.
const GZIP_LEVEL: u32 = 1;
/// The compressor is fed in pieces of this size, not line by line.
const BUFFER_BYTES: usize = 64 * 1024;

/// A body ready to be sent; clones share the bytes.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub bytes: Bytes,
    /// Before compression.
    pub plain_bytes: usize,
}

/// Renders the body of a request for `runs`.
pub(crate) fn render(runs: &[Run], gzip: bool) -> Body {
    let mut plain_bytes = 0;
    let mut action = Action::default();
    let bytes = if gzip {
        let encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, encoder);
        let mut line = Vec::new();
        for (item, json) in runs.iter().flat_map(Run::documents) {
            line.clear();
            action.write(item, &mut line);
            out.write_all(&line).expect(MEMORY);
            out.write_all(json).expect(MEMORY);
            out.write_all(b"\n").expect(MEMORY);
            plain_bytes += line.len() + json.len() + 1;
        }
        let encoder = out.into_inner().map_err(|_| ()).expect(MEMORY);
        encoder.finish().expect(MEMORY)
    } else {
        let capacity = runs.iter().flat_map(Run::documents).map(|(item, json)| bulk_bytes(item, json)).sum();
        let mut out = Vec::with_capacity(capacity);
        for (item, json) in runs.iter().flat_map(Run::documents) {
            action.write(item, &mut out);
            out.extend_from_slice(json);
            out.push(b'\n');
        }
        plain_bytes = out.len();
        out
    };
    Body { bytes: bytes.into(), plain_bytes }
}

const MEMORY: &str = "writing to memory does not fail";

/// Writes action lines: what the last one began with is kept, since the next one begins so in most cases.
#[derive(Default)]
struct Action {
    last: Option<(Op, Arc<str>)>,
    begin: Vec<u8>,
}

impl Action {
    fn write(&mut self, item: &Item, out: &mut Vec<u8>) {
        let is_same = self.last.as_ref().is_some_and(|(op, index)| *op == item.op && Arc::ptr_eq(index, &item.index));
        if !is_same {
            self.begin.clear();
            self.begin.extend_from_slice(match item.op {
                Op::Create => b"{\"create\":{\"_index\":",
                Op::Index => b"{\"index\":{\"_index\":",
            });
            write_text(&item.index, &mut self.begin);
            self.last = Some((item.op, item.index.clone()));
        }
        out.extend_from_slice(&self.begin);
        let mut write_key = |key: &[u8], value: Option<&str>| {
            if let Some(value) = value {
                out.extend_from_slice(key);
                write_text(value, out);
            }
        };
        write_key(b",\"_id\":", item.id.as_ref().map(|id| id.as_str()));
        write_key(b",\"routing\":", item.routing.as_deref());
        write_key(b",\"pipeline\":", item.pipeline.as_deref());
        out.extend_from_slice(b"}}\n");
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    // What an `_id` of ours has, and nearly every name.
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect(MEMORY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Delivery;
    use pipelines::sink::{DocumentBatch, DocumentId};
    use std::io::Read;

    #[test]
    fn action_and_document_lines() {
        let item = |json: std::ops::Range<usize>, id: Option<DocumentId>, op| Item {
            json,
            id,
            index: "sluice-\"a".into(),
            event_ms: 0,
            op,
            routing: None,
            pipeline: None,
        };
        let mut batch = DocumentBatch { json: br#"{"a":1}{"b":"\n"}"#.to_vec(), ..DocumentBatch::default() };
        batch.items.push(item(0..7, Some(DocumentId::Record(*b"AAAAAAAAAAAAAAAAAAAAAAAA")), Op::Create));
        batch.items.push(item(7..17, Some(DocumentId::Text("x\ny".into())), Op::Index));
        batch.items.push(Item {
            routing: Some("r".into()),
            pipeline: Some("p".into()),
            ..item(0..7, None, Op::Create)
        });
        let want = concat!(
            "{\"create\":{\"_index\":\"sluice-\\\"a\",\"_id\":\"AAAAAAAAAAAAAAAAAAAAAAAA\"}}\n{\"a\":1}\n",
            "{\"index\":{\"_index\":\"sluice-\\\"a\",\"_id\":\"x\\ny\"}}\n{\"b\":\"\\n\"}\n",
            "{\"create\":{\"_index\":\"sluice-\\\"a\",\"routing\":\"r\",\"pipeline\":\"p\"}}\n{\"a\":1}\n",
        );
        let (run, _caller) = Delivery::begin(batch);
        let runs = [run];
        let plain = render(&runs, false);
        assert_eq!(String::from_utf8_lossy(&plain.bytes), want);
        assert_eq!(plain.plain_bytes, want.len());
        let bound: usize = runs[0].documents().map(|(item, json)| bulk_bytes(item, json)).sum();
        assert!(bound >= want.len());

        let mut text = String::new();
        let packed = render(&runs, true);
        flate2::read::GzDecoder::new(&packed.bytes[..]).read_to_string(&mut text).expect("the body is gzip");
        assert_eq!(text, want);
    }
}
