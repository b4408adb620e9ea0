//! Frames lines into sealed record batches, and makes a journaled batch again from the file, byte for byte.

use crate::fingerprint::{FileId, Print, marker_of};
use crate::format::{FormatError, Framer, Record, Skip, Span};
use crate::journal::{Ending, Sent, Source};
use crate::labels::{LABEL_PREFIX, Labels};
use crate::lines::{Line, Lines, unfinished};
use kafka_wire::batch::{BatchWriter, Producer, RecordHeaders};
use kafka_wire::compression::Compression;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use twox_hash::XxHash3_64;

/// Marks a record whose line was longer than the limit: the value is its beginning.
pub const CUT_HEADER: &str = "sluice.cut";
/// Decimal position of the line's first byte in its file; the only header that differs from line to line.
pub const POSITION_HEADER: &str = "log.offset";
/// Which file the line is of: its [`FileId`] as it is shown.
pub const FILE_ID_HEADER: &str = "sluice.file.id";
/// Bytes of a record besides value and headers: five varints, attributes, and the position header.
const RECORD_FRAME_BYTES_MAX: usize = 64;

/// The headers that the records of one file wear, encoded once.
#[derive(Debug, Clone)]
pub struct Dress {
    /// But for the position's.
    file: RecordHeaders,
    plain: RecordHeaders,
    cut: RecordHeaders,
    /// `false`: records go without headers.
    worn: bool,
    /// Most bytes that a record has besides its value.
    pub frame_bytes_max: usize,
}

impl Dress {
    /// `host` is absent when records are to have no headers at all.
    pub fn new(host: Option<&str>, path: &Path, dataset: &str, file: FileId, labels: &Labels) -> Self {
        let mut file_headers = RecordHeaders::new();
        let mut frame_bytes_max = RECORD_FRAME_BYTES_MAX;
        if let Some(host) = host {
            let id = file.to_string();
            let worn: [(&str, &[u8]); 4] = [
                ("host.name", host.as_bytes()),
                ("log.file.path", path.as_os_str().as_bytes()),
                ("event.dataset", dataset.as_bytes()),
                (FILE_ID_HEADER, id.as_bytes()),
            ];
            for (key, value) in worn {
                // What came from a stream has no path, only the stream's name.
                if key == "log.file.path" && path.is_relative() {
                    continue;
                }
                file_headers.push(key, Some(value));
                frame_bytes_max += key.len() + value.len() + 8;
            }
            for (name, value) in labels.iter() {
                let key = format!("{LABEL_PREFIX}{name}");
                file_headers.push(&key, Some(value.as_bytes()));
                frame_bytes_max += key.len() + value.len() + 8;
            }
        }
        let (mut plain, mut cut) = (file_headers.clone(), file_headers.clone());
        cut.push(CUT_HEADER, Some(b"true"));
        plain.push_number_key(POSITION_HEADER);
        cut.push_number_key(POSITION_HEADER);
        Self { file: file_headers, plain, cut, worn: host.is_some(), frame_bytes_max }
    }

    /// Appends `value`, the line that begins at `position`, to `writer`.
    #[inline]
    pub fn frame(&self, writer: &mut BatchWriter, timestamp: i64, position: u64, value: &[u8], cut: bool) {
        if !self.worn {
            writer.push(timestamp, None, Some(value), &self.file, None);
            return;
        }
        let headers = if cut { &self.cut } else { &self.plain };
        writer.push(timestamp, None, Some(value), headers, Some(position));
    }

    /// Appends `record`, which begins at `position`: its own headers stand between the file's and the mark of a cut.
    pub fn frame_record(&self, writer: &mut BatchWriter, timestamp: i64, position: u64, record: &Record<'_>) {
        let mut extras = record.extras.each().peekable();
        if !self.worn || extras.peek().is_none() {
            return self.frame(writer, timestamp, position, &record.value, record.cut);
        }
        let mut headers = self.file.clone();
        extras.for_each(|(key, value)| headers.push(key, Some(value)));
        if record.cut {
            headers.push(CUT_HEADER, Some(b"true"));
        }
        headers.push_number_key(POSITION_HEADER);
        writer.push(timestamp, None, Some(&record.value), &headers, Some(position));
    }

    /// Most bytes that `record` takes in a batch.
    pub fn record_bytes(&self, record: &Record<'_>) -> usize {
        let extras: usize = record.extras.each().map(|(key, value)| key.len() + value.len() + 8).sum();
        record.value.len() + extras + self.frame_bytes_max
    }
}

/// What a batch was made of: `content` are the bytes of `file` from `start` on, `before` what stands in front of them.
pub fn source_of(file: FileId, start: u64, content: &[u8], ending: Ending) -> Source {
    Source {
        file,
        start,
        end: start + content.len() as u64,
        ending,
        content: XxHash3_64::oneshot(content),
        marker: Print::of(marker_of(content)),
        before: Skip::NOTHING,
        after: if ending == Ending::Cut { Skip::LINE } else { Skip::NOTHING },
    }
}

/// The producer's fields of a journaled batch.
pub fn producer_of(sent: &Sent) -> Producer {
    Producer { id: sent.producer_id, epoch: sent.producer_epoch, base_sequence: sent.sequence }
}

/// Why a batch cannot be made again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    #[error("the bytes {start} to {end} of the file are not the ones that were read")]
    Changed { start: u64, end: u64 },
    #[error("the lines of the file make {got} records, want {want}")]
    Records { got: i32, want: i32 },
    #[error("codec {0} is unknown")]
    Codec(u8),
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// Makes the batch that `sent` describes. `parts` has the headers and the content of each of its sources, in order.
pub fn rebuild(sent: &Sent, parts: &[(Dress, Vec<u8>)]) -> Result<Vec<u8>, RebuildError> {
    let codec = Compression::from_codec(sent.compression).ok_or(RebuildError::Codec(sent.compression))?;
    let framer = framer_of(sent)?;
    let mut writer = BatchWriter::new(codec);
    for (source, (dress, content)) in sent.sources.iter().zip(parts) {
        if content.len() as u64 != source.end - source.start || XxHash3_64::oneshot(content) != source.content {
            return Err(RebuildError::Changed { start: source.start, end: source.end });
        }
        if let Some(framer) = &framer {
            frame_source(framer, sent, source, content, |position, record| {
                dress.frame_record(&mut writer, sent.timestamp, position, record);
            });
            continue;
        }
        for line in lines_of(content, source.ending, sent.line_bytes_max) {
            let position = source.start + line.start as u64;
            dress.frame(&mut writer, sent.timestamp, position, line.value, line.cut);
        }
    }
    if writer.record_count() != sent.records || writer.is_empty() {
        return Err(RebuildError::Records { got: writer.record_count(), want: sent.records });
    }
    let mut out = Vec::new();
    writer.seal(producer_of(sent), &mut out);
    Ok(out)
}

/// The framer of a batch whose lines are not plain.
fn framer_of(sent: &Sent) -> Result<Option<Framer>, RebuildError> {
    Ok(sent.format.as_deref().map(Framer::compile).transpose()?)
}

fn span_of(sent: &Sent, source: &Source) -> Span {
    Span { base: source.start, skip: source.before, line_bytes_max: sent.line_bytes_max }
}

/// Calls `each` with the records of one source and their positions.
fn frame_source(framer: &Framer, sent: &Sent, source: &Source, content: &[u8], mut each: impl FnMut(u64, &Record<'_>)) {
    framer.frame_range(content, span_of(sent, source), source.ending == Ending::Cut, |chunk| {
        chunk.records.iter().for_each(|record| each(source.start + record.start as u64, record));
        true
    });
}

/// The lines of one source. A cut line is always the last one.
fn lines_of(content: &[u8], ending: Ending, line_bytes_max: usize) -> Vec<Line<'_>> {
    let mut whole = Lines::new(content, 0, line_bytes_max);
    let mut lines: Vec<Line<'_>> = whole.by_ref().collect();
    let cut_already = lines.last().is_some_and(|line| line.cut);
    if !cut_already && whole.position() < content.len() {
        let mut last = unfinished(content, whole.position(), line_bytes_max);
        last.cut |= ending == Ending::Cut;
        lines.push(last);
    }
    lines
}

/// Describes the halves of a batch that was too large for the broker, from the content of its only source. The halves
/// have the sequences that the whole had. One record alone is cut to half of its line.
///
/// Returns `None` when there is nothing left to halve.
pub fn halve(sent: &Sent, content: &[u8]) -> Option<Vec<Sent>> {
    let [source] = sent.sources.as_slice() else { return None };
    if let Some(framer) = framer_of(sent).ok()? {
        return halve_format(&framer, sent, source, content);
    }
    let lines = lines_of(content, source.ending, sent.line_bytes_max);
    if let [line] = lines.as_slice() {
        let mut shorter = sent.clone();
        shorter.line_bytes_max = line.value.len() / 2;
        return (shorter.line_bytes_max > 0).then(|| vec![shorter]);
    }
    let middle = lines.len() / 2;
    let at = lines.get(middle)?.start;
    let (mut first, mut second) = (sent.clone(), sent.clone());
    first.sources = vec![source_of(source.file, source.start, &content[..at], Ending::Newline)];
    first.records = middle as i32;
    second.sources = vec![source_of(source.file, source.start + at as u64, &content[at..], source.ending)];
    second.records = sent.records - first.records;
    second.sequence = kafka_wire::batch::wrap_sequence(sent.sequence, first.records);
    Some(vec![first, second])
}

/// As [`halve`], at the safe boundary that is nearest to the middle; without one within, the longest record is cut to
/// half of its value.
fn halve_format(framer: &Framer, sent: &Sent, source: &Source, content: &[u8]) -> Option<Vec<Sent>> {
    // Where it can be parted, what is skipped behind that place, and the records before it.
    let mut seams: Vec<(usize, Skip, i32)> = Vec::new();
    let (mut records, mut longest, mut skip) = (0, 0, source.before);
    framer.frame_range(content, span_of(sent, source), source.ending == Ending::Cut, |chunk| {
        if records > 0 && !chunk.records.is_empty() {
            seams.push((chunk.start, skip, records));
        }
        records += chunk.records.len() as i32;
        longest = chunk.records.iter().map(|record| record.value.len()).fold(longest, usize::max);
        skip = chunk.skip;
        true
    });
    let Some(&(at, skip, before)) = seams.iter().min_by_key(|(_, _, before)| (before * 2 - records).abs()) else {
        let mut shorter = sent.clone();
        shorter.line_bytes_max = longest / 2;
        return (shorter.line_bytes_max > 0).then(|| vec![shorter]);
    };
    let (mut first, mut second) = (sent.clone(), sent.clone());
    first.sources = vec![source_of(source.file, source.start, &content[..at], Ending::Newline)];
    (first.sources[0].before, first.sources[0].after) = (source.before, skip);
    first.records = before;
    second.sources = vec![source_of(source.file, source.start + at as u64, &content[at..], source.ending)];
    (second.sources[0].before, second.sources[0].after) = (skip, source.after);
    second.records = sent.records - before;
    second.sequence = kafka_wire::batch::wrap_sequence(sent.sequence, before);
    Some(vec![first, second])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Format, Multiline, Rule};
    use kafka_wire::batch::{BatchHeader, PlainRecords};

    fn sent(content: &[u8], ending: Ending, line_bytes_max: usize, records: i32) -> Sent {
        Sent {
            number: 1,
            topic: "logs".into(),
            partition: 0,
            producer_id: 7,
            producer_epoch: 1,
            sequence: 100,
            records,
            compression: Compression::Lz4 as u8,
            line_bytes_max,
            host: Some("web1".into()),
            timestamp: 1_700_000_000_000,
            format: None,
            sources: vec![source_of(FileId(0xabc), 1000, content, ending)],
            part_of: None,
        }
    }

    fn dress() -> Dress {
        Dress::new(Some("web1"), Path::new("/var/log/a.log"), "syslog", FileId(0xabc), &Labels::default())
    }

    type Shown = (String, Vec<(String, String)>);

    fn records(batch: &[u8]) -> Vec<Shown> {
        let header = BatchHeader::read(batch).expect("sealed");
        header.verify_crc(batch).expect("sound");
        let plain = PlainRecords::read(header, batch, 1 << 20).expect("plain");
        plain
            .iter()
            .map(|record| {
                let record = record.expect("record");
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let headers = record
                    .headers
                    .clone()
                    .map(|header| (text(header.key), text(header.value.unwrap_or_default())))
                    .collect();
                (text(record.value.unwrap_or_default()), headers)
            })
            .collect()
    }

    #[test]
    fn records_wear_the_headers_of_the_design_in_order() {
        let content = b"one\r\ntwo\n";
        let batch = rebuild(&sent(content, Ending::Newline, 100, 2), &[(dress(), content.to_vec())]).expect("same");
        let got = records(&batch);
        let keys: Vec<&str> = got[1].1.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["host.name", "log.file.path", "event.dataset", "sluice.file.id", "log.offset"]);
        assert_eq!(got[1].1[3].1, "0000000000000abc");
        assert_eq!((got[0].0.as_str(), got[0].1[4].1.as_str()), ("one", "1000"));
        assert_eq!((got[1].0.as_str(), got[1].1[4].1.as_str()), ("two", "1005"));
    }

    #[test]
    fn a_cut_line_is_marked_before_the_position() {
        let content = b"ab\nlong";
        let batch = rebuild(&sent(content, Ending::Cut, 4, 2), &[(dress(), content.to_vec())]).expect("same");
        let got = records(&batch);
        assert_eq!(got[0].1.len(), 5);
        assert_eq!(got[1].1[4], (CUT_HEADER.into(), "true".into()));
        assert_eq!(got[1].1[5].0, POSITION_HEADER);
        let open = rebuild(&sent(content, Ending::Open, 4, 2), &[(dress(), content.to_vec())]).expect("same");
        assert_eq!(records(&open)[1].1.len(), 5);
    }

    #[test]
    fn changed_content_is_refused() {
        let content = b"one\ntwo\n";
        let sent = sent(content, Ending::Newline, 100, 2);
        assert!(rebuild(&sent, &[(dress(), b"one\ntwX\n".to_vec())]).is_err());
        assert!(rebuild(&sent, &[(dress(), b"one\n".to_vec())]).is_err());
    }

    #[test]
    fn halves_make_the_same_records_and_sequences() {
        let content = b"a\nb\nc\nd\ne";
        let whole = sent(content, Ending::Open, 100, 5);
        let halves = halve(&whole, content).expect("five lines");
        let mut values = Vec::new();
        for half in &halves {
            let source = &half.sources[0];
            let part = &content[(source.start - 1000) as usize..(source.end - 1000) as usize];
            let batch = rebuild(half, &[(dress(), part.to_vec())]).expect("same");
            values.extend(records(&batch).into_iter().map(|(value, _)| value));
        }
        assert_eq!(values, ["a", "b", "c", "d", "e"]);
        assert_eq!((halves[1].sequence, halves[1].records), (102, 3));
    }

    #[test]
    fn groups_are_parted_between_them_and_one_alone_is_cut() {
        let multiline = Multiline { rule: Rule::Start("^>".into()), timeout_millis: 1 };
        let format = Some(Box::new(Format { multiline: Some(multiline), ..Format::default() }));
        let content = b"> a\n 1\n> b\n 2\n> c\n";
        let whole = Sent { format, ..sent(content, Ending::Newline, 100, 3) };
        let halves = halve(&whole, content).expect("three groups");
        let mut values = Vec::new();
        for half in &halves {
            let source = &half.sources[0];
            let part = &content[(source.start - 1000) as usize..(source.end - 1000) as usize];
            let batch = rebuild(half, &[(dress(), part.to_vec())]).expect("same");
            values.extend(records(&batch).into_iter().map(|(value, _)| value));
        }
        assert_eq!(values, ["> a\n 1", "> b\n 2", "> c"]);
        assert_eq!((halves[1].sequence, halves[1].records), (100 + halves[0].records, 3 - halves[0].records));
        let one =
            Sent { sources: vec![source_of(FileId(0xabc), 1000, &content[..7], Ending::Newline)], records: 1, ..whole };
        let shorter = halve(&one, &content[..7]).expect("can be cut");
        let batch = rebuild(&shorter[0], &[(dress(), content[..7].to_vec())]).expect("same");
        assert_eq!((records(&batch)[0].0.as_str(), records(&batch)[0].1[4].0.as_str()), ("> a", CUT_HEADER));
    }

    #[test]
    fn one_record_is_halved_by_cutting_its_line() {
        let content = b"abcdefgh\r\n";
        let shorter = halve(&sent(content, Ending::Newline, 100, 1), content).expect("can be cut");
        assert_eq!(shorter.len(), 1);
        let batch = rebuild(&shorter[0], &[(dress(), content.to_vec())]).expect("same");
        assert_eq!(records(&batch)[0].0, "abcd");
        assert_eq!(records(&batch)[0].1[4].0, CUT_HEADER);
        assert_eq!(shorter[0].sources[0].end, 1010);
    }
}
