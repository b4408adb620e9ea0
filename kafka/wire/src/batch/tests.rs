//! Batches through writer and reader, against `kafka-protocol`'s own record encoder, and damaged in every place.

use super::*;
use crate::compression::Compression;
use crate::protocol::indexmap::IndexMap;
use crate::protocol::records as reference;
use crate::testing::{CODECS, Random};
use bytes::{Bytes, BytesMut};

const PLAIN_BYTES_MAX: usize = 1 << 20;

/// A record with owned parts, to compare what was written with what is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Owned {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Owned {
    fn random(random: &mut Random) -> Self {
        let bytes = |random: &mut Random| -> Vec<u8> { (0..random.below(40)).map(|_| random.next() as u8).collect() };
        let maybe = |random: &mut Random| (random.below(4) > 0).then(|| bytes(random));
        let timestamp = 1_700_000_000_000 + random.below(10_000) as i64 - 5_000;
        let (key, value) = (maybe(random), maybe(random));
        // Few names, so that keys repeat.
        let headers = (0..random.below(4)).map(|_| (["", "a", "host.name"][random.below(3)].to_owned(), maybe(random)));
        Self { timestamp, key, value, headers: headers.collect() }
    }
}

fn write(records: &[Owned], compression: Compression, producer: Producer) -> Vec<u8> {
    let mut writer = BatchWriter::new(compression);
    for record in records {
        let mut headers = RecordHeaders::new();
        record.headers.iter().for_each(|(key, value)| headers.push(key, value.as_deref()));
        writer.push(record.timestamp, record.key.as_deref(), record.value.as_deref(), &headers, None);
    }
    let mut out = Vec::new();
    writer.seal(producer, &mut out);
    out
}

/// Everything of the batch that a consumer sees; any error is an error.
fn read(bytes: &[u8]) -> Result<Vec<Owned>, RecordError> {
    let header = BatchHeader::read(bytes)?;
    header.verify_crc(bytes)?;
    header.verify_count()?;
    read_unverified(header, bytes)
}

fn read_unverified(header: BatchHeader, bytes: &[u8]) -> Result<Vec<Owned>, RecordError> {
    let plain = PlainRecords::read(header, bytes, PLAIN_BYTES_MAX)?;
    plain.iter().map(|record| record.map(|record| owned(&record))).collect()
}

fn owned(record: &Record<'_>) -> Owned {
    let headers = record.headers.clone();
    let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
    Owned {
        timestamp: record.timestamp,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: headers.map(|header| (text(header.key), header.value.map(<[u8]>::to_vec))).collect(),
    }
}

#[test]
fn records_round_trip() {
    let mut random = Random::from_environment();
    for codec in CODECS {
        for count in [1, 2, 63, 64, 300] {
            let records: Vec<Owned> = (0..count).map(|_| Owned::random(&mut random)).collect();
            let producer = Producer { id: 7, epoch: 3, base_sequence: 41 };
            let mut batch = write(&records, codec, producer);
            assign_offset(&mut batch, 1000, 9);
            assert_eq!(read(&batch).expect("own batch"), records, "{codec}");

            let header = BatchHeader::read(&batch).expect("own batch");
            assert_eq!(header.batch_bytes, batch.len());
            assert_eq!((header.base_offset, header.last_offset()), (1000, 999 + count as i64));
            assert_eq!(header.partition_leader_epoch, 9);
            assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (7, 3, 41));
            assert_eq!(header.compression(), Ok(codec));
            assert_eq!(header.base_timestamp, records[0].timestamp);
            assert_eq!(header.max_timestamp, records.iter().map(|record| record.timestamp).max().unwrap_or(0));
            assert!(!header.is_transactional() && !header.is_control() && !header.is_log_append_time());
            let plain = PlainRecords::read(header, &batch, PLAIN_BYTES_MAX).expect("own batch");
            let offsets: Vec<i64> = plain.iter().map(|record| record.expect("own record").offset).collect();
            assert_eq!(offsets, (1000..1000 + count as i64).collect::<Vec<_>>());
        }
    }
}

#[test]
fn empty_parts_are_not_null() {
    let empty = Some(Vec::new());
    for record in [
        Owned::default(),
        Owned { key: empty.clone(), value: empty.clone(), ..Owned::default() },
        Owned { headers: vec![("".into(), None), ("".into(), empty.clone()), ("".into(), None)], ..Owned::default() },
    ] {
        let batch = write(std::slice::from_ref(&record), Compression::None, Producer::NONE);
        assert_eq!(read(&batch).expect("own batch"), [record]);
    }
}

#[test]
fn headers_keep_order_and_repetitions() {
    let mut headers = RecordHeaders::new();
    headers.push("k", Some(b"1"));
    headers.push("other", None);
    headers.push("k", Some(b"2"));
    headers.push_number_key("log.offset");
    let mut position = RecordHeaders::new();
    position.push_number_key("log.offset");
    let mut writer = BatchWriter::new(Compression::None);
    writer.push(5, None, Some(b"line"), &headers, Some(77));
    writer.push(6, None, Some(b"line"), &position, Some(82));
    writer.push(7, None, Some(b"line"), &RecordHeaders::new(), None);
    let mut batch = Vec::new();
    writer.seal(Producer::NONE, &mut batch);

    let header = BatchHeader::read(&batch).expect("own batch");
    let plain = PlainRecords::read(header, &batch, PLAIN_BYTES_MAX).expect("own batch");
    let records: Vec<Record<'_>> = plain.iter().map(|record| record.expect("own record")).collect();
    let keys: Vec<&[u8]> = records[0].headers.clone().map(|header| header.key).collect();
    assert_eq!(keys, [b"k".as_slice(), b"other", b"k", b"log.offset"]);
    assert_eq!(records[0].headers.last_value("k"), Some(b"2".as_slice()));
    assert_eq!(records[0].headers.last_value("other"), None);
    assert_eq!(records[1].headers.last_value("log.offset"), Some(b"82".as_slice()));
    assert_eq!(records[2].headers.clone().count(), 0);
    assert_eq!(records[2].headers.encoded(), b"");
}

#[test]
fn log_append_time_replaces_every_timestamp() {
    let records = [10, 30, 20].map(|timestamp| Owned { timestamp, ..Owned::default() });
    let mut batch = write(&records, Compression::Lz4, Producer::NONE);
    set_log_append_time(&mut batch, 5000);
    let read = read(&batch).expect("the checksum was made again");
    assert_eq!(read.iter().map(|record| record.timestamp).collect::<Vec<_>>(), [5000; 3]);
    assert_eq!(BatchHeader::read(&batch).expect("own batch").compression(), Ok(Compression::Lz4));
}

#[test]
fn a_sealed_writer_starts_anew() {
    let record = |timestamp| Owned { timestamp, value: Some(b"v".to_vec()), ..Owned::default() };
    let mut writer = BatchWriter::new(Compression::None);
    let mut out = Vec::new();
    for timestamp in [900, 100] {
        writer.push(timestamp, None, Some(b"v"), &RecordHeaders::new(), None);
        assert_eq!((writer.record_count(), writer.is_empty()), (1, false));
        writer.seal(Producer::NONE, &mut out);
        assert_eq!((writer.record_count(), writer.is_empty(), writer.plain_bytes()), (0, true, 0));
    }
    let batches: Vec<_> = Batches::new(&out).map(|batch| read(batch.expect("own batch").1).expect("own")).collect();
    assert_eq!(batches, [[record(900)], [record(100)]]);
}

#[test]
fn timestamps_survive_at_the_edges() {
    for pair in [[0, i64::MAX], [i64::MAX, 0], [NO_TIMESTAMP, NO_TIMESTAMP], [i64::MIN, i64::MAX]] {
        let records = pair.map(|timestamp| Owned { timestamp, ..Owned::default() });
        assert_eq!(read(&write(&records, Compression::None, Producer::NONE)).expect("own batch"), records);
    }
}

#[test]
fn damage_is_noticed_and_never_panics() {
    let mut random = Random::from_environment();
    let records: Vec<Owned> = (0..5).map(|_| Owned::random(&mut random)).collect();
    for codec in CODECS {
        let batch = write(&records, codec, Producer { id: 1, epoch: 0, base_sequence: 0 });
        for cut in 0..batch.len() {
            assert!(read(&batch[..cut]).is_err(), "{codec} cut at {cut}");
            assert_eq!(Batches::new(&batch[..cut]).count(), 0, "{codec} cut at {cut}");
        }
        for bit in 0..batch.len() * 8 {
            let mut damaged = batch.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            // The checksum does not cover what the broker assigns: base offset and leader epoch.
            if !(0..8).contains(&(bit / 8)) && !(12..16).contains(&(bit / 8)) {
                assert!(read(&damaged).is_err(), "{codec} bit {bit}");
            }
            // Whoever skips the checksum gets errors or other records, and no panic.
            for batch in Batches::new(&damaged).flatten() {
                let _ = read_unverified(batch.0, batch.1);
            }
        }
    }
}

#[test]
fn a_cut_off_batch_at_the_end_is_left_out() {
    let one = write(&[Owned::default()], Compression::None, Producer::NONE);
    let two = [&one[..], &one[..]].concat();
    for cut in 0..=two.len() {
        let mut batches = Batches::new(&two[..cut]);
        let whole: Vec<_> = batches.by_ref().map(|batch| batch.expect("whole batches are sound")).collect();
        assert_eq!(whole.len(), cut / one.len());
        assert_eq!(batches.rest().len(), cut % one.len());
    }
    let mut other = two.clone();
    other[one.len() + 16] = 1;
    let results: Vec<_> = Batches::new(&other).collect();
    assert!(matches!(results[..], [Ok(_), Err(BatchError::Magic(1))]), "{results:?}");
}

#[test]
fn forged_counts_are_refused_without_reserving() {
    let mut batch = write(&[Owned::default()], Compression::None, Producer::NONE);
    for count in [0, -1, 2, i32::MIN, i32::MAX] {
        batch[57..61].copy_from_slice(&count.to_be_bytes());
        let header = BatchHeader::read(&batch).expect("the header can be read");
        assert!(header.verify_count().is_err(), "{count}");
        assert!(read_unverified(header, &batch).is_err(), "{count}");
    }
    for (length, name) in [(48, "below a header"), (-1, "negative"), (i32::MAX, "beyond the end")] {
        let mut batch = write(&[Owned::default()], Compression::None, Producer::NONE);
        batch[8..12].copy_from_slice(&i32::to_be_bytes(length));
        assert!(read(&batch).is_err(), "{name}");
    }
}

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(wrap_sequence(i32::MAX, 0), i32::MAX);
    assert_eq!(wrap_sequence(i32::MAX, 1), 0);
    assert_eq!(wrap_sequence(i32::MAX - 2, 5), 2);
    assert_eq!(wrap_sequence(0, i32::MAX), i32::MAX);
    let records = vec![Owned::default(); 5];
    let batch = write(&records, Compression::None, Producer { id: 1, epoch: 0, base_sequence: i32::MAX - 1 });
    assert_eq!(BatchHeader::read(&batch).expect("own batch").last_sequence(), 2);
}

/// Records that `kafka-protocol` can hold: its headers are a map, so keys do not repeat.
fn reference_records(random: &mut Random, count: usize) -> (Vec<Owned>, Vec<reference::Record>) {
    let pairs = (0..count).map(|index| {
        let mut record = Owned::random(random);
        record.headers.iter_mut().enumerate().for_each(|(index, header)| header.0 = format!("key{index}"));
        let headers: IndexMap<_, _> =
            record.headers.iter().map(|(key, value)| (key.clone().into(), value.clone().map(Bytes::from))).collect();
        let theirs = reference::Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: 12,
            producer_epoch: 4,
            timestamp_type: reference::TimestampType::Creation,
            offset: index as i64,
            sequence: 100 + index as i32,
            timestamp: record.timestamp,
            key: record.key.clone().map(Bytes::from),
            value: record.value.clone().map(Bytes::from),
            headers,
        };
        (record, theirs)
    });
    pairs.unzip()
}

#[test]
fn the_reference_reads_and_writes_the_same() {
    let mut random = Random::from_environment();
    for count in [1, 2, 100] {
        let (ours, theirs) = reference_records(&mut random, count);
        let batch = write(&ours, Compression::None, Producer { id: 12, epoch: 4, base_sequence: 100 });
        let decoded = reference::RecordBatchDecoder::decode(&mut Bytes::from(batch)).expect("the reference reads ours");
        assert_eq!(decoded.records, theirs);

        let options = reference::RecordEncodeOptions { version: 2, compression: reference::Compression::None };
        let mut encoded = BytesMut::new();
        reference::RecordBatchEncoder::encode(&mut encoded, &theirs, &options).expect("the reference writes its own");
        assert_eq!(read(&encoded).expect("we read the reference's"), ours);
    }
}

/// As the agent writes them: one file's headers, a position that grows, now and then another file or a cut line.
#[test]
fn records_that_share_headers_are_the_same_in_every_codec() {
    let mut random = Random::from_environment();
    for _ in 0..20 {
        let mut files: Vec<RecordHeaders> = Vec::new();
        for file in 0..3 {
            let mut headers = RecordHeaders::new();
            headers.push("host.name", Some(b"web1"));
            headers.push("log.file.path", Some(format!("/var/log/{file}.log").as_bytes()));
            if file > 0 {
                headers.push_number_key("log.offset");
            }
            files.push(headers);
        }
        let mut writers = CODECS.map(BatchWriter::new);
        let (mut file, mut position) = (0, random.next() % 100_000_000);
        for _ in 0..1 + random.below(2000) {
            let value = format!("GET /{} HTTP/1.1 {}", random.next() as u16, random.below(3));
            let long = if random.below(500) == 0 { random.below(90_000) } else { 0 };
            let value = [value.into_bytes(), vec![b'x'; long]].concat();
            if random.below(100) == 0 {
                (file, position) = (random.below(3), random.next());
            }
            for writer in &mut writers {
                writer.push(5, None, Some(&value), &files[file], (file > 0).then_some(position));
            }
            position = position.wrapping_add(value.len() as u64 + 1);
        }
        let plain_bytes = writers[0].plain_bytes();
        let sealed = writers.map(|mut writer| {
            let mut out = Vec::new();
            writer.seal(Producer::NONE, &mut out);
            out
        });
        let want = read_up_to(&sealed[0], plain_bytes);
        for batch in &sealed {
            assert!(read_up_to(batch, plain_bytes) == want);
        }
    }
}

fn read_up_to(batch: &[u8], plain_bytes: usize) -> Vec<Owned> {
    let header = BatchHeader::read(batch).expect("own batch");
    header.verify_crc(batch).expect("own batch");
    let plain = PlainRecords::read(header, batch, plain_bytes).expect("own batch");
    plain.iter().map(|record| owned(&record.expect("own record"))).collect()
}

/// A batch that is filled as long as there is room never exceeds it, is read back whole, and is the same a second time.
#[test]
fn a_full_batch_keeps_within_its_room() {
    let mut random = Random::from_environment();
    let bytes_max = 900_000;
    for codec in [Compression::Lz4, Compression::None] {
        for noise in [false, true] {
            let mut writer = BatchWriter::new(codec);
            let mut pushed: Vec<Vec<u8>> = Vec::new();
            loop {
                let value: Vec<u8> = match noise {
                    true => (0..random.below(3000)).map(|_| random.next() as u8).collect(),
                    false => format!("GET /item/{} HTTP/1.1", random.below(1000)).repeat(1 + random.below(9)).into(),
                };
                if !writer.has_room(value.len() + 64, bytes_max) {
                    break;
                }
                writer.push(7, None, Some(&value), &RecordHeaders::new(), None);
                pushed.push(value);
            }
            let plain_bytes = writer.plain_bytes();
            let mut sealed = b"before".to_vec();
            writer.seal(Producer::NONE, &mut sealed);
            let batch = sealed.split_off(6);
            assert!(batch.len() <= bytes_max + 200, "{codec:?} noise {noise}: {} bytes", batch.len());
            let is_small = codec == Compression::Lz4 && !noise;
            assert_eq!(plain_bytes > 2 * bytes_max, is_small, "{plain_bytes} bytes in {codec:?}, noise {noise}");
            assert!(plain_bytes <= 4 << 20, "{plain_bytes} bytes are too many for a reader");
            let read = read_up_to(&batch, plain_bytes);
            assert!(read.iter().map(|record| record.value.as_deref()).eq(pushed.iter().map(|value| Some(&value[..]))));
            pushed.iter().for_each(|value| writer.push(7, None, Some(value), &RecordHeaders::new(), None));
            let mut again = Vec::new();
            writer.seal(Producer::NONE, &mut again);
            assert!(again == batch, "the same records make another batch");
        }
    }
}

#[test]
fn another_producer_makes_the_batch_that_it_would_have_sealed() {
    let mut random = Random::from_environment();
    for codec in CODECS {
        for count in [1, 2, 300] {
            let records: Vec<Owned> = (0..count).map(|_| Owned::random(&mut random)).collect();
            let mut batch = write(&records, codec, Producer::NONE);
            for producer in [Producer { id: 7, epoch: 3, base_sequence: i32::MAX }, Producer::NONE] {
                set_producer(&mut batch, producer);
                assert_eq!(batch, write(&records, codec, producer), "{codec}, {count} records");
            }
            // What is damaged does not become sound.
            let last = batch.len() - 1;
            batch[last] ^= 1;
            set_producer(&mut batch, Producer { id: 8, epoch: 0, base_sequence: 0 });
            assert!(BatchHeader::read(&batch).expect("a header").verify_crc(&batch).is_err());
        }
    }
}
