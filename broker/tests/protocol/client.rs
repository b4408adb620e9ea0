//! A broker in a temporary directory, and a client that sends single frames and waits.

use broker::{Broker, Config};
use bytes::{Buf, Bytes, BytesMut};
use kafka_wire::batch::{BatchWriter, Producer, RecordHeaders};
use kafka_wire::compression::Compression;
use kafka_wire::protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_wire::protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_wire::protocol::messages::{FetchRequest, ProduceRequest, RequestHeader, ResponseHeader, TopicName};
use kafka_wire::protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use prometheus_client::registry::Registry;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Served {
    pub runtime: Runtime,
    broker: Option<Broker>,
    pub address: SocketAddr,
    registry: Registry,
}

impl Served {
    pub fn start(directory: &Path) -> Self {
        Self::start_with(config(directory))
    }

    pub fn start_with(config: Config) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let mut registry = Registry::default();
        let broker = runtime.block_on(Broker::start(config, &mut registry)).expect("a broker");
        let address = broker.addresses()[0];
        Self { runtime, broker: Some(broker), address, registry }
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    pub fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("not stopped yet")
    }

    pub fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("metrics");
        text
    }

    /// Waits until the metrics have this line.
    pub fn wait_for_metric(&self, line: &str) {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let text = self.metrics();
            if text.lines().any(|one| one == line) {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{line} does not come in\n{text}");
            std::thread::yield_now();
        }
    }

    pub fn stop(mut self) {
        let broker = self.broker.take().expect("not stopped yet");
        self.runtime.block_on(broker.stop());
    }
}

/// A free port on loopback.
pub fn config(directory: &Path) -> Config {
    let mut config = Config::new(directory);
    config.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()];
    config
}

/// A sealed batch of records without keys that were written at `timestamp_ms`.
pub fn batch(
    compression: Compression,
    timestamp_ms: i64,
    values: impl IntoIterator<Item = impl AsRef<[u8]>>,
    producer: Producer,
) -> Bytes {
    let mut writer = BatchWriter::new(compression);
    for value in values {
        writer.push(timestamp_ms, None, Some(value.as_ref()), &RecordHeaders::new(), None);
    }
    let mut batch = Vec::new();
    writer.seal(producer, &mut batch);
    batch.into()
}

/// Asks to append `records` to one partition of a topic, which is told by its name or, since version 13, its id.
pub fn produce(topic: TopicName, id: Uuid, partition: i32, acks: i16, records: Bytes) -> ProduceRequest {
    let partition = PartitionProduceData::default().with_index(partition).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(topic).with_topic_id(id).with_partition_data(vec![partition]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(10_000).with_topic_data(vec![topic])
}

/// Asks for the first partition of a topic from `offset` on, for a mebibyte at most.
pub fn fetch(topic: TopicName, id: Uuid, offset: i64, min_bytes: i32, max_wait_ms: i32) -> FetchRequest {
    let partition =
        FetchPartition::default().with_partition(0).with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(topic).with_topic_id(id).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(min_bytes)
        .with_max_bytes(1 << 20)
        .with_topics(vec![topic])
}

pub struct Client {
    pub stream: TcpStream,
    correlation_id: i32,
    answered: i32,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a listener");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Self { stream, correlation_id: 0, answered: 0 }
    }

    pub fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.correlation_id += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_static_str("test")));
        let mut frame = BytesMut::new();
        header.encode(&mut frame, R::header_version(version)).expect("a header");
        request.encode(&mut frame, version).expect("a request of this version");
        self.send_frame(&frame);
    }

    pub fn send_frame(&mut self, frame: &[u8]) {
        let length = i32::try_from(frame.len()).expect("a short frame");
        self.stream.write_all(&length.to_be_bytes()).expect("a connection");
        self.stream.write_all(frame).expect("a connection");
    }

    pub fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).expect("an answer");
        let mut frame = vec![0; i32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame).expect("an answer");
        let mut frame = Bytes::from(frame);
        let header = ResponseHeader::decode(&mut frame, R::Response::header_version(version)).expect("a header");
        self.answered += 1;
        assert_eq!(header.correlation_id, self.answered, "answers come in the order of the requests");
        let response = R::Response::decode(&mut frame, version).expect("a response of this version");
        assert!(!frame.has_remaining(), "nothing follows the response");
        response
    }

    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request);
        self.receive::<R>(version)
    }

    /// The broker closes the connection without an answer.
    pub fn expect_closed(&mut self) {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(count) => assert_eq!(count, 0, "no answer"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
}
