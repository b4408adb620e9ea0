//! The body of a bulk request: an action line and a document line for each item.

use crate::delivery::Run;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Frame, SizeHint};
use pipelines::sink::{DocumentId, Framing, Item, Op, RECORD_ID_BYTES};
use std::convert::Infallible;
use std::io::Write;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Behind each document.
pub(crate) const NEWLINE_BYTES: usize = 1;

/// The level of the other shippers: level 6 takes three times the CPU for a tenth less.
const GZIP_LEVEL: u32 = 1;
const IN_MEMORY: &str = "a vector takes all";

/// A body ready to be sent; clones share the bytes.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pieces: Vec<Bytes>,
    pub bytes: usize,
    /// Before compression.
    pub plain_bytes: usize,
}

impl Body {
    /// What `runs` are in a request, as they are: nothing is copied.
    pub fn plain(runs: &[Run]) -> Self {
        let pieces: Vec<Bytes> = runs.iter().map(Run::lines).collect();
        let bytes = pieces.iter().map(Bytes::len).sum();
        Self { pieces, bytes, plain_bytes: bytes }
    }

    /// The same compressed, which takes milliseconds.
    pub fn gzip(self) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
        self.pieces.iter().for_each(|piece| encoder.write_all(piece).expect(IN_MEMORY));
        let packed = Bytes::from(encoder.finish().expect(IN_MEMORY));
        Self { bytes: packed.len(), pieces: vec![packed], plain_bytes: self.plain_bytes }
    }

    /// As it is sent.
    pub fn into_request(self) -> reqwest::Body {
        match <[Bytes; 1]>::try_from(self.pieces) {
            Ok([whole]) => whole.into(),
            Err(pieces) => reqwest::Body::wrap(Pieces { pieces: pieces.into_iter(), left: self.bytes as u64 }),
        }
    }
}

/// Pieces that are sent one after the other, as a body whose length is known.
struct Pieces {
    pieces: std::vec::IntoIter<Bytes>,
    left: u64,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.next();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The action line before each document: what it is for, where it goes, under which id.
pub(crate) struct ActionLine;

impl Framing for ActionLine {
    fn write_line(&self, item: &Item, out: &mut Vec<u8>) {
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
        out.extend_from_slice(END);
    }

    fn write_next_line(&self, item: &Item, before: &Item, line: Range<usize>, out: &mut Vec<u8>) {
        let is_short = |item: &Item| item.routing.is_none() && item.pipeline.is_none();
        let is_alike = Arc::ptr_eq(&item.index, &before.index) && item.op == before.op;
        match (&item.id, &before.id) {
            (Some(DocumentId::Record(id)), Some(DocumentId::Record(id_before)))
                if is_alike && is_short(item) && is_short(before) && is_plain(id) && is_plain(id_before) =>
            {
                out.extend_from_within(line);
                let id_end = out.len() - END.len() - 1;
                out[id_end - id.len()..id_end].copy_from_slice(id);
            }
            _ => self.write_line(item, out),
        }
    }
}

/// Behind the last value of an action line.
const END: &[u8] = b"}}\n";

/// Whether an id stands in JSON as it is, and in as many bytes. Its length is part of the type, so that many bytes are looked at
/// at once, and none alone.
#[inline]
fn is_plain(id: &[u8; RECORD_ID_BYTES]) -> bool {
    !id.iter().fold(false, |any, &byte| any | !(b' '..0x80).contains(&byte) | (byte == b'"') | (byte == b'\\'))
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    // What an `_id` of ours has, and nearly every name. All of it is looked at, so that many bytes can be at once.
    let needs_escape = |any, byte| any | (byte < b' ') | (byte == b'"') | (byte == b'\\');
    if !text.bytes().fold(false, needs_escape) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("writing to memory does not fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Delivery;
    use pipelines::sink::DocumentBatch;
    use std::io::Read;

    #[test]
    fn a_line_is_the_same_behind_any_other() {
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b\n".into());
        let ids = [
            None,
            Some(DocumentId::Record(*b"AAAAAAAAAAAAAAAAAAAAAAAA")),
            Some(DocumentId::Record(*b"BAAAAAAAAAAAAAAAAAAAAAAB")),
            Some(DocumentId::Record([b'"'; 24])),
            Some(DocumentId::Record([0xff; 24])),
            Some(DocumentId::Text("x".into())),
        ];
        let mut items = Vec::new();
        for id in ids {
            for (index, op) in [(&a, Op::Create), (&b, Op::Create), (&a, Op::Index)] {
                for (routing, pipeline) in [(None, None), (Some("r"), None), (None, Some("p"))] {
                    let [routing, pipeline] = [routing, pipeline].map(|text| text.map(Into::into));
                    let (id, index) = (id.clone(), Arc::clone(index));
                    items.push(Item { json: 0..0, id, index, event_ms: 0, op, routing, pipeline });
                }
            }
        }
        for before in &items {
            for item in &items {
                let (mut want, mut got) = (Vec::new(), b"before".to_vec());
                ActionLine.write_line(before, &mut got);
                let line = 6..got.len();
                ActionLine.write_line(item, &mut want);
                ActionLine.write_next_line(item, before, line.clone(), &mut got);
                assert!(got[line.end..] == want, "{item:?} behind {before:?}: {}", String::from_utf8_lossy(&got));
            }
        }
    }

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
        Arc::make_mut(&mut batch.items).push(item(
            0..7,
            Some(DocumentId::Record(*b"AAAAAAAAAAAAAAAAAAAAAAAA")),
            Op::Create,
        ));
        Arc::make_mut(&mut batch.items).push(item(7..17, Some(DocumentId::Text("x\ny".into())), Op::Index));
        Arc::make_mut(&mut batch.items).push(Item {
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
        let plain = Body::plain(&runs);
        assert_eq!(String::from_utf8_lossy(&plain.pieces.concat()), want);
        assert_eq!(plain.plain_bytes, want.len());
        assert_eq!(runs[0].bytes(), want.len());
        assert_eq!(runs[0].sizes().sum::<usize>(), want.len());

        let mut text = String::new();
        let packed = plain.gzip();
        flate2::read::GzDecoder::new(&packed.pieces[0][..]).read_to_string(&mut text).expect("the body is gzip");
        assert_eq!(text, want);
        assert_eq!(packed.plain_bytes, want.len());
    }
}
