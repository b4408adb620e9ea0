//! DescribeConfigs (key 32): settings of topics and of this broker, with where each value comes from (KIP-226).

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_wire::protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_wire::protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::resource::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC, check_broker_name, check_topic};
use super::{Call, text};
use crate::configs::{self, ConfigKey, ConfigType};
use crate::log::TopicConfig;
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 1..=4;

/// Kafka's `ConfigSource`.
pub(super) const TOPIC_CONFIG: i8 = 1;
pub(super) const STATIC_BROKER: i8 = 4;
pub(super) const DEFAULT: i8 = 5;

pub async fn handle(node: &Arc<Node>, call: &Call, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = request
        .resources
        .into_iter()
        .map(|resource| {
            let result = DescribeConfigsResult::default().with_resource_type(resource.resource_type);
            let result = match settings(node, call, &resource) {
                Ok(settings) => {
                    let wanted = resource.configuration_keys.as_deref();
                    let configs = (settings.into_iter())
                        .filter(|one| wanted.is_none_or(|keys| keys.iter().any(|key| key.as_str() == one.key.name)))
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

/// A config with its value, and all that give one, the one in force first.
pub(super) struct Setting {
    pub key: &'static ConfigKey,
    pub value: Option<String>,
    read_only: bool,
    /// Name, value and source.
    synonyms: Vec<(&'static str, String, i8)>,
}

fn settings(
    node: &Node,
    call: &Call,
    resource: &DescribeConfigsResource,
) -> Result<Vec<Setting>, (ResponseError, String)> {
    let name = resource.resource_name.as_str();
    let permitted = match resource.resource_type {
        TOPIC => call.permitted(node, call.rights.may_see(name), ResponseError::TopicAuthorizationFailed),
        _ => call.check_admin(node),
    };
    permitted.map_err(|error| (error, error.to_string()))?;
    match resource.resource_type {
        TOPIC => check_topic(node, name).map(|topic| topic_settings(node, &topic.config())),
        // Settings for all brokers have no name; there are none.
        BROKER if name.is_empty() => Ok(Vec::new()),
        BROKER => check_broker_name(node, name).map(|()| broker_settings(node)),
        // Loggers are set where the process is started, and there are neither groups of the consumer protocol nor
        // subscriptions to client metrics, which is all that these could describe.
        BROKER_LOGGER => check_broker_name(node, name).map(|()| Vec::new()),
        GROUP | CLIENT_METRICS if !name.is_empty() => Ok(Vec::new()),
        GROUP => Err((ResponseError::InvalidRequest, "Group name must not be empty".to_owned())),
        other => Err((ResponseError::InvalidRequest, format!("Unsupported resource type: {other}"))),
    }
}

/// All configs of a topic.
pub(super) fn topic_settings(node: &Node, config: &TopicConfig) -> Vec<Setting> {
    let setting = |key: &'static ConfigKey| {
        let set = config.overrides().get(key.name);
        let given = node.config.topic_default(key);
        let of_broker = (key.broker_names.iter())
            .filter_map(|name| Some((*name, node.config.set_values().get(*name)?.clone(), STATIC_BROKER)));
        let by_default = (key.broker_names.iter())
            .filter_map(|name| Some((*name, configs::broker_key(name)?.default?.to_owned(), DEFAULT)));
        // As Kafka: what stands before the broker's config in the topic's own unit is not shown.
        let names = of_broker.chain(by_default).skip_while(|(name, ..)| Some(name) != key.broker_names.first());
        let synonyms = set.map(|value| (key.name, value.clone(), TOPIC_CONFIG)).into_iter().chain(names).collect();
        let value = set.cloned().or(given).or_else(|| key.default.map(str::to_owned));
        Setting { key, value, read_only: false, synonyms }
    };
    configs::topic_keys().iter().map(setting).filter(is_shown).collect()
}

fn broker_settings(node: &Node) -> Vec<Setting> {
    let setting = |key: &'static ConfigKey| {
        let set = node.config.set_values().get(key.name).cloned().or_else(|| own(node, key.name));
        let default = key.default.map(str::to_owned);
        let first = set.as_ref().map(|value| (key.name, value.clone(), STATIC_BROKER));
        let synonyms = first.into_iter().chain(default.clone().map(|value| (key.name, value, DEFAULT))).collect();
        Setting { key, value: set.or(default), read_only: true, synonyms }
    };
    configs::broker_keys().iter().map(setting).filter(is_shown).collect()
}

/// Kafka's configs always; ours only where it is set, so that tools see the list that they know.
fn is_shown(setting: &Setting) -> bool {
    setting.key.name != configs::OWN || setting.value.as_deref() != setting.key.default
}

/// What this broker has that is not Kafka's default, whoever said it.
fn own(node: &Node, name: &str) -> Option<String> {
    let config = &node.config;
    Some(match name {
        "advertised.listeners" => node.advertised_listeners(),
        "listeners" => node.listeners(),
        "log.dirs" => config.data.display().to_string(),
        "node.id" | "broker.id" => config.node_id.to_string(),
        "process.roles" => "broker,controller".to_owned(),
        "num.partitions" => config.num_partitions.to_string(),
        "offsets.topic.num.partitions" => config.offsets_topic_partitions.to_string(),
        "offsets.topic.replication.factor" => "1".to_owned(),
        "group.initial.rebalance.delay.ms" => config.initial_rebalance_delay.as_millis().to_string(),
        "max.connections" => config.connections_max.to_string(),
        "max.connections.per.ip" => config.connections_per_address_max.to_string(),
        "group.max.size" => crate::limits::GROUP_MEMBERS_MAX.to_string(),
        _ => return None,
    })
}

impl Setting {
    pub(super) fn source(&self) -> i8 {
        self.synonyms.first().map_or(DEFAULT, |(_, _, source)| *source)
    }

    fn described(self, call: &Call, with_synonyms: bool) -> DescribeConfigsResourceResult {
        let source = self.source();
        let is_sensitive = self.key.kind == ConfigType::Password;
        let visible = |value: String| (!is_sensitive).then(|| text(value));
        let described = DescribeConfigsResourceResult::default()
            .with_name(text(self.key.name))
            .with_value(self.value.and_then(visible))
            .with_read_only(self.read_only)
            .with_is_sensitive(is_sensitive)
            .with_config_source(source);
        let synonyms = self.synonyms.into_iter().map(|(name, value, source)| {
            DescribeConfigsSynonym::default().with_name(text(name)).with_value(visible(value)).with_source(source)
        });
        let described = if with_synonyms { described.with_synonyms(synonyms.collect()) } else { described };
        if call.version >= 3 { described.with_config_type(self.key.kind as i8) } else { described }
    }
}
