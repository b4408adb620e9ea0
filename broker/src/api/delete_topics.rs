//! DeleteTopics (key 20): removes topics, by name or (from version 6 on) by id; gone when the answer goes out.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_wire::protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_wire::protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, code, topic_name};
use crate::limits;
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 1..=6;

pub async fn handle(node: &Arc<Node>, call: &Call, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let named = request.topic_names.into_iter().map(|name| DeleteTopicState::default().with_name(Some(name)));
    let mut found = Vec::new();
    for asked in request.topics.into_iter().chain(named).take(limits::TOPICS_PER_REQUEST_MAX) {
        let topic = match &asked.name {
            Some(name) => call.administered(node, name),
            None => (node.log.topic_by_id(asked.topic_id).ok_or(ResponseError::UnknownTopicId))
                .and_then(|topic| call.administered(node, &topic.name)),
        };
        found.push((asked, topic));
    }
    let sound = found.iter().filter_map(|(_, topic)| Some(topic.as_ref().ok()?.name.to_string()));
    let mut deleted = match node.config.delete_topics {
        true => node.delete_topics(sound.collect()).await,
        false => sound.map(|_| Err(ResponseError::TopicDeletionDisabled)).collect(),
    }
    .into_iter();
    let mut responses = Vec::with_capacity(found.len());
    for (asked, topic) in found {
        let response = DeletableTopicResult::default().with_name(asked.name);
        let response = match &topic {
            Ok(topic) => response.with_name(Some(topic_name(&topic.name))),
            Err(_) => response,
        };
        let response = match (call.version, &topic) {
            (..6, _) => response,
            (_, Ok(topic)) => response.with_topic_id(topic.id),
            (_, Err(_)) => response.with_topic_id(asked.topic_id),
        };
        let deleted = match topic {
            Ok(_) => deleted.next().unwrap_or(Err(ResponseError::UnknownServerError)),
            Err(error) => Err(error),
        };
        responses.push(response.with_error_code(code(&deleted)));
    }
    DeleteTopicsResponse::default().with_responses(responses)
}
