//! Whether brokers can be reached, let us in, and have the topics.

use super::Probe;
use crate::command::agent::TOPIC_DEFAULT;
use crate::command::brokers;
use crate::config::{BrokerTlsSection, ConfigFile, SaslSection, security};
use kafka_client::{Client, ClientConfig, ClientError, Metadata, chain};
use kafka_wire::protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_wire::protocol::protocol::StrBytes;
use std::sync::Arc;
use std::time::Duration;

/// Somebody waits for the answer: a broker that takes longer does not work either.
const TIMEOUT: Duration = Duration::from_secs(5);
/// KIP-896: Apache Kafka 4 and clients of today begin with this version of Fetch.
const FETCH_VERSION_LEAST: i16 = 4;
/// The record batches of Kafka 0.11, the only ones that are written here.
const PRODUCE_VERSION_LEAST: i16 = 3;

pub async fn all(config: &ConfigFile) -> Vec<Probe> {
    let (agent, worker) = (&config.agent, &config.worker);
    let topics = agent.inputs.iter().map(|input| input.topic.as_ref().or(agent.topic.as_ref()));
    let mut topics: Vec<String> = topics.map(|topic| topic.map_or(TOPIC_DEFAULT, String::as_str).to_owned()).collect();
    // What depends on the file is not known here.
    topics.retain(|topic| !topic.contains('{'));
    topics.sort();
    topics.dedup();
    let of_worker = worker.topics.clone().unwrap_or_else(|| vec![TOPIC_DEFAULT.to_owned()]);
    let mut probes = Vec::new();
    if agent.broker.is_some() || !agent.inputs.is_empty() {
        let addresses = brokers(&[], agent.broker.as_deref());
        probes.extend(ask("agent", addresses, agent.broker_tls.as_ref(), agent.sasl.as_ref(), topics).await);
    }
    if worker.broker.is_some() || worker.topics.is_some() || worker.elasticsearch.is_some() {
        let addresses = brokers(&[], worker.broker.as_deref());
        probes.extend(ask("worker", addresses, worker.broker_tls.as_ref(), worker.sasl.as_ref(), of_worker).await);
    }
    probes
}

async fn ask(
    part: &str,
    addresses: Vec<String>,
    tls: Option<&BrokerTlsSection>,
    sasl: Option<&SaslSection>,
    topics: Vec<String>,
) -> Vec<Probe> {
    let what = format!("{part}.broker {}", addresses.join(","));
    let security = match security::checked(part, tls, sasl) {
        Ok(security) => security,
        Err(failure) => return vec![Probe::error(what, failure.to_string(), failure.hint())],
    };
    let mut client = ClientConfig::new(addresses);
    client.security = security;
    client.connect_timeout = TIMEOUT;
    client.request_timeout = TIMEOUT;
    let client = Client::new(client);
    let names: Vec<Arc<str>> = topics.iter().map(|topic| topic.as_str().into()).collect();
    let metadata = match client.refresh(&names, false).await {
        Ok(metadata) => metadata,
        Err(error) => return vec![unreachable(&what, part, &error)],
    };
    let mut probes = vec![match client.call_any(api_versions()).await {
        Ok(versions) => version(&what, &metadata, &versions),
        Err(error) => unreachable(&what, part, &error),
    }];
    probes.extend(topics.iter().map(|topic| of_topic(part, topic, &metadata)));
    probes
}

fn unreachable(what: &str, part: &str, error: &ClientError) -> Probe {
    let says = chain(error);
    let lower = says.to_lowercase();
    let hint = match () {
        () if lower.contains("sasl") || lower.contains("authentication") => {
            format!("{part}.sasl has the user and the password; does the broker know them?")
        }
        () if lower.contains("certificate") || lower.contains("tls") => {
            format!("{part}.broker_tls.ca has to name the roots of the broker's certificate")
        }
        () if lower.contains("closed") || lower.contains("eof") => {
            format!("it may want TLS or a user: {part}.broker_tls, {part}.sasl")
        }
        () => format!("is it running, is the address right ({part}.broker), and lets a firewall the port through?"),
    };
    Probe::error(what, says, hint)
}

/// From version 3 on brokers want to know who asks.
fn api_versions() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str(env!("CARGO_PKG_NAME")))
        .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")))
}

fn version(what: &str, metadata: &Metadata, versions: &ApiVersionsResponse) -> Probe {
    let most =
        |key: ApiKey| versions.api_keys.iter().find(|api| api.api_key == key as i16).map_or(-1, |api| api.max_version);
    let (produce, fetch) = (most(ApiKey::Produce), most(ApiKey::Fetch));
    let cluster = metadata.cluster_id.as_deref().unwrap_or("without an id");
    let says = format!(
        "answers; cluster {cluster}, {} brokers, Produce up to v{produce}, Fetch up to v{fetch}",
        metadata.brokers.len()
    );
    match produce >= PRODUCE_VERSION_LEAST && fetch >= FETCH_VERSION_LEAST {
        true => Probe::ok(what, says),
        false => Probe::error(what, says, "it is older than Kafka 0.11; a newer one is needed"),
    }
}

fn of_topic(part: &str, name: &str, metadata: &Metadata) -> Probe {
    let what = format!("{part}: topic {name:?}");
    let Some(topic) = metadata.topics.get(name) else {
        return Probe::warning(what, "nothing is known of it", "ask again when the broker has started");
    };
    if let Some(error) = topic.error {
        let hint = match part {
            "agent" => {
                "it is made with the first line where the broker makes topics (auto.create.topics.enable), or with kafka-topics"
            }
            _ => "the worker waits until it is there",
        };
        return Probe::warning(what, error.to_string(), hint);
    }
    let leaderless = topic.partitions.values().filter(|leader| leader.is_none()).count();
    match leaderless {
        0 => Probe::ok(what, format!("{} partitions", topic.partitions.len())),
        some => {
            let says = format!("{some} of {} partitions have no leader", topic.partitions.len());
            Probe::error(what, says, "bring the brokers back that have them")
        }
    }
}
