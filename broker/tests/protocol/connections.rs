//! Starting, stopping, and what is no request.

use crate::client::{Served, config};
use broker::{Broker, StartError};
use kafka_wire::protocol::messages::{ApiKey, ApiVersionsRequest, MetadataRequest};
use kafka_wire::protocol::protocol::StrBytes;
use prometheus_client::registry::Registry;
use std::io::Write;

#[test]
fn what_is_no_request_ends_its_connection_and_no_other() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut other = served.connect();
    let metadata_of = |count: i32| [&b"\0\x03\0\0\0\0\0\x01\xff\xff"[..], &count.to_be_bytes()].concat();
    let framed = |frame: Vec<u8>| [&(frame.len() as i32).to_be_bytes()[..], &frame].concat();
    let rubbish = [
        b"GET / HTTP/1.1\r\nHost: sluice\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".repeat(100),
        i32::MAX.to_be_bytes().to_vec(),
        (-1i32).to_be_bytes().to_vec(),
        framed(Vec::new()),
        framed(b"abc".to_vec()),
        framed(metadata_of(i32::MAX)),
        framed(metadata_of(1)),
        // An API that nobody has, and a version that Metadata does not have.
        framed(b"\x03\xe7\0\0\0\0\0\x01\xff\xff".to_vec()),
        framed(b"\0\x03\0\x63\0\0\0\x01\xff\xff".to_vec()),
        // Produce 2 is advertised for librdkafka, and not served.
        framed(b"\0\0\0\x02\0\0\0\x01\xff\xff\0\x01\0\0\0\0\0\0\0\0".to_vec()),
    ];
    for bytes in rubbish {
        let mut client = served.connect();
        client.stream.write_all(&bytes).expect("a connection");
        client.expect_closed();
    }
    let metadata = other.call(12, &MetadataRequest::default().with_topics(None));
    assert_eq!(metadata.brokers.len(), 1);
    served.stop();
}

#[test]
fn api_versions_answers_every_version() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut client = served.connect();
    let name = || StrBytes::from_static_str("apache-kafka-java");
    for version in 0..=4 {
        let request = match version {
            ..3 => ApiVersionsRequest::default(),
            _ => ApiVersionsRequest::default().with_client_software_name(name()).with_client_software_version(name()),
        };
        let response = client.call(version, &request);
        assert_eq!(response.error_code, 0);
        let produce = response.api_keys.iter().find(|one| one.api_key == ApiKey::Produce as i16).expect("produce");
        assert_eq!((produce.min_version, produce.max_version), (0, 13));
    }
    assert_eq!(client.call(3, &ApiVersionsRequest::default()).error_code, 42, "a client without a name");
    served.stop();

    let served = Served::start(directory.path());
    let mut client = served.connect();
    // A version of the future: error 35 in the oldest form, and the connection stays.
    client.send_frame(b"\0\x12\0\x63\0\0\0\x01\0\x01x\0rest of an unknown form");
    let response = client.receive::<ApiVersionsRequest>(0);
    assert_eq!((response.error_code, response.api_keys.len(), response.api_keys[0].api_key), (35, 1, 18));
    served.stop();
}

#[test]
fn a_frame_that_comes_byte_by_byte_is_answered() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let mut client = served.connect();
    client.stream.set_nodelay(true).expect("a socket");
    for byte in b"\0\0\0\x0a\0\x12\0\0\0\0\0\x01\xff\xff" {
        client.stream.write_all(&[*byte]).expect("a connection");
    }
    assert_eq!(client.receive::<ApiVersionsRequest>(0).error_code, 0);
    served.stop();
}

#[test]
fn an_address_and_a_directory_have_one_broker() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let served = Served::start(directory.path());
    let start = |config| served.runtime.block_on(Broker::start(config, &mut Registry::default())).err();
    match start(config(directory.path())) {
        Some(StartError::Locked(path)) => assert_eq!(path, directory.path()),
        other => panic!("{other:?}"),
    }
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let mut taken = config(elsewhere.path());
    taken.listen = vec![served.address.into()];
    match start(taken) {
        Some(StartError::AddressInUse(address)) => assert_eq!(address, served.address),
        other => panic!("{other:?}"),
    }
    let address = served.address;
    served.stop();
    // Both are free again.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut again = config(directory.path());
    again.listen = vec![address.into()];
    let broker = runtime.block_on(Broker::start(again, &mut Registry::default())).expect("a broker");
    runtime.block_on(broker.stop());
}
