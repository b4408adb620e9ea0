//! Record batches as agents and other producers write them.

use bytes::Bytes;
use kafka_wire::batch::{BatchHeader, BatchWriter, PlainRecords, Producer, RecordHeaders, assign_offset};
use kafka_wire::compression::Compression;
use pipelines::worker::source::DeadLetter;

/// 2026-11-18, as good a time as any.
pub const RECORD_MS: i64 = 1_795_000_000_000;

/// The headers of a line in file `file`, but for its position.
pub fn file_headers(file: u64, dataset: &str) -> RecordHeaders {
    let mut headers = RecordHeaders::new();
    headers.push("host.name", Some(b"web-1"));
    headers.push("log.file.path", Some(b"/var/log/app.log"));
    headers.push("event.dataset", Some(dataset.as_bytes()));
    headers.push("sluice.file.id", Some(format!("{file:016x}").as_bytes()));
    headers.push_number_key("log.offset");
    headers
}

/// A batch of `lines` of one file, each at its number as position.
pub fn file_batch(base_offset: i64, lines: &[&str], dataset: &str, compression: Compression) -> Bytes {
    let headers = file_headers(7, dataset);
    let mut writer = BatchWriter::new(compression);
    for (n, line) in lines.iter().enumerate() {
        let position = base_offset as u64 + n as u64;
        writer.push(RECORD_MS, None, Some(line.as_bytes()), &headers, Some(position));
    }
    seal(&mut writer, base_offset)
}

/// A batch of a producer that knows nothing of files.
pub fn plain_batch(base_offset: i64, lines: &[&str]) -> Bytes {
    let mut writer = BatchWriter::new(Compression::None);
    for line in lines {
        writer.push(RECORD_MS, Some(b"key"), Some(line.as_bytes()), &RecordHeaders::new(), None);
    }
    seal(&mut writer, base_offset)
}

pub fn seal(writer: &mut BatchWriter, base_offset: i64) -> Bytes {
    let mut batch = Vec::new();
    writer.seal(Producer::NONE, &mut batch);
    assign_offset(&mut batch, base_offset, 0);
    batch.into()
}

/// A letter's headers, as a consumer reads them.
pub fn headers_of(letter: &DeadLetter) -> Vec<(String, String)> {
    let mut writer = BatchWriter::new(Compression::None);
    writer.push(RECORD_MS, None, None, &letter.headers, None);
    let batch = seal(&mut writer, 0);
    let header = BatchHeader::read(&batch).expect("a sound header");
    let plain = PlainRecords::read(header, &batch, 1 << 20).expect("a sound batch");
    let record = plain.iter().next().expect("a record").expect("a sound record");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    record.headers.map(|header| (text(header.key), text(header.value.unwrap_or_default()))).collect()
}

pub fn concat(batches: &[Bytes]) -> Bytes {
    batches.concat().into()
}
