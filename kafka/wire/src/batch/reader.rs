//! Reads the records of a batch as slices of its plain form.

use super::header::{BatchError, BatchHeader, HEADER_BYTES};
use crate::compression::{Compression, DecompressError};
use crate::varint::{MalformedVarint, take_varint, take_varlong};
use std::borrow::Cow;
use std::ops::Range;

/// Why the records of a batch, whose header was sound, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Decompress(#[from] DecompressError),
    #[error("record {index} of the batch is malformed")]
    Malformed { index: i32 },
    #[error("{0} bytes follow the last record of the batch")]
    Trailing(usize),
}

/// The records of one batch in plain form: borrowed where they were not compressed.
#[derive(Debug)]
pub struct PlainRecords<'a> {
    header: BatchHeader,
    bytes: Cow<'a, [u8]>,
}

impl<'a> PlainRecords<'a> {
    /// Decompresses the records of `batch`, whose header is `header`, up to `plain_bytes_max` bytes.
    pub fn read(header: BatchHeader, batch: &'a [u8], plain_bytes_max: usize) -> Result<Self, RecordError> {
        let records = records_of(&header, batch)?;
        let bytes = match header.compression()? {
            Compression::None => Cow::Borrowed(records),
            codec => {
                let mut plain = Vec::new();
                let end = codec.decompress_over(records, plain_bytes_max, &mut plain)?;
                plain.truncate(end);
                Cow::Owned(plain)
            }
        };
        Ok(Self { header, bytes })
    }

    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The records in order. After the last one, or the first error, the iteration ends.
    pub fn iter(&self) -> Records<'_> {
        Records::new(self.header, &self.bytes, 0..self.header.record_count)
    }
}

impl<'a> IntoIterator for &'a PlainRecords<'_> {
    type Item = Result<Record<'a>, RecordError>;
    type IntoIter = Records<'a>;

    fn into_iter(self) -> Records<'a> {
        self.iter()
    }
}

/// One record; its parts are slices of the batch.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    pub offset: i64,
    /// Milliseconds since the epoch: the producer's, or the log append time.
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
}

/// Iterates over the records of a batch.
#[derive(Debug)]
pub struct Records<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
    /// Those that are left.
    indices: Range<i32>,
    /// Headers of the record before but for its last one, encoded, and how many headers it has. In an agent's records only
    /// the last one differs, so those before it need not be walked again.
    common: Option<(&'a [u8], i32)>,
}

impl<'a> Records<'a> {
    /// Those with these indices in the batch, of which `bytes` has nothing else.
    pub(super) fn new(header: BatchHeader, bytes: &'a [u8], indices: Range<i32>) -> Self {
        Self { header, bytes, indices, common: None }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(index) = self.indices.next() else {
            let trailing = self.bytes.len();
            self.bytes = &[];
            return (trailing > 0).then_some(Err(RecordError::Trailing(trailing)));
        };
        match take_record(&self.header, &mut self.bytes, &mut self.common) {
            Ok(record) => Some(Ok(record)),
            Err(MalformedVarint) => {
                self.indices = 0..0;
                self.bytes = &[];
                Some(Err(RecordError::Malformed { index }))
            }
        }
    }
}

/// The compressed records of a batch.
pub(super) fn records_of<'a>(header: &BatchHeader, batch: &'a [u8]) -> Result<&'a [u8], BatchError> {
    match batch.len() < header.batch_bytes {
        true => Err(BatchError::CutOff { got: batch.len(), want: header.batch_bytes }),
        false => Ok(&batch[HEADER_BYTES..header.batch_bytes]),
    }
}

fn take_record<'a>(
    header: &BatchHeader,
    bytes: &mut &'a [u8],
    common: &mut Option<(&'a [u8], i32)>,
) -> Result<Record<'a>, MalformedVarint> {
    let length = usize::try_from(take_varint(bytes)?).map_err(|_| MalformedVarint)?;
    let mut body = take(bytes, length)?;
    take(&mut body, 1)?; // record attributes: none are defined
    let timestamp_delta = take_varlong(&mut body)?;
    let offset_delta = take_varint(&mut body)?;
    let key = take_bytes(&mut body)?;
    let value = take_bytes(&mut body)?;
    let header_count = take_varint(&mut body)?;
    let mut headers = Headers { bytes: body, left: header_count, last: None, repeats: false };
    // Walked here once, so that iterating over them later cannot fail.
    let mut walk = headers.clone();
    let mut unread = header_count;
    // The same bytes are the same headers, as many as the record before had but for one.
    if let Some((before, count)) = *common
        && count == header_count
        && let Some(rest) = body.strip_prefix(before)
    {
        (walk.bytes, unread) = (rest, 1);
        headers.repeats = true;
    }
    for _ in 0..unread {
        let before = &body[..body.len() - walk.bytes.len()];
        headers.last = Some((before, walk.take_header()?));
    }
    if header_count < 0 || !walk.bytes.is_empty() {
        return Err(MalformedVarint);
    }
    *common = headers.last.map(|(before, _)| (before, header_count));
    let timestamp = match header.is_log_append_time() {
        true => header.max_timestamp,
        false => header.base_timestamp.wrapping_add(timestamp_delta),
    };
    Ok(Record { offset: header.base_offset.wrapping_add(i64::from(offset_delta)), timestamp, key, value, headers })
}

/// One header of a record. Keys are UTF-8 by the protocol, but nobody checks that, so they stay bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// The headers of a record, in order and with repetitions.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    left: i32,
    /// The last one, and all that is encoded before it.
    last: Option<(&'a [u8], Header<'a>)>,
    repeats: bool,
}

impl<'a> Headers<'a> {
    /// The value of the last header with this key, as Kafka's `lastHeader`.
    pub fn last_value(&self, key: &str) -> Option<&'a [u8]> {
        self.clone().filter(|header| header.key == key.as_bytes()).last().and_then(|header| header.value)
    }

    /// The value of the last header, if it has this key, and the encoded headers before it, to compare those of two records
    /// that differ in that value only.
    pub fn split_last(&self, key: &[u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        self.last.filter(|(_, header)| header.key == key).map(|(before, header)| (before, header.value))
    }

    /// Whether all headers but the last one are those of the record before in the batch. Not all that are so are found.
    pub fn repeats(&self) -> bool {
        self.repeats
    }

    /// The encoded headers, to compare those of two records without looking inside.
    pub fn encoded(&self) -> &'a [u8] {
        self.bytes
    }

    fn take_header(&mut self) -> Result<Header<'a>, MalformedVarint> {
        let key = take_bytes(&mut self.bytes)?.ok_or(MalformedVarint)?;
        let value = take_bytes(&mut self.bytes)?;
        self.left -= 1;
        Ok(Header { key, value })
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        if self.left <= 0 {
            return None;
        }
        Some(self.take_header().expect("the headers were walked when the record was read"))
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], MalformedVarint> {
    if length > bytes.len() {
        return Err(MalformedVarint);
    }
    let (front, rest) = bytes.split_at(length);
    *bytes = rest;
    Ok(front)
}

/// Length and bytes; -1 is null, any other negative length is malformed.
fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, MalformedVarint> {
    match take_varint(bytes)? {
        -1 => Ok(None),
        length => take(bytes, usize::try_from(length).map_err(|_| MalformedVarint)?).map(Some),
    }
}
