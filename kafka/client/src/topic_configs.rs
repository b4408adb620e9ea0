//! The configs of a topic, as the broker has them now.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_wire::protocol::messages::DescribeConfigsRequest;
use kafka_wire::protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_wire::protocol::protocol::StrBytes;

use crate::client::Client;
use crate::code::ErrorCode;
use crate::error::ClientError;

/// `ConfigResource.Type.TOPIC`.
const TOPIC: i8 = 2;

impl Client {
    /// The values of these configs of a topic, its own or the broker's defaults. One that the broker does not know, or
    /// does not tell, is missing.
    ///
    /// # Errors
    /// The broker refuses this client (the right to describe the topic's configs), or has no such API.
    pub async fn topic_configs(&self, topic: &str, names: &[&str]) -> Result<BTreeMap<String, String>, ClientError> {
        let topic: Arc<str> = Arc::from(topic);
        self.retry_topic(&topic, || self.topic_configs_once(&topic, names)).await
    }

    async fn topic_configs_once(
        &self,
        topic: &Arc<str>,
        names: &[&str],
    ) -> Result<BTreeMap<String, String>, ClientError> {
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let resource = DescribeConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text(topic))
            .with_configuration_keys(Some(names.iter().map(|name| text(name)).collect()));
        let response = self.call_any(DescribeConfigsRequest::default().with_resources(vec![resource])).await?;
        let Some(result) = response.results.into_iter().next() else { return Ok(BTreeMap::new()) };
        if let Some(code) = ErrorCode::from_wire(result.error_code) {
            let what = format!("describe configs of topic {topic:?}");
            return Err(ClientError::refused(what, code, result.error_message.as_deref()));
        }
        let values = result.configs.into_iter().filter_map(|config| Some((config.name, config.value?)));
        Ok(values.map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }
}
