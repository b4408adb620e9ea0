//! What can be wrong in the section `worker`.

use super::agent::{brokers, secured};
use super::findings::Findings;
use crate::command::{elasticsearch, index, worker as part};
use crate::config::{ElasticsearchSection, OutputSection, WorkerSection};
use crate::output;
use anyhow::Error;
use pipelines::worker::IndexPattern;
use prometheus_client::registry::Registry;
use sink_elasticsearch::{ConfigError, ElasticsearchSink};

/// The way out of what the loader says about a pipeline's file.
const PIPELINE_HINT: &str =
    "`sluice pipeline run FILE < LINES` tries a pipeline; ready-made ones are named without a path, as nginx-access";

pub fn check(section: &WorkerSection, found: &mut Findings<'_>) {
    brokers("worker.broker", section.broker.as_deref(), found);
    secured("worker", section.broker_tls.as_ref(), section.sasl.as_ref(), found);
    if section.topics.as_ref().is_some_and(Vec::is_empty) {
        found.error("worker.topics", "no topic is named", "for example: topics: [logs]");
    }
    if section.group.as_deref() == Some("") {
        found.error("worker.group", "the group has no name", "for example: group: sluice");
    }
    let settings = part::pipeline_settings(section);
    for (dataset, name) in section.pipelines.iter().flatten() {
        if let Err(error) = part::choice(name, &settings) {
            let text = format!("{error:#}");
            let cause = text.split("\nhint: ").next().unwrap_or_default();
            let known = crate::config::did_you_mean(name, pipelines::library::names().chain([part::DETECT]));
            let hint = known.filter(|_| !name.contains(['/', '.'])).unwrap_or_else(|| PIPELINE_HINT.to_owned());
            found.error(&format!("worker.pipelines.{dataset}"), cause, hint);
        }
    }
    match index::index(section) {
        Err(failure) => found.failure("worker.index", &failure),
        Ok(pattern) => {
            if let Some(Err(error)) = pattern.as_deref().map(IndexPattern::parse) {
                let hint = "for example: index: sluice-<dataset>-<yyyy.MM>";
                found.error("worker.index", format!("{:#}", Error::new(error)), hint);
            }
        }
    }
    if let Some(OutputSection::Kafka(topic)) = &section.output {
        brokers("worker.output.kafka.broker", topic.broker.as_deref(), found);
        if let Some(Err(error)) = topic.compression.as_deref().map(output::compression) {
            let hint = "want one of none, gzip, snappy, lz4 and zstd";
            found.error("worker.output.kafka.compression", format!("{error:#}"), hint);
        }
    }
    if let Some(section) = &section.elasticsearch {
        servers(section, found);
    }
}

fn servers(section: &ElasticsearchSection, found: &mut Findings<'_>) {
    let of = |key: &str| format!("worker.elasticsearch.{key}");
    let config = match elasticsearch::checked(section) {
        Ok(config) => config,
        Err(failure) => {
            let text = failure.to_string();
            let keys = ["password_file", "api_key_file", "bearer_token_file", "password", "api_key", "bearer_token"];
            let named = keys.iter().find(|key| text.contains(*key)).copied();
            let key = match named {
                _ if text.starts_with("username") => "username",
                _ if text.starts_with("urls") => "urls",
                Some(key) => key,
                None => found_credentials(section),
            };
            return found.failure(&of(key), &failure);
        }
    };
    // Without a URL here, --elasticsearch names one.
    if section.urls.is_empty() {
        return;
    }
    let Err(error) = ElasticsearchSink::new(config, &mut Registry::default()) else { return };
    let tls = &section.tls;
    let (key, hint) = match &error {
        ConfigError::NoUrl | ConfigError::Url { .. } => ("urls", "for example: urls: [\"http://127.0.0.1:9200\"]"),
        ConfigError::OutOfRange { key, .. } => (*key, "leave it out for the default"),
        ConfigError::File { path, .. } | ConfigError::Pem { path, .. } => {
            let key = match () {
                () if tls.ca_file.as_ref() == Some(path) => "tls.ca_file",
                () if tls.key_file.as_ref() == Some(path) => "tls.key_file",
                () => "tls.certificate_file",
            };
            (key, "want a file in PEM form that this user may read")
        }
        ConfigError::HalfIdentity => ("tls", "add the other one, or leave both out"),
        ConfigError::Credentials => {
            (found_credentials(section), "look for a newline or another control character in it")
        }
        ConfigError::Backoff { .. } | ConfigError::Client(_) => ("urls", "docs/config.md shows every key"),
    };
    found.error(&of(key), format!("{:#}", Error::new(error)), hint);
}

/// The kind of credentials that is given.
fn found_credentials(section: &ElasticsearchSection) -> &'static str {
    match section {
        ElasticsearchSection { username: Some(_), .. } => "username",
        ElasticsearchSection { api_key: Some(_), .. } => "api_key",
        ElasticsearchSection { bearer_token: Some(_), .. } => "bearer_token",
        _ => "urls",
    }
}
