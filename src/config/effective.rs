//! A config with everything filled in that it leaves out: the defaults, from where the parts have them.

use super::broker::{Durability, ListenerText};
use super::file::{
    AgentSection, BulkCompression, ConfigFile, ElasticsearchSection, Headers, Input, MissingYearWord, OutputSection,
    Start, WorkerSection,
};
use super::{BrokerSection, BrokerTls};
use crate::command::{self, agent, broker, worker};
use ::agent::Config as AgentConfig;
use ::broker::Config as BrokerConfig;
use kafka_client::ClientConfig;
use pipelines::worker::Settings;
use sink_elasticsearch::{Compression, Config as SinkConfig, without_credentials};
use std::time::Duration;

/// `config` to be shown: with the default of every key that it leaves out and that has one, and without credentials in URLs.
pub fn with_defaults(mut config: ConfigFile) -> ConfigFile {
    config.host_name.get_or_insert_with(::agent::host_name);
    of_agent(&mut config.agent);
    of_broker(&mut config.broker);
    of_worker(&mut config.worker);
    config
}

/// All defaults, also those in sections that a config may leave out.
pub fn defaults() -> ConfigFile {
    let agent = AgentSection {
        broker_tls: Some(Default::default()),
        sasl: Some(Default::default()),
        inputs: vec![Input { multiline: Some(Default::default()), ..Input::default() }],
        ..AgentSection::default()
    };
    let broker = BrokerSection { tls: Some(BrokerTls::default()), ..BrokerSection::default() };
    let worker = WorkerSection {
        broker_tls: Some(Default::default()),
        sasl: Some(Default::default()),
        elasticsearch: Some(Default::default()),
        ..WorkerSection::default()
    };
    with_defaults(ConfigFile { agent, broker, worker, ..ConfigFile::default() })
}

fn of_agent(section: &mut AgentSection) {
    let checkpoints = agent::CHECKPOINTS_DEFAULT;
    let default = AgentConfig::new(ClientConfig::new(Vec::new()), agent::TOPIC_DEFAULT, checkpoints);
    set(&mut section.broker, command::BROKER_DEFAULT.to_owned());
    set(&mut section.topic, default.topic);
    set(&mut section.headers, if default.headers { Headers::All } else { Headers::None });
    set(&mut section.checkpoints, default.checkpoints);
    set(&mut section.compression, default.compression.to_string());
    let from = match default.from {
        ::agent::From::Beginning => Start::Beginning,
        ::agent::From::End => Start::End,
    };
    let from = *section.from.get_or_insert(from);
    set(&mut section.linger_ms, millis(default.linger));
    set(&mut section.batch_bytes_max, default.batch_bytes_max);
    set(&mut section.line_bytes_max, default.line_bytes_max);
    set(&mut section.blocks_bytes_max, default.blocks_bytes_max);
    set(&mut section.deleted_bytes_max, default.deleted_bytes_max);
    set(&mut section.gzip_bytes_max, default.gzip_bytes_max);
    set(&mut section.spool_bytes_max, default.spool_bytes_max);
    set(&mut section.rescan_s, default.rescan.as_secs());
    set(&mut section.rotated_grace_s, default.rotated_grace.as_secs());
    set(&mut section.drain_s, command::DRAIN.as_secs());
    set(&mut section.open_files_max, default.open_files_max);
    set(&mut section.watches_max, default.watches_max);
    set(&mut section.status_listen, command::loopback(agent::STATUS_PORT));
    if let Some(sasl) = &mut section.sasl {
        set(&mut sasl.mechanism, super::security::MECHANISM_DEFAULT.to_owned());
    }
    let topic = section.topic.clone();
    for input in &mut section.inputs {
        set(&mut input.from, from);
        input.topic = input.topic.take().or_else(|| topic.clone());
        set(&mut input.follow_symlinks, false);
        if let Some(multiline) = &mut input.multiline {
            set(&mut multiline.timeout_ms, command::MULTILINE_TIMEOUT_MS);
        }
    }
}

fn of_broker(section: &mut BrokerSection) {
    let default = BrokerConfig::new(broker::DATA_DEFAULT);
    set(&mut section.listen, default.listen.into_iter().map(ListenerText).collect());
    set(&mut section.insecure, default.insecure);
    set(&mut section.data, default.data);
    let durability = match default.durability {
        ::broker::Durability::Disk => Durability::Disk,
        ::broker::Durability::PageCache => Durability::PageCache,
    };
    set(&mut section.durability, durability);
    set(&mut section.status_listen, command::loopback(broker::STATUS_PORT));
}

fn of_worker(section: &mut WorkerSection) {
    let (default, of_pipelines) = (Settings::default(), worker::pipeline_settings(&WorkerSection::default()));
    set(&mut section.broker, command::BROKER_DEFAULT.to_owned());
    set(&mut section.topics, vec![agent::TOPIC_DEFAULT.to_owned()]);
    set(&mut section.group, worker::GROUP_DEFAULT.to_owned());
    set(&mut section.pipelines, [("*".to_owned(), worker::DETECT.to_owned())].into());
    set(&mut section.geoip_folder, of_pipelines.geoip_folder);
    set(&mut section.missing_year, MissingYearWord::Nearest);
    let is_stream = *section.data_stream.get_or_insert(false);
    let index = if is_stream { command::DATA_STREAM_DEFAULT } else { command::INDEX_DEFAULT };
    set(&mut section.index, index.to_owned());
    set(&mut section.memory_bytes_max, default.memory_bytes_max);
    set(&mut section.open_offsets_max, default.open_offsets_max);
    set(&mut section.session_timeout_s, default.session_timeout.as_secs());
    set(&mut section.drain_s, command::DRAIN.as_secs());
    set(&mut section.status_listen, command::loopback(worker::STATUS_PORT));
    if let Some(sasl) = &mut section.sasl {
        set(&mut sasl.mechanism, super::security::MECHANISM_DEFAULT.to_owned());
    }
    match &mut section.output {
        Some(OutputSection::File(file)) => set(&mut file.rotate_keep, worker::ROTATE_KEEP),
        Some(OutputSection::Kafka(topic)) => {
            set(&mut topic.compression, worker::COMPRESSION_DEFAULT.to_owned());
            topic.broker = topic.broker.take().or_else(|| section.broker.clone());
        }
        Some(OutputSection::Stdout) | None => {}
    }
    if let Some(section) = &mut section.elasticsearch {
        of_elasticsearch(section);
    }
}

fn of_elasticsearch(section: &mut ElasticsearchSection) {
    let default = SinkConfig::new(Vec::<String>::new());
    section.urls.iter_mut().for_each(|url| *url = without_credentials(url));
    set(&mut section.setup, false);
    let compression = match default.compression {
        Compression::Auto => BulkCompression::Auto,
        Compression::None => BulkCompression::None,
        Compression::Gzip => BulkCompression::Gzip,
    };
    set(&mut section.compression, compression);
    set(&mut section.bulk_bytes_max, default.bulk_bytes_max);
    set(&mut section.bulk_documents_max, default.bulk_documents_max);
    set(&mut section.requests_in_flight_max, default.requests_in_flight_max);
    set(&mut section.linger_ms, millis(default.linger));
    set(&mut section.request_timeout_s, default.connection.request_timeout.as_secs());
    set(&mut section.index_hold_s, default.index_hold.as_secs());
}

fn set<T>(key: &mut Option<T>, default: T) {
    key.get_or_insert(default);
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
