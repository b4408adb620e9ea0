//! A fake broker's answers.

use bytes::Bytes;
use kafka_wire::protocol::messages::api_versions_response::ApiVersion;
use kafka_wire::protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_wire::protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_wire::protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_wire::protocol::messages::*;
use kafka_wire::protocol::protocol::{Request, StrBytes};

use super::State;
use super::serve::{decode, encode};

const NOT_LEADER: i16 = 6;
const UNKNOWN_TOPIC: i16 = 3;
const UNSUPPORTED_VERSION: i16 = 35;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const LEADER_NOT_AVAILABLE: i16 = 5;

/// Who asks what.
pub struct Asked {
    pub key: i16,
    pub version: i16,
    pub correlation_id: i32,
    pub node: i32,
}

/// Answers everything but Produce.
pub fn answer(asked: &Asked, body: Bytes, state: &mut State) -> Bytes {
    match asked.key {
        ApiVersionsRequest::KEY => api_versions(asked, body, state),
        MetadataRequest::KEY => metadata(asked, body, state),
        InitProducerIdRequest::KEY => {
            state.next_producer_id += 1;
            let response = InitProducerIdResponse::default()
                .with_producer_id(ProducerId(1000 + state.next_producer_id))
                .with_producer_epoch(0);
            encode::<InitProducerIdRequest>(asked, asked.version, &response)
        }
        CreateTopicsRequest::KEY => create_topics(asked, body, state),
        FindCoordinatorRequest::KEY => {
            let node = (state.addresses.len() - 1) as i32;
            let address = state.addresses[node as usize];
            let response = FindCoordinatorResponse::default()
                .with_node_id(BrokerId(node))
                .with_host(StrBytes::from_string(address.ip().to_string()))
                .with_port(i32::from(address.port()));
            encode::<FindCoordinatorRequest>(asked, asked.version, &response)
        }
        HeartbeatRequest::KEY => {
            encode::<HeartbeatRequest>(asked, asked.version, &HeartbeatResponse::default().with_error_code(25))
        }
        key => panic!("API key {key} has no answer here"),
    }
}

fn api_versions(asked: &Asked, body: Bytes, state: &mut State) -> Bytes {
    let range = |key: i16, min, max: i16| {
        let max = state.version_max.get(&key).copied().unwrap_or(max);
        ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max)
    };
    let own = range(ApiVersionsRequest::KEY, 0, state.api_versions_max);
    if asked.version > state.api_versions_max {
        let response = ApiVersionsResponse::default().with_error_code(UNSUPPORTED_VERSION).with_api_keys(vec![own]);
        return encode::<ApiVersionsRequest>(asked, 0, &response);
    }
    let keys = vec![
        own,
        range(ProduceRequest::KEY, 0, 13),
        range(MetadataRequest::KEY, 0, 13),
        range(InitProducerIdRequest::KEY, 0, 5),
        range(CreateTopicsRequest::KEY, 2, 7),
        range(FindCoordinatorRequest::KEY, 0, 6),
        range(HeartbeatRequest::KEY, 0, 4),
    ];
    if asked.version >= 3 {
        let request: ApiVersionsRequest = decode(body, asked.version);
        let software = (request.client_software_name.to_string(), request.client_software_version.to_string());
        state.client_software = Some(software);
    }
    encode::<ApiVersionsRequest>(asked, asked.version, &ApiVersionsResponse::default().with_api_keys(keys))
}

fn metadata(asked: &Asked, body: Bytes, state: &mut State) -> Bytes {
    let request: MetadataRequest = decode(body, asked.version);
    let brokers = state.addresses.iter().enumerate().map(|(node, address)| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(node as i32))
            .with_host(StrBytes::from_string(address.ip().to_string()))
            .with_port(i32::from(address.port()))
    });
    let brokers = brokers.collect();
    let mut topics = Vec::new();
    for topic in request.topics.into_iter().flatten() {
        let name = topic.name.expect("asked by name");
        let exists = state.partitions.keys().any(|(topic, _)| *topic == *name.as_str());
        if !exists
            && request.allow_auto_topic_creation
            && let Some(partitions) = state.auto_create
        {
            state.create(&name, partitions);
        }
        let partitions: Vec<_> = (state.partitions.iter())
            .filter(|((topic, _), _)| *topic == *name.as_str())
            .map(|((_, index), partition)| {
                MetadataResponsePartition::default()
                    .with_partition_index(*index)
                    .with_leader_id(BrokerId(partition.leader.unwrap_or(-1)))
                    .with_error_code(if partition.leader.is_some() { 0 } else { LEADER_NOT_AVAILABLE })
            })
            .collect();
        let code = if partitions.is_empty() { UNKNOWN_TOPIC } else { 0 };
        let topic = MetadataResponseTopic::default().with_name(Some(name)).with_error_code(code);
        topics.push(topic.with_partitions(partitions));
    }
    let response = MetadataResponse::default()
        .with_brokers(brokers)
        .with_topics(topics)
        .with_controller_id(BrokerId(0))
        .with_cluster_id(Some(StrBytes::from_static_str("fake")));
    encode::<MetadataRequest>(asked, asked.version, &response)
}

fn create_topics(asked: &Asked, body: Bytes, state: &mut State) -> Bytes {
    let request: CreateTopicsRequest = decode(body, asked.version);
    let mut results = Vec::new();
    for topic in request.topics {
        let exists = state.partitions.keys().any(|(name, _)| *name == *topic.name.as_str());
        if !exists {
            state.create(&topic.name, topic.num_partitions.max(1));
        }
        let code = if exists { TOPIC_ALREADY_EXISTS } else { 0 };
        results.push(CreatableTopicResult::default().with_name(topic.name).with_error_code(code));
    }
    encode::<CreateTopicsRequest>(asked, asked.version, &CreateTopicsResponse::default().with_topics(results))
}

/// Appends the batches of a request, and answers with what came of them, or with `code` instead.
pub fn produce(asked: &Asked, request: &ProduceRequest, code: Option<i16>, pause: i32, state: &mut State) -> Bytes {
    let count = request.topic_data.iter().map(|topic| topic.partition_data.len()).sum();
    state.partitions_in_request_max = state.partitions_in_request_max.max(count);
    if request.acks != -1 {
        state.violations.push(format!("acks {}", request.acks));
    }
    let response = respond(request, |topic, index, batch| {
        let Some(partition) = state.partitions.get_mut(&(topic.to_owned(), index)) else {
            return (UNKNOWN_TOPIC, -1);
        };
        if !partition.is_repetition_identical(batch) {
            state.violations.push(format!("{topic}-{index}: a batch was repeated with other bytes"));
        }
        if partition.leader != Some(asked.node) {
            return (NOT_LEADER, -1);
        }
        let appended = partition.append(batch);
        code.map_or(appended, |code| (code, -1))
    });
    encode::<ProduceRequest>(asked, asked.version, &response.with_throttle_time_ms(pause))
}

/// Answers `code` for every partition.
pub fn refuse_produce(asked: &Asked, request: &ProduceRequest, code: i16) -> Bytes {
    encode::<ProduceRequest>(asked, asked.version, &respond(request, |_, _, _| (code, -1)))
}

fn respond(request: &ProduceRequest, mut each: impl FnMut(&str, i32, &Bytes) -> (i16, i64)) -> ProduceResponse {
    let mut topics = Vec::new();
    for topic in &request.topic_data {
        let mut partitions = Vec::new();
        for partition in &topic.partition_data {
            let batch = partition.records.clone().unwrap_or_default();
            let (code, base_offset) = each(&topic.name, partition.index, &batch);
            let answer = PartitionProduceResponse::default().with_index(partition.index).with_error_code(code);
            partitions.push(answer.with_base_offset(base_offset));
        }
        let topic = TopicProduceResponse::default().with_name(topic.name.clone());
        topics.push(topic.with_partition_responses(partitions));
    }
    ProduceResponse::default().with_responses(topics)
}
