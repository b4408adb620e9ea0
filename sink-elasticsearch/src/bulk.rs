//! The body of a bulk request: an action line and a document line for each item.

use crate::delivery::Entry;
use flate2::Compression;
use flate2::write::GzEncoder;
use pipelines::sink::{Item, Op};
use std::io::{BufWriter, Write};

/// The level of the other shippers: level 6 takes three times the CPU for a tenth less.
const GZIP_LEVEL: u32 = 1;
/// The compressor is fed in pieces of this size, not line by line.
const BUFFER_BYTES: usize = 64 * 1024;

/// A body ready to be sent.
pub(crate) struct Body {
    pub bytes: Vec<u8>,
    /// Before compression.
    pub plain_bytes: usize,
}

/// Renders the body of a request for `entries`.
pub(crate) fn render(entries: &[Entry], gzip: bool) -> Body {
    let mut plain_bytes = 0;
    let bytes = if gzip {
        let encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, encoder);
        write_items(entries, &mut out, &mut plain_bytes);
        let encoder = out.into_inner().map_err(|_| ()).expect(MEMORY);
        encoder.finish().expect(MEMORY)
    } else {
        let mut out = Vec::with_capacity(entries.iter().map(Entry::bulk_bytes).sum());
        write_items(entries, &mut out, &mut plain_bytes);
        out
    };
    Body { bytes, plain_bytes }
}

const MEMORY: &str = "writing to memory does not fail";

fn write_items(entries: &[Entry], out: &mut impl Write, plain_bytes: &mut usize) {
    let mut action = Vec::new();
    for entry in entries {
        action.clear();
        write_action(entry.item(), &mut action);
        let json = entry.json();
        out.write_all(&action).expect(MEMORY);
        out.write_all(json).expect(MEMORY);
        out.write_all(b"\n").expect(MEMORY);
        *plain_bytes += action.len() + json.len() + 1;
    }
}

fn write_action(item: &Item, out: &mut Vec<u8>) {
    out.extend_from_slice(match item.op {
        Op::Create => b"{\"create\":{\"_index\":",
        Op::Index => b"{\"index\":{\"_index\":",
    });
    write_text(&item.index, out);
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

fn write_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect(MEMORY);
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
        let (delivery, _caller) = Delivery::new(batch);
        let entries: Vec<_> = delivery.entries().collect();
        let plain = render(&entries, false);
        assert_eq!(String::from_utf8_lossy(&plain.bytes), want);
        assert_eq!(plain.plain_bytes, want.len());
        assert!(entries.iter().map(Entry::bulk_bytes).sum::<usize>() >= want.len());

        let mut text = String::new();
        let packed = render(&entries, true);
        flate2::read::GzDecoder::new(&packed.bytes[..]).read_to_string(&mut text).expect("the body is gzip");
        assert_eq!(text, want);
    }
}
