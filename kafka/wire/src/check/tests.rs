//! Compares the tables with `kafka-protocol`: bodies made from the tables have to mean to its decoder what they mean
//! here, and what its encoder writes has to be accepted.

use super::shape::{Field, Message, Shape};
use super::*;
use crate::protocol::messages::{
    AlterConfigsRequest, AlterPartitionReassignmentsRequest, ApiVersionsRequest, CreatePartitionsRequest,
    CreateTopicsRequest, DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeConfigsRequest, DescribeGroupsRequest, DescribeLogDirsRequest, DescribeProducersRequest,
    DescribeQuorumRequest, DescribeTopicPartitionsRequest, DescribeTransactionsRequest, ElectLeadersRequest,
    FetchRequest, FindCoordinatorRequest, HeartbeatRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest,
    JoinGroupRequest, LeaveGroupRequest, ListConfigResourcesRequest, ListGroupsRequest, ListOffsetsRequest,
    ListPartitionReassignmentsRequest, ListTransactionsRequest, MetadataRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest, ProduceRequest, RequestHeader,
    ResponseHeader, SaslAuthenticateRequest, SaslHandshakeRequest, SyncGroupRequest,
};
use crate::protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use crate::testing::Random;
use bytes::{Bytes, BytesMut};
use std::fmt::Debug;
use std::ops::Range;

/// Bodies per version: each draws other counts, texts and tagged fields.
const ROUNDS: usize = 12;

macro_rules! for_each_request {
    ($test:ident, $random:expr) => {
        for_each_request!(@ $test, $random, ProduceRequest, FetchRequest, ListOffsetsRequest, MetadataRequest,
            OffsetCommitRequest, OffsetFetchRequest, FindCoordinatorRequest, JoinGroupRequest, HeartbeatRequest,
            LeaveGroupRequest, SyncGroupRequest, DescribeGroupsRequest, ListGroupsRequest, ApiVersionsRequest,
            CreateTopicsRequest, DeleteTopicsRequest, InitProducerIdRequest, DescribeConfigsRequest,
            DescribeClusterRequest, DescribeTopicPartitionsRequest, OffsetForLeaderEpochRequest,
            CreatePartitionsRequest, DeleteGroupsRequest, SaslHandshakeRequest, DeleteRecordsRequest, AlterConfigsRequest, DescribeLogDirsRequest, SaslAuthenticateRequest, ElectLeadersRequest, IncrementalAlterConfigsRequest, AlterPartitionReassignmentsRequest, ListPartitionReassignmentsRequest, OffsetDeleteRequest, DescribeQuorumRequest, DescribeProducersRequest, DescribeTransactionsRequest, ListTransactionsRequest, ListConfigResourcesRequest)
    };
    (@ $test:ident, $random:expr, $($request:ty),*) => { $($test::<$request>($random);)* };
}

macro_rules! for_each_response {
    ($test:ident, $random:expr) => {
        for_each_response!(@ $test, $random, ProduceRequest, FetchRequest, ListOffsetsRequest, MetadataRequest,
            OffsetCommitRequest, OffsetFetchRequest, FindCoordinatorRequest, JoinGroupRequest, HeartbeatRequest,
            LeaveGroupRequest, SyncGroupRequest, ApiVersionsRequest, CreateTopicsRequest, InitProducerIdRequest,
            SaslHandshakeRequest, SaslAuthenticateRequest, DeleteRecordsRequest, DescribeConfigsRequest)
    };
    (@ $test:ident, $random:expr, $($request:ty),*) => {
        $($test::<<$request as Request>::Response>(<$request>::KEY, $random);)*
    };
}

/// A body made from a table, and where its counts and lengths stand.
struct Body<'a> {
    bytes: Vec<u8>,
    counts: Vec<Range<usize>>,
    random: &'a mut Random,
    version: i16,
    flexible: bool,
    /// Number of the tagged field that no structure knows.
    unknown_tag: u32,
}

impl<'a> Body<'a> {
    fn of(message: &Message, version: i16, unknown_tag: u32, random: &'a mut Random) -> Self {
        let flexible = message.is_flexible(version);
        let mut body = Self { bytes: Vec::new(), counts: Vec::new(), random, version, flexible, unknown_tag };
        body.record(message.fields);
        body
    }

    fn shape(&mut self, shape: &Shape) {
        match *shape {
            Shape::Fixed(bytes) => self.fill(bytes),
            Shape::Text => {
                let length = self.random.below(5);
                self.length(length, 2);
                self.fill(length);
            }
            Shape::Bytes => {
                let length = self.random.below(200);
                self.length(length, 4);
                self.fill(length);
            }
            Shape::List(element) => self.array(element),
            Shape::Array(fields) => self.array(&Shape::Record(fields)),
            Shape::Record(fields) => self.record(fields),
            Shape::NullableRecord(fields) => match self.random.below(2) {
                0 => self.bytes.push(0xff),
                _ => {
                    self.bytes.push(1);
                    self.record(fields);
                }
            },
        }
    }

    fn array(&mut self, element: &Shape) {
        let count = self.random.below(4);
        let at = self.bytes.len();
        self.length(count, 4);
        self.counts.push(at..self.bytes.len());
        (0..count).for_each(|_| self.shape(element));
    }

    fn record(&mut self, fields: &[Field]) {
        let present = |field: &&Field| field.is_in(self.version);
        let (tagged, plain): (Vec<&Field>, Vec<&Field>) =
            fields.iter().filter(present).partition(|field| field.tag.is_some());
        plain.iter().for_each(|field| self.shape(&field.shape));
        if !self.flexible {
            return;
        }
        // A tag that is known in other versions only is an error to the decoder.
        let unknown = fields.iter().all(|field| field.tag != Some(self.unknown_tag));
        self.varint(tagged.len() as u32 + u32::from(unknown));
        for field in tagged {
            self.varint(field.tag.expect("partitioned by that"));
            let outer = std::mem::take(&mut self.bytes);
            let counts_before = self.counts.len();
            self.shape(&field.shape);
            let inner = std::mem::replace(&mut self.bytes, outer);
            self.varint(inner.len() as u32);
            let at = self.bytes.len();
            for count in &mut self.counts[counts_before..] {
                *count = count.start + at..count.end + at;
            }
            self.bytes.extend(inner);
        }
        if unknown {
            self.varint(self.unknown_tag);
            self.varint(3);
            self.bytes.extend([0xff; 3]);
        }
    }

    /// ASCII that no number of the protocol takes for its default.
    fn fill(&mut self, bytes: usize) {
        for _ in 0..bytes {
            self.bytes.push(b'a' + self.random.below(26) as u8);
        }
    }

    fn length(&mut self, length: usize, prefix_bytes: usize) {
        match (self.flexible, prefix_bytes) {
            (true, _) => self.varint(length as u32 + 1),
            (false, 2) => self.bytes.extend((length as i16).to_be_bytes()),
            (false, _) => self.bytes.extend((length as i32).to_be_bytes()),
        }
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

fn decode<M: Decodable>(body: &[u8], version: i16) -> Option<(M, usize)> {
    let mut bytes = Bytes::copy_from_slice(body);
    let message = M::decode(&mut bytes, version).ok()?;
    Some((message, bytes.len()))
}

type Check = fn(i16, i16, &[u8]) -> Result<(), CheckError>;

/// Our walk and the decoder see the same message in the same bytes.
fn agree<M: Decodable + Encodable + PartialEq + Debug>(
    table: &[&'static Message],
    key: i16,
    check: Check,
    random: &mut Random,
) {
    let message = find_api(table, key).expect("the table knows every API of the list");
    for version in message.version_min..=message.version_max {
        for round in 0..ROUNDS {
            // Low numbers are where a tagged field would be that the decoder knows and the table does not.
            let unknown_tag = if round % 2 == 0 { 1000 } else { random.below(8) as u32 };
            let body = Body::of(message, version, unknown_tag, random).bytes;
            let place = format!("key {key} version {version}: {body:02x?}");
            assert_eq!(check(key, version, &body), Ok(()), "{place}");
            let (decoded, left) = decode::<M>(&body, version).unwrap_or_else(|| panic!("decode {place}"));
            assert_eq!(left, 0, "{place}");

            if unknown_tag == 1000 {
                let mut encoded = BytesMut::new();
                decoded.encode(&mut encoded, version).unwrap_or_else(|error| panic!("{error} at {place}"));
                // Shorter where a tagged field was an empty array, which the encoder leaves out.
                assert!(encoded.len() <= body.len(), "{place}");
                assert_eq!(check(key, version, &encoded), Ok(()), "{place}");
                assert_eq!(decode::<M>(&encoded, version).expect("own encoding").0, decoded);
            }
        }
    }
}

fn agree_on_request<R: Request + Decodable + Encodable + PartialEq + Debug>(random: &mut Random) {
    let message = find_api(requests::ALL, R::KEY).expect("the table knows every API of the list");
    assert_eq!((message.version_min, message.version_max), (R::VERSIONS.min, R::VERSIONS.max), "key {}", R::KEY);
    agree::<R>(requests::ALL, R::KEY, request, random);
}

fn agree_on_response<M: Decodable + Encodable + PartialEq + Debug>(key: i16, random: &mut Random) {
    agree::<M>(responses::ALL, key, response, random);
}

#[test]
fn tables_agree_with_the_decoder() {
    let mut random = Random::from_environment();
    for_each_request!(agree_on_request, &mut random);
    for_each_response!(agree_on_response, &mut random);
}

#[test]
fn cut_and_forged_messages_are_refused() {
    let mut random = Random::from_environment();
    // What follows a request is let pass; here only what the walk itself says is of interest.
    let whole_request: Check =
        |key, version, body| match Walk::over(find(requests::ALL, key, version)?, version, body, REQUEST_ELEMENTS_MAX)?
        {
            0 => Ok(()),
            bytes => Err(CheckError::Trailing { bytes }),
        };
    let tables: [(_, Check); 2] = [(requests::ALL, whole_request), (responses::ALL, response)];
    for (message, check) in tables.iter().flat_map(|(table, check)| table.iter().map(move |message| (message, check))) {
        let key = message.api_key;
        for version in message.version_min..=message.version_max {
            let flexible = message.is_flexible(version);
            let Body { bytes: body, counts, .. } = Body::of(message, version, 1000, &mut random);
            let refused = |bytes: &[u8], what: &str| {
                assert!(check(key, version, bytes).is_err(), "{what}: key {key} version {version}: {bytes:02x?}");
            };
            (0..body.len()).for_each(|cut| refused(&body[..cut], "cut"));
            refused(&[&body[..], &[0]].concat(), "longer");
            for count in counts {
                let forged: &[&[u8]] = match flexible {
                    true => &[&[0xff, 0xff, 0xff, 0xff, 0x0f], &[0xff, 0xff, 0xff, 0xff, 0xff], &[0x81, 0x00]],
                    false => &[&[0x7f, 0xff, 0xff, 0xff], &[0x80, 0, 0, 0], &[0xff, 0xff, 0xff, 0xfe], &[0, 1, 0, 0]],
                };
                for forged in forged {
                    refused(&[&body[..count.start], *forged, &body[count.end..]].concat(), "forged");
                }
            }
            refused_version(key, message.version_min - 1, *check);
            refused_version(key, message.version_max + 1, *check);
        }
    }
    assert_eq!(request(9999, 0, &[]), Err(CheckError::UnknownApi(9999)));
}

fn refused_version(api_key: i16, api_version: i16, check: Check) {
    assert_eq!(check(api_key, api_version, &[]), Err(CheckError::UnknownVersion { api_key, api_version }));
}

/// What the walk accepts, the decoder survives and reads to the same end, whatever the bytes are.
fn survives<M: Decodable>(table: &[&'static Message], key: i16, check: Check, random: &mut Random) {
    let message = find_api(table, key).expect("the table knows every API of the list");
    for version in message.version_min..=message.version_max {
        for _ in 0..40 {
            let mut body = Body::of(message, version, 1000, random).bytes;
            for _ in 0..random.below(6) {
                if let Some(length) = body.len().checked_sub(1) {
                    let at = random.below(length + 1);
                    body[at] = [0, 0xff, 0x80, 1, 0x7f, random.below(256) as u8][random.below(6)];
                }
            }
            if check(key, version, &body).is_ok()
                && let Some((_, left)) = decode::<M>(&body, version)
            {
                let end = Walk::over(message, version, &body, RESPONSE_ELEMENTS_MAX);
                assert_eq!(Ok(left), end, "key {key} version {version}: {body:02x?}");
            }
        }
    }
}

fn request_survives<R: Request + Decodable>(random: &mut Random) {
    survives::<R>(requests::ALL, R::KEY, request, random);
}

fn response_survives<M: Decodable>(key: i16, random: &mut Random) {
    survives::<M>(responses::ALL, key, response, random);
}

#[test]
fn the_decoder_survives_what_the_walk_accepts() {
    let mut random = Random::from_environment();
    for_each_request!(request_survives, &mut random);
    for_each_response!(response_survives, &mut random);
}

#[test]
fn elements_have_a_limit() {
    // FindCoordinator 4: key type, as many empty coordinator keys as are allowed, no tagged fields.
    let keys = |count: usize| {
        let announced = count as u32 + 1;
        let mut body = vec![0, announced as u8 | 0x80, (announced >> 7) as u8 | 0x80, (announced >> 14) as u8];
        body.resize(body.len() + count, 1);
        body.push(0);
        body
    };
    assert_eq!(request(10, 4, &keys(REQUEST_ELEMENTS_MAX)), Ok(()));
    let expected = CheckError::TooMany { max: REQUEST_ELEMENTS_MAX };
    assert_eq!(request(10, 4, &keys(REQUEST_ELEMENTS_MAX + 1)), Err(expected));
}

#[test]
fn librdkafkas_metadata_request_for_all_topics_is_read() {
    // As rd_kafka_MetadataRequest writes it: the null array as four zero bytes, then the flags as false, then no tagged fields.
    assert_eq!(request(3, 12, &[0, 0, 0, 0, 0, 0, 0]), Ok(()));
}

#[test]
fn a_metadata_request_of_four_bytes_is_refused() {
    let expected = CheckError::Count { field: "topics", count: i32::MAX as usize, left: 0 };
    assert_eq!(request(3, 0, &[0x7f, 0xff, 0xff, 0xff]), Err(expected));
}

fn request_headers_agree<R: Request + HeaderVersion>(_: &mut Random) {
    for version in R::VERSIONS.min..=R::VERSIONS.max {
        for client_id in [None, Some(""), Some("rdkafka"), Some("größer")] {
            let mut frame = BytesMut::new();
            let mut header = RequestHeader::default();
            header.request_api_key = R::KEY;
            header.request_api_version = version;
            header.correlation_id = 0x0102_0304;
            header.client_id = client_id.map(StrBytes::from_static_str);
            header.unknown_tagged_fields.insert(7, Bytes::from_static(b"tag"));
            if R::header_version(version) < 2 {
                header.unknown_tagged_fields.clear();
            }
            header.encode(&mut frame, R::header_version(version)).expect("a header that fits its version");
            let body_offset = frame.len();
            (0..body_offset).for_each(|cut| assert!(request_header(&frame[..cut]).is_err()));
            frame.extend_from_slice(&[0xff; 9]);
            let expected = RequestHead {
                api_key: R::KEY,
                api_version: version,
                correlation_id: 0x0102_0304,
                client_id,
                body_offset,
            };
            assert_eq!(request_header(&frame), Ok(expected));
        }
    }
}

fn response_headers_agree<M: HeaderVersion>(key: i16, _: &mut Random) {
    let message = find_api(responses::ALL, key).expect("the table knows every API of the list");
    for version in message.version_min..=message.version_max {
        let mut frame = BytesMut::new();
        let header = ResponseHeader::default().with_correlation_id(77);
        header.encode(&mut frame, M::header_version(version)).expect("a header that fits its version");
        let body_offset = frame.len();
        frame.extend_from_slice(&[0xff; 9]);
        assert_eq!(response_header(key, version, &frame), Ok(ResponseHead { correlation_id: 77, body_offset }));
    }
}

#[test]
fn headers_agree_with_the_encoder() {
    let mut random = Random::from_environment();
    for_each_request!(request_headers_agree, &mut random);
    for_each_response!(response_headers_agree, &mut random);
}

#[test]
fn a_newer_api_versions_request_has_a_readable_header() {
    let frame = [0, 18, 0, 9, 0, 0, 0, 5, 0xff, 0xff, 0, 1, 2];
    let head = RequestHead { api_key: 18, api_version: 9, correlation_id: 5, client_id: None, body_offset: 11 };
    assert_eq!(request_header(&frame), Ok(head));
    assert!(matches!(request(18, 9, &frame[11..]), Err(CheckError::UnknownVersion { .. })));
    assert_eq!(request_header(b"GET / HTTP/1.1\r\n"), Err(CheckError::UnknownApi(0x4745)));
}
