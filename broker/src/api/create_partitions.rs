//! CreatePartitions (key 37): adds partitions to a topic.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_wire::protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_wire::protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, NAMED_TWICE, named_twice, text};
use crate::limits;
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=3;

pub async fn handle(node: &Arc<Node>, call: &Call, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let twice = named_twice(request.topics.iter().map(|topic| &topic.name));
    let mut checked = Vec::new();
    for topic in request.topics.into_iter().take(limits::TOPICS_PER_REQUEST_MAX) {
        let outcome = match twice.contains(&topic.name) {
            true => Err((ResponseError::InvalidRequest, NAMED_TWICE.to_owned())),
            false => check(node, call, &topic),
        };
        checked.push((topic, outcome));
    }
    let sound = checked.iter().filter(|(_, outcome)| outcome.is_ok());
    let sound = sound.map(|(topic, _)| (topic.name.to_string(), topic.count)).collect();
    let added = match request.validate_only {
        true => Vec::new(),
        false => node.add_partitions(sound).await,
    };
    let mut added = added.into_iter();
    let mut results = Vec::with_capacity(checked.len());
    for (topic, outcome) in checked {
        let outcome = match outcome {
            Ok(()) if request.validate_only => Ok(()),
            Ok(()) => (added.next().unwrap_or(Err(ResponseError::UnknownServerError)))
                .map_err(|error| (error, format!("partitions cannot be added: {error}"))),
            Err(refused) => Err(refused),
        };
        let result = CreatePartitionsTopicResult::default().with_name(topic.name);
        results.push(match outcome {
            Ok(()) => result,
            Err((error, message)) => result.with_error_code(error.code()).with_error_message(Some(text(message))),
        });
    }
    CreatePartitionsResponse::default().with_results(results)
}

fn check(node: &Node, call: &Call, asked: &CreatePartitionsTopic) -> Result<(), (ResponseError, String)> {
    let topic = call.administered(node, &asked.name).map_err(|error| (error, error.to_string()))?;
    let has = usize::try_from(topic.partition_count()).unwrap_or(0);
    let wants = usize::try_from(asked.count).unwrap_or(0);
    if asked.count > limits::PARTITIONS_PER_TOPIC_MAX {
        let message = format!("A topic has at most {} partitions.", limits::PARTITIONS_PER_TOPIC_MAX);
        return Err((ResponseError::InvalidPartitions, message));
    }
    if wants <= has {
        let message = format!(
            "The topic {} currently has {has} partition(s); {} would not be an increase.",
            asked.name.as_str(),
            asked.count
        );
        return Err((ResponseError::InvalidPartitions, message));
    }
    let here = |assignment: &kafka_wire::protocol::messages::create_partitions_request::CreatePartitionsAssignment| matches!(&assignment.broker_ids[..], [id] if id.0 == node.config.node_id);
    match &asked.assignments {
        Some(all) if all.len() != wants - has || !all.iter().all(here) => {
            Err((ResponseError::InvalidReplicaAssignment, "new partitions are to be on this broker".into()))
        }
        _ => Ok(()),
    }
}
