//! `sluice worker`: the worker alone, with its sink.

use super::agent::TOPIC_DEFAULT;
use super::instance::{self, InstanceName};
use super::{DRAIN, TICK, brokers, comma_lists, elasticsearch, setup};
use crate::cli::WorkerArgs;
use crate::config::security;
use crate::config::{ConfigFile, ElasticsearchSection, WorkerSection};
use crate::failure::Failure;
use crate::files;
use crate::output::StandardOutput;
use crate::screen::{LiveLine, Screen};
use crate::shutdown;
use crate::status::StatusListener;
use anyhow::Context;
use kafka_client::{Client, ClientConfig};
use pipelines::pipeline::Pipeline;
use pipelines::sink::Sink;
use pipelines::worker::{Choice, Config, IndexPattern, Progress, Worker};
use prometheus_client::registry::Registry;
use sink_elasticsearch::{ConfigError, ElasticsearchSink};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Port of /health and /metrics of a worker on its own.
const STATUS_PORT: u16 = 9603;
/// Consumer group when nothing else is said.
const GROUP_DEFAULT: &str = "sluice";
/// What `sluice.yaml` calls the ready-made pipeline for a record's dataset.
const DETECT: &str = "detect";

pub async fn run(args: WorkerArgs, config: ConfigFile, screen: &Screen) -> anyhow::Result<ExitCode> {
    let stop = shutdown::on_signal()?;
    let mut section = config.worker;
    let status = StatusListener::bind(args.status.status_listen.or(section.status_listen), STATUS_PORT).await?;
    if let Some(pipeline) = args.pipeline {
        section.pipelines = Some([("*".to_owned(), pipeline)].into());
    }
    section.group = args.group.or(section.group);
    section.index = args.index.or(section.index);
    if !args.topic.is_empty() {
        section.topics = Some(args.topic);
    }
    let brokers = brokers(&args.broker, section.broker.as_deref());
    let checked = checked(&section, config.host_name, brokers)?;

    let mut registry = Registry::default();
    let index = section.index.as_deref();
    let (sink, description) = sink(section.elasticsearch, args.elasticsearch, index, screen, &stop, &mut registry)?;
    let worker = Worker::start(checked.config, sink.clone(), &mut registry);
    tracing::info!("documents go to {description}");
    tracing::info!("health and metrics are on http://{}", status.address());
    let (problems, observed) = watch::channel(worker.problems());
    status.serve(registry, observed);

    let mut line = LiveLine::new(screen);
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {
                problems.send_replace([worker.problems(), sink.problems()].concat());
                line.show(progress_line(&worker.progress()));
            }
        }
    }
    sink.flush().await;
    let progress = worker.stop(DRAIN).await;
    drop(checked.instance);
    line.finish(&progress_line(&progress));
    Ok(ExitCode::SUCCESS)
}

fn progress_line(progress: &Progress) -> String {
    format!(
        "records read {} · documents delivered {} · already there {} · rejected {} · lag {} records",
        files::count(progress.records_read),
        files::count(progress.documents_delivered),
        files::count(progress.already_there),
        files::count(progress.rejected),
        files::count(progress.lag_records),
    )
}

/// A worker's checked config, and the name that it holds in its group.
pub struct Checked {
    pub config: Config,
    pub instance: Option<InstanceName>,
}

/// Checks the section and loads its pipelines.
pub fn checked(section: &WorkerSection, host_name: Option<String>, brokers: Vec<String>) -> anyhow::Result<Checked> {
    let group = section.group.as_deref().unwrap_or(GROUP_DEFAULT);
    let host = host_name.unwrap_or_else(::agent::host_name);
    let instance = match section.instance_id {
        Some(_) => None,
        None => instance::take(&host, group, &brokers),
    };
    let mut client = ClientConfig::new(brokers);
    client.security = security::checked("worker", section.broker_tls.as_ref(), section.sasl.as_ref())?;
    let mut config = Config::new(Client::new(client), TOPIC_DEFAULT, group);
    config.topics = section.topics.clone().unwrap_or(config.topics);
    config.instance_id = section.instance_id.clone().or_else(|| instance.as_ref().map(|taken| taken.name.clone()));
    if let Some(pipelines) = &section.pipelines {
        config.settings.pipelines = pipelines
            .iter()
            .map(|(dataset, name)| Ok((dataset.clone(), choice(name)?)))
            .collect::<anyhow::Result<_>>()?;
    }
    if let Some(index) = &section.index {
        config.settings.index = IndexPattern::parse(index).with_context(|| format!("worker.index {index:?}"))?;
    }
    Ok(Checked { config, instance })
}

fn choice(name: &str) -> anyhow::Result<Choice> {
    match name {
        DETECT => Ok(Choice::ByDataset),
        name => Ok(Choice::Pipeline(Arc::new(Pipeline::load(name)?))),
    }
}

/// The far end: Elasticsearch where one is named, else standard output; and how it is called on the first screen.
pub fn sink(
    section: Option<ElasticsearchSection>,
    urls: Vec<String>,
    index: Option<&str>,
    screen: &Screen,
    stop: &CancellationToken,
    registry: &mut Registry,
) -> anyhow::Result<(Arc<dyn Sink>, String)> {
    let mut section = section.unwrap_or_default();
    if !urls.is_empty() {
        section.urls = comma_lists(&urls);
    }
    if section.urls.is_empty() {
        let output = StandardOutput::new(screen, stop.clone());
        let description = output.describe().to_owned();
        return Ok((output, description));
    }
    let config = elasticsearch::checked(&section)?;
    let sink = ElasticsearchSink::new(config, registry).map_err(|error| match error {
        ConfigError::NoUrl | ConfigError::Url { .. } => {
            Failure::new(error.to_string(), "for example: --elasticsearch http://127.0.0.1:9200").into()
        }
        error => anyhow::Error::new(error).context("worker.elasticsearch"),
    })?;
    let description = sink.describe().to_owned();
    match section.setup {
        Some(true) => Ok((setup::first(sink, &section, index)?, description)),
        _ => Ok((sink, description)),
    }
}
