//! DescribeConfigs (key 32): settings of topics and of this broker, as far as they mean something here.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_wire::protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_wire::protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::topic_configs::{ConfigType, TOPIC_CONFIGS};
use super::{Call, text};
use crate::log::TopicConfig;
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 1..=4;

/// Kafka's `ConfigResource.Type`.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Kafka's `ConfigSource`.
const TOPIC_CONFIG: i8 = 1;
const STATIC_BROKER: i8 = 4;
const DEFAULT: i8 = 5;

pub async fn handle(node: &Arc<Node>, call: &Call, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = request
        .resources
        .into_iter()
        .map(|resource| {
            let result = DescribeConfigsResult::default().with_resource_type(resource.resource_type);
            let result = match settings(node, &resource) {
                Ok(settings) => {
                    let wanted = resource.configuration_keys.as_deref();
                    let configs = (settings.into_iter())
                        .filter(|one| wanted.is_none_or(|keys| keys.iter().any(|key| key.as_str() == one.name)))
                        .map(|one| one.described(call, request.include_synonyms))
                        .collect();
                    result.with_configs(configs)
                }
                Err((error, message)) => result.with_error_code(error.code()).with_error_message(Some(text(message))),
            };
            result.with_resource_name(resource.resource_name)
        })
        .collect();
    DescribeConfigsResponse::default().with_results(results)
}

struct Setting {
    name: &'static str,
    value: String,
    kind: ConfigType,
    source: i8,
    /// The broker's setting that this default comes from.
    synonym: &'static str,
}

fn settings(node: &Node, resource: &DescribeConfigsResource) -> Result<Vec<Setting>, (ResponseError, String)> {
    let name = resource.resource_name.as_str();
    match resource.resource_type {
        TOPIC => match node.log.topic(name) {
            Some(topic) => Ok(topic_settings(&topic.config())),
            None => Err((ResponseError::UnknownTopicOrPartition, format!("there is no topic {name:?}"))),
        },
        // Settings for all brokers have no name; there are none.
        BROKER if name.is_empty() => Ok(Vec::new()),
        BROKER if name == node.config.node_id.to_string() => Ok(broker_settings(node)),
        BROKER => Err((ResponseError::InvalidRequest, format!("this is broker {}, not {name:?}", node.config.node_id))),
        other => Err((ResponseError::InvalidRequest, format!("resources of type {other} have no settings here"))),
    }
}

fn topic_settings(config: &TopicConfig) -> Vec<Setting> {
    (TOPIC_CONFIGS.iter())
        .map(|one| {
            let set = config.overrides().get(one.name);
            Setting {
                name: one.name,
                value: set.map_or(one.default, String::as_str).to_owned(),
                kind: one.kind,
                source: if set.is_some() { TOPIC_CONFIG } else { DEFAULT },
                synonym: if set.is_some() { one.name } else { one.synonym },
            }
        })
        .collect()
}

fn broker_settings(node: &Node) -> Vec<Setting> {
    let config = &node.config;
    let listen: Vec<String> = config.listen.iter().map(|address| format!("PLAINTEXT://{address}")).collect();
    let setting = |name, value, kind| Setting { name, value, kind, source: STATIC_BROKER, synonym: name };
    vec![
        setting("advertised.listeners", node.advertised_listeners(), ConfigType::List),
        setting("auto.create.topics.enable", config.auto_create_topics.to_string(), ConfigType::Boolean),
        setting("default.replication.factor", "1".to_owned(), ConfigType::Int),
        setting(
            "group.initial.rebalance.delay.ms",
            config.initial_rebalance_delay.as_millis().to_string(),
            ConfigType::Int,
        ),
        setting("listeners", listen.join(","), ConfigType::List),
        setting("log.dirs", config.data.display().to_string(), ConfigType::List),
        setting("max.connections", config.connections_max.to_string(), ConfigType::Int),
        setting("message.max.bytes", TopicConfig::default().max_message_bytes.to_string(), ConfigType::Int),
        setting("min.insync.replicas", "1".to_owned(), ConfigType::Int),
        setting("node.id", config.node_id.to_string(), ConfigType::Int),
        setting("num.partitions", config.num_partitions.to_string(), ConfigType::Int),
        setting("offsets.topic.num.partitions", config.offsets_topic_partitions.to_string(), ConfigType::Int),
        setting("socket.request.max.bytes", config.request_bytes_max.to_string(), ConfigType::Int),
    ]
}

impl Setting {
    fn described(self, call: &Call, with_synonyms: bool) -> DescribeConfigsResourceResult {
        let described = DescribeConfigsResourceResult::default()
            .with_name(text(self.name))
            .with_value(Some(text(self.value.clone())))
            .with_read_only(self.source == STATIC_BROKER)
            .with_config_source(self.source);
        let described = match with_synonyms && !self.synonym.is_empty() {
            false => described,
            true => described.with_synonyms(vec![
                DescribeConfigsSynonym::default()
                    .with_name(text(self.synonym))
                    .with_value(Some(text(self.value)))
                    .with_source(self.source),
            ]),
        };
        if call.version >= 3 { described.with_config_type(self.kind as i8) } else { described }
    }
}
