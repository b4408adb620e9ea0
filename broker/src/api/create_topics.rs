//! CreateTopics (key 19): makes topics; they are there when the answer goes out.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::create_topics_request::CreatableTopic;
use kafka_wire::protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_wire::protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::describe_configs::topic_settings;
use super::{Call, NAMED_TWICE, named_twice, text};
use crate::limits;
use crate::log::{NewTopic, TopicConfig};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 2..=7;

/// Partitions or replicas: the broker's default (KIP-464).
const DEFAULT: i32 = -1;

type Refused = (ResponseError, String);

pub async fn handle(node: &Arc<Node>, call: &Call, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let twice = named_twice(request.topics.iter().map(|topic| &topic.name));
    let too_many = request.topics.len() > limits::TOPICS_PER_REQUEST_MAX;
    let mut sound = Vec::new();
    let mut checked = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let may = || call.permitted(node, call.rights.may_write(&topic.name), ResponseError::TopicAuthorizationFailed);
        let outcome = match () {
            () if twice.contains(&topic.name) => Err((ResponseError::InvalidRequest, NAMED_TWICE.to_owned())),
            () if too_many => Err((ResponseError::PolicyViolation, "too many topics in one request".to_owned())),
            () => may().map_err(|error| (error, error.to_string())).and_then(|()| asked(node, topic)),
        };
        sound.extend(outcome.as_ref().ok().cloned());
        checked.push(outcome);
    }
    let made = match request.validate_only {
        true => Vec::new(),
        false => node.create_topics(sound).await,
    };
    let mut made = made.into_iter();
    let mut results = Vec::with_capacity(checked.len());
    for (topic, checked) in request.topics.into_iter().zip(checked) {
        let outcome = match checked {
            Ok(asked) if request.validate_only => Ok((asked, uuid::Uuid::nil())),
            Ok(asked) => match made.next().unwrap_or(Err(ResponseError::UnknownServerError)) {
                Ok(made) => Ok((asked, made.id)),
                Err(error) => Err((error, format!("topic {:?} cannot be created: {error}", topic.name.as_str()))),
            },
            Err(refused) => Err(refused),
        };
        results.push(result(node, call, CreatableTopicResult::default().with_name(topic.name), outcome));
    }
    CreateTopicsResponse::default().with_topics(results)
}

/// The id is null where the topic was only validated.
fn result(
    node: &Node,
    call: &Call,
    result: CreatableTopicResult,
    outcome: Result<(NewTopic, uuid::Uuid), Refused>,
) -> CreatableTopicResult {
    match outcome {
        Ok((topic, id)) => {
            let result = if call.version >= 7 { result.with_topic_id(id) } else { result };
            match call.version {
                ..5 => result,
                _ => result
                    .with_num_partitions(topic.partitions)
                    .with_replication_factor(1)
                    .with_configs(Some(configs(node, &topic.config))),
            }
        }
        Err((error, message)) => {
            let result = result.with_error_code(error.code()).with_error_message(Some(text(message)));
            match call.version {
                ..5 => result,
                _ => result.with_num_partitions(-1).with_replication_factor(-1),
            }
        }
    }
}

/// What is to be made, if it may be.
fn asked(node: &Node, topic: &CreatableTopic) -> Result<NewTopic, Refused> {
    Ok(NewTopic { name: topic.name.to_string(), partitions: checked(node, topic)?, config: configured(node, topic)? })
}

fn checked(node: &Node, topic: &CreatableTopic) -> Result<i32, Refused> {
    let name = topic.name.as_str();
    crate::log::check_topic_name(name).map_err(|error| (ResponseError::InvalidTopicException, error.to_string()))?;
    if node.log.topic(name).is_some() {
        return Err((ResponseError::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
    }
    if topic.assignments.is_empty() {
        if !matches!(topic.replication_factor, -1 | 1) {
            let message = format!(
                "Unable to replicate the partition {0} time(s): The target replication factor of {0} cannot be reached because only 1 broker(s) are registered.",
                topic.replication_factor
            );
            return Err((ResponseError::InvalidReplicationFactor, message));
        }
        return match topic.num_partitions {
            DEFAULT => Ok(node.config.num_partitions),
            count @ 1..=limits::PARTITIONS_PER_TOPIC_MAX => Ok(count),
            count => Err((
                ResponseError::InvalidPartitions,
                format!("Number of partitions was set to {count}; want 1 to {}.", limits::PARTITIONS_PER_TOPIC_MAX),
            )),
        };
    }
    if topic.num_partitions != DEFAULT || topic.replication_factor != -1 {
        let message = "a topic has an assignment, or numbers of partitions and replicas".to_owned();
        return Err((ResponseError::InvalidRequest, message));
    }
    let mut indexes: Vec<i32> = topic.assignments.iter().map(|one| one.partition_index).collect();
    indexes.sort_unstable();
    let dense = (0..).zip(&indexes).all(|(want, index)| want == *index);
    let here = topic.assignments.iter().all(|one| matches!(&one.broker_ids[..], [id] if id.0 == node.config.node_id));
    match i32::try_from(indexes.len()) {
        Ok(count @ 1..=limits::PARTITIONS_PER_TOPIC_MAX) if dense && here => Ok(count),
        _ => {
            Err((ResponseError::InvalidReplicaAssignment, "partitions are to be on this broker, from 0 on".to_owned()))
        }
    }
}

/// The topic's own settings.
fn configured(node: &Node, topic: &CreatableTopic) -> Result<TopicConfig, Refused> {
    let mut overrides = BTreeMap::new();
    for one in &topic.configs {
        let Some(value) = &one.value else {
            let message = format!("Null value not supported for topic configs: {}", one.name.as_str());
            return Err((ResponseError::InvalidConfig, message));
        };
        overrides.insert(one.name.to_string(), value.to_string());
    }
    node.log.topic_defaults().with(overrides).map_err(|error| (ResponseError::InvalidConfig, error.to_string()))
}

fn configs(node: &Node, config: &TopicConfig) -> Vec<CreatableTopicConfigs> {
    (topic_settings(node, config).into_iter())
        .map(|one| {
            CreatableTopicConfigs::default()
                .with_name(text(one.key.name))
                .with_config_source(one.source())
                .with_value(one.value.map(text))
        })
        .collect()
}
