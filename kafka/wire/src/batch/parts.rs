//! Reads the records of a batch part by part, so that what is decompressed is still in a core's own cache when it is read.

use super::header::BatchHeader;
use super::reader::{RecordError, Records, records_of};
use crate::compression::{Compression, DecompressError};
use crate::lz4_read::{Blocks, Step};
use crate::varint::{VARINT_BYTES_MAX, take_varint};
use std::ops::Range;

/// The records of one batch, some at a time: LZ4 frames are decompressed block by block, everything else is one part.
#[derive(Debug)]
pub struct RecordParts<'a> {
    header: BatchHeader,
    compressed: &'a [u8],
    codec: Compression,
    plain_bytes_max: usize,
    plain: &'a mut Vec<u8>,
    /// What of `plain`, or of what is not compressed, was not given yet.
    unread: Range<usize>,
    /// Plain bytes of all blocks so far.
    decompressed: usize,
    /// Of the next record.
    index: i32,
    state: State<'a>,
}

#[derive(Debug)]
enum State<'a> {
    /// More may come.
    Blocks(Blocks<'a>),
    /// Everything that there is has been read.
    Complete,
    /// And given.
    Ended,
}

impl<'a> RecordParts<'a> {
    /// Of `batch`, whose header is `header`; at most `plain_bytes_max` bytes of plain form. `plain` is a buffer that may have been
    /// used before.
    pub fn new(
        header: BatchHeader,
        batch: &'a [u8],
        plain_bytes_max: usize,
        plain: &'a mut Vec<u8>,
    ) -> Result<Self, RecordError> {
        let compressed = records_of(&header, batch)?;
        let codec = header.compression()?;
        let blocks = Blocks::of(compressed).filter(|_| codec == Compression::Lz4);
        let (state, end) = match (codec, blocks) {
            (Compression::None, _) => (State::Complete, compressed.len()),
            (_, Some(blocks)) => (State::Blocks(blocks), 0),
            (_, None) => (State::Complete, codec.decompress_over(compressed, plain_bytes_max, plain)?),
        };
        let (unread, decompressed) = (0..end, 0);
        Ok(Self { header, compressed, codec, plain_bytes_max, plain, unread, decompressed, index: 0, state })
    }

    /// The next records, and after the last ones `None`. A record that cannot be read is an error of [`Records`], bytes that are not
    /// the codec's are one of this: what comes after either means nothing.
    #[expect(clippy::should_implement_trait, reason = "what it gives is borrowed from it")]
    pub fn next(&mut self) -> Option<Result<Records<'_>, RecordError>> {
        loop {
            let whole = match self.state {
                State::Ended => return None,
                State::Complete => None,
                State::Blocks(_) => {
                    whole_records(&self.plain[self.unread.clone()], self.header.record_count - self.index)
                }
            };
            match whole {
                // What is left, with all that is wrong with it.
                None => {
                    self.state = State::Ended;
                    let bytes = match self.codec {
                        Compression::None => &self.compressed[self.unread.clone()],
                        _ => &self.plain[self.unread.clone()],
                    };
                    return Some(Ok(Records::new(self.header, bytes, self.index..self.header.record_count)));
                }
                // The last ones are given when it is sure that nothing is behind them.
                Some((bytes, records)) if records > 0 && self.index + records < self.header.record_count => {
                    let (start, index) = (self.unread.start, self.index);
                    self.unread.start += bytes;
                    self.index += records;
                    let bytes = &self.plain[start..start + bytes];
                    return Some(Ok(Records::new(self.header, bytes, index..self.index)));
                }
                Some(_) => {
                    if let Err(error) = self.read_block() {
                        self.state = State::Ended;
                        return Some(Err(error.into()));
                    }
                }
            }
        }
    }

    /// Decompresses one more block behind what was not given yet, which moves to the front.
    fn read_block(&mut self) -> Result<(), DecompressError> {
        let State::Blocks(blocks) = &mut self.state else { return Ok(()) };
        // A record that is longer than a block stays where it is, however many blocks it takes.
        if self.unread.start > 0 {
            self.plain.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        match blocks.next(self.plain, self.unread.end, self.plain_bytes_max - self.decompressed) {
            Some(Step::Block(bytes)) => {
                self.unread.end += bytes;
                self.decompressed += bytes;
            }
            Some(Step::End) => self.state = State::Complete,
            // Something is unusual or wrong: the general decoder says what. It gives all from the first byte on.
            None => {
                self.plain.clear();
                self.codec.decompress(self.compressed, self.plain_bytes_max, self.plain)?;
                let end = self.plain.len();
                self.unread = (self.decompressed - self.unread.len()).min(end)..end;
                self.state = State::Complete;
            }
        }
        Ok(())
    }
}

/// Bytes and number of the records, at most `most`, that are whole; `None` where something is malformed.
fn whole_records(bytes: &[u8], most: i32) -> Option<(usize, i32)> {
    let (mut rest, mut records) = (bytes, 0);
    while records < most {
        let mut body = rest;
        let Ok(length) = take_varint(&mut body) else {
            // Or cut off, as far as one can see.
            return (rest.len() < VARINT_BYTES_MAX).then_some((bytes.len() - rest.len(), records));
        };
        let Some((_, behind)) = body.split_at_checked(usize::try_from(length).ok()?) else { break };
        (rest, records) = (behind, records + 1);
    }
    Some((bytes.len() - rest.len(), records))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::LENGTH_AND_OFFSET_BYTES;
    use crate::batch::header::at;
    use crate::batch::{BatchWriter, HEADER_BYTES, PlainRecords, Producer, Record, RecordHeaders};
    use crate::testing::CODECS;

    /// A batch with records of these lengths.
    fn batch(codec: Compression, lengths: &[usize]) -> Vec<u8> {
        let mut writer = BatchWriter::new(codec);
        let mut seed = 7u64;
        for (index, length) in lengths.iter().enumerate() {
            let value: Vec<u8> = (0..*length)
                .map(|at| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    if at % 3 == 0 { (seed >> 60) as u8 } else { b'x' }
                })
                .collect();
            let mut headers = RecordHeaders::new();
            headers.push("host.name", Some(b"web1"));
            headers.push_number_key("log.offset");
            writer.push(index as i64, None, Some(&value), &headers, Some(index as u64));
        }
        let mut out = Vec::new();
        writer.seal(Producer::NONE, &mut out);
        out
    }

    /// What is read: a text for each record, or the error that ends it. Also how many parts it came in.
    fn read(batch: &[u8], plain_bytes_max: usize, plain: &mut Vec<u8>) -> (Vec<String>, usize) {
        let header = BatchHeader::read(batch).expect("a header");
        let (mut said, mut count) = (Vec::new(), 0);
        let mut parts = match RecordParts::new(header, batch, plain_bytes_max, plain) {
            Ok(parts) => parts,
            Err(error) => return (vec![format!("error {error:?}")], 0),
        };
        while let Some(part) = parts.next() {
            count += 1;
            let records = match part {
                Ok(records) => records,
                Err(error) => {
                    said.push(format!("error {error:?}"));
                    break;
                }
            };
            let mut is_sound = true;
            for record in records {
                is_sound &= record.is_ok();
                said.push(text(record));
            }
            if !is_sound {
                break;
            }
        }
        (said, count)
    }

    fn text(record: Result<Record<'_>, RecordError>) -> String {
        match record {
            Ok(record) => format!("{} {:x?}", record.offset, record.value.map(crc32c::crc32c)),
            Err(error) => format!("error {error:?}"),
        }
    }

    fn read_whole(batch: &[u8], plain_bytes_max: usize) -> Vec<String> {
        let header = BatchHeader::read(batch).expect("a header");
        match PlainRecords::read(header, batch, plain_bytes_max) {
            Ok(plain) => plain.iter().map(text).collect(),
            Err(error) => vec![format!("error {error:?}")],
        }
    }

    #[test]
    fn parts_are_the_whole() {
        let many: Vec<usize> = (0..4000).map(|index| index % 700).collect();
        let large = [10, 700_000, 20, 300_000, 5];
        let mut plain = Vec::new();
        for codec in CODECS {
            for (lengths, parts) in [(&many[..], 4), (&large[..], 2), (&[1][..], 1)] {
                let batch = batch(codec, lengths);
                let (said, count) = read(&batch, 64 << 20, &mut plain);
                assert_eq!(said.len(), lengths.len());
                assert!(said == read_whole(&batch, 64 << 20), "{codec}");
                assert!(if codec == Compression::Lz4 { count >= parts } else { count == 1 }, "{codec}: {count} parts");
            }
        }
    }

    /// Another producer's blocks end anywhere in a record.
    #[test]
    fn records_across_blocks() {
        let whole = batch(Compression::None, &[100; 3000]);
        let header = BatchHeader::read(&whole).expect("a header");
        let records = &whole[HEADER_BYTES..header.batch_bytes];
        let form = lz4_flex::frame::FrameInfo::new().block_size(lz4_flex::frame::BlockSize::Max64KB);
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(form, Vec::new());
        std::io::Write::write_all(&mut encoder, records).expect("memory takes all");
        let frame = encoder.finish().expect("memory takes all");
        let other = with_records(&whole, &frame);
        let (said, count) = read(&other, 64 << 20, &mut Vec::new());
        assert!(said == read_whole(&whole, 64 << 20));
        assert_eq!(count, records.len().div_ceil(64 << 10));
    }

    fn put(batch: &mut [u8], at: usize, bytes: &[u8]) {
        batch[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// The batch with LZ4 and this frame.
    fn with_records(batch: &[u8], frame: &[u8]) -> Vec<u8> {
        let mut other = batch[..HEADER_BYTES].to_vec();
        other.extend_from_slice(frame);
        put(&mut other, at::ATTRIBUTES, &(Compression::Lz4 as i16).to_be_bytes());
        let length = (other.len() - LENGTH_AND_OFFSET_BYTES) as i32;
        put(&mut other, at::BATCH_LENGTH, &length.to_be_bytes());
        other
    }

    /// Records before the damage are read; what is read is never anything else, and the last word is that it is damaged.
    #[test]
    fn what_is_damaged_ends_it() {
        let sound = batch(Compression::Lz4, &[5000; 150]);
        let want = read_whole(&sound, 64 << 20);
        let mut plain = Vec::new();
        let (mut damaged, mut early) = (0, 0);
        for place in (HEADER_BYTES..sound.len()).step_by(997) {
            let mut garbled = sound.clone();
            garbled[place] ^= 0x55;
            let whole = read_whole(&garbled, 64 << 20);
            let (said, _) = read(&garbled, 64 << 20, &mut plain);
            let (last, of_whole) = (said.last().expect("a record"), whole.last().expect("a record"));
            if !of_whole.starts_with("error") {
                assert!(said == whole, "byte {place}");
                continue;
            }
            damaged += 1;
            assert!(last == of_whole, "byte {place}: got {last:.200}, want {of_whole:.200}");
            if said.len() > whole.len() {
                early += 1;
                assert!(said[..said.len() - 1] == want[..said.len() - 1], "byte {place}");
            }
        }
        assert!(damaged > 10 && early > 0, "{damaged} damaged, {early} with records before");
        // A bomb, and bytes behind the last record.
        assert!(read(&sound, 500_000, &mut plain).0.last().is_some_and(|last| last.contains("TooLarge")));
        let mut fewer = sound.clone();
        put(&mut fewer, at::RECORD_COUNT, &149i32.to_be_bytes());
        let (said, _) = read(&fewer, 64 << 20, &mut plain);
        assert_eq!(said.last(), read_whole(&fewer, 64 << 20).last());
        assert!(said.last().is_some_and(|last| last.contains("Trailing")));
    }
}
