//! `sluice worker`: the worker alone, with its sink.

mod running;

use super::agent::TOPIC_DEFAULT;
use super::instance::{self, InstanceName};
use super::reload::{Reload, Sources};
use super::renew::{Answer, Changed, Renewal, Request};
use super::{DRAIN, TICK, comma_list, comma_lists, elasticsearch, index, setup};
use crate::cli::{Output, WorkerArgs};
use crate::config::security;
use crate::config::{
    ConfigFile, ElasticsearchSection, FileSection, KafkaSection, MissingYearWord, OutputSection, WorkerSection,
};
use crate::failure::Failure;
use crate::files;
use crate::notify::Supervisor;
use crate::output::{self, FileOutput, Rotation, StandardOutput, TopicOutput};
use crate::progress;
use crate::screen::{LiveLine, Screen};
use crate::shutdown;
use crate::status::{Pipelines, StatusListener, WorkerState};
use anyhow::Context;
use kafka_client::{Client, ClientConfig};
use pipelines::pipeline::{MissingYear, Pipeline, Settings};
use pipelines::simulate::Catalogue;
use pipelines::sink::Sink;
use pipelines::worker::{Choice, Config, IndexPattern, Lag, MEMORY_BYTES_MIN, Progress, Worker};
use prometheus_client::registry::Registry;
pub use running::{Running, Told};
use sink_elasticsearch::{ConfigError, ElasticsearchSink};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Port of /health and /metrics of a worker on its own.
pub const STATUS_PORT: u16 = 9603;
/// Consumer group when nothing else is said.
pub const GROUP_DEFAULT: &str = "sluice";
/// Renamed output files that are kept when nothing else is said.
pub const ROTATE_KEEP: u32 = 5;
pub const COMPRESSION_DEFAULT: &str = "lz4";
/// What `sluice.yaml` calls the ready-made pipeline for a record's dataset.
pub const DETECT: &str = "detect";

pub async fn run(args: WorkerArgs, config: ConfigFile, screen: &Screen) -> anyhow::Result<ExitCode> {
    let stop = shutdown::on_signal()?;
    let mut renewal = Renewal::start(&config)?;
    let mut supervisor = Supervisor::from_environment();
    let status_listen = args.status.status_listen.or(config.worker.status_listen);
    let status = StatusListener::bind(status_listen, STATUS_PORT).await?;
    let (shown, pipelines) = watch::channel(Arc::new(Catalogue::of(std::iter::empty())));
    let told = Told {
        brokers: args.broker.clone(),
        host_name: config.host_name.clone(),
        skips: args.skip_damaged.clone(),
        elasticsearch: args.elasticsearch.clone(),
        output: args.output.clone(),
        screen: screen.clone(),
        stop: stop.clone(),
        pipelines: shown,
    };
    let mut in_force = with_flags(config.worker, &args);
    let mut running = Running::start(in_force.clone(), &told)?;
    tracing::info!("documents go to {}", running.description);
    tracing::info!("health and metrics are on http://{}", status.address());
    let (problems, observed) = watch::channel(running.worker.problems());
    let (states, looked_at) = watch::channel(WorkerState::of(&running.worker));
    let (seen, to_see) = watch::channel(running.shown());
    let status = status.with_worker(looked_at).with_pipelines(pipelines).with_reload(renewal.sender());
    status.serve(to_see, observed);
    supervisor.ready();

    let mut line = LiveLine::new(screen);
    let mut ticks = tokio::time::interval(TICK);
    loop {
        let request = tokio::select! {
            () = stop.cancelled() => break,
            request = renewal.next() => request,
            _ = ticks.tick() => {
                supervisor.alive(Instant::now());
                problems.send_replace(running.problems());
                states.send_replace(WorkerState::of(&running.worker));
                line.show(progress_line(&running.worker.progress()));
                if running.worker.failure().is_some() {
                    break;
                }
                continue;
            }
        };
        let work = take_over(running, request, &mut renewal, &mut in_force, &args, &told);
        running = supervisor.reload(work).await?;
        seen.send_replace(running.shown());
    }
    supervisor.stopping();
    let failure = running.worker.failure();
    let progress = running.stop().await;
    line.finish(&progress_line(&progress));
    match failure {
        // Whoever supervises this process starts another one.
        Some(failure) => Err(anyhow::anyhow!(failure)),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// The section, with what the flags say instead.
fn with_flags(mut section: WorkerSection, args: &WorkerArgs) -> WorkerSection {
    if let Some(pipeline) = &args.pipeline {
        section.pipelines = Some([("*".to_owned(), pipeline.clone())].into());
    }
    section.group = args.group.clone().or(section.group);
    section.index = args.index.clone().or(section.index);
    if !args.topic.is_empty() {
        section.topics = Some(args.topic.clone());
    }
    section
}

/// Takes over what has changed, and tells who asked.
async fn take_over(
    running: Running,
    request: Request,
    renewal: &mut Renewal,
    in_force: &mut WorkerSection,
    args: &WorkerArgs,
    told: &Told,
) -> anyhow::Result<Running> {
    let take_over = async |mut running: Running, changed: &Changed, answer: &mut Answer| {
        if !changed.of_worker.is_empty() {
            let new = with_flags(changed.config.worker.clone(), args);
            (running, answer.refused) = running.again(new.clone(), in_force, told).await?;
            if answer.refused.is_none() {
                *in_force = new;
                answer.taken_over.clone_from(&changed.of_worker.lines);
            }
        }
        Ok(running)
    };
    renewal.carry_out(request, running, take_over).await
}

/// How long documents on their way may take at the end.
pub fn drain(section: &WorkerSection) -> Duration {
    section.drain_s.map_or(DRAIN, Duration::from_secs)
}

fn progress_line(progress: &Progress) -> String {
    format!(
        "records read {} · documents delivered {} · already there {} · rejected {} · lag {}",
        files::count(progress.records_read),
        files::count(progress.documents_delivered),
        files::count(progress.already_there),
        files::count(progress.rejected),
        lag_text(&progress.lag),
    )
}

/// Records, seconds and the time that is left, for people.
pub fn lag_text(lag: &Lag) -> String {
    let mut text = format!("{} records", files::count(lag.records));
    if lag.records > 0 {
        if lag.seconds >= 1.0 {
            text.push_str(&format!(", {}", progress::time(lag.seconds)));
        }
        match lag.seconds_left {
            Some(left) => text.push_str(&format!(", {} left", progress::time(left))),
            None => text.push_str(", not shrinking"),
        }
    }
    text
}

/// A worker's checked config, and the name that it holds in its group.
pub struct Checked {
    pub config: Config,
    /// Where its pipelines come from, in the same order.
    pub sources: Sources,
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
    if let Some(pipelines) = choices(section)? {
        config.settings.pipelines = pipelines;
    }
    if let Some(index) = &index::index(section)? {
        config.settings.index = IndexPattern::parse(index).with_context(|| format!("worker.index {index:?}"))?;
    }
    let settings = &mut config.settings;
    if let Some(bytes) = section.memory_bytes_max {
        if bytes < MEMORY_BYTES_MIN {
            let message = format!("worker.memory_bytes_max is {bytes}; want at least {MEMORY_BYTES_MIN}");
            return Err(Failure::new(message, "100663296 is the default").into());
        }
        settings.memory_bytes_max = bytes;
    }
    if let Some(offsets) = section.open_offsets_max {
        if offsets < 1 {
            let message = format!("worker.open_offsets_max is {offsets}; want at least 1");
            return Err(Failure::new(message, "1000000 is the default").into());
        }
        settings.open_offsets_max = offsets;
    }
    settings.session_timeout = section.session_timeout_s.map_or(settings.session_timeout, Duration::from_secs);
    let sources = section.pipelines.iter().flatten();
    let pipelines = sources.map(|(dataset, name)| (dataset.clone(), name.clone())).collect();
    let sources = Sources { pipelines, settings: pipeline_settings(section) };
    Ok(Checked { config, sources, instance })
}

/// What pipelines may use of this machine.
pub fn pipeline_settings(section: &WorkerSection) -> Settings {
    let mut settings = Settings::default();
    if let Some(folder) = &section.geoip_folder {
        settings.geoip_folder.clone_from(folder);
    }
    settings.missing_year = section.missing_year.map(|word| match word {
        MissingYearWord::Nearest => MissingYear::Nearest,
        MissingYearWord::Current => MissingYear::Current,
    });
    settings
}

/// Loads the pipelines that the section names, if it names any.
pub fn choices(section: &WorkerSection) -> anyhow::Result<Option<Vec<(String, Choice)>>> {
    let Some(named) = &section.pipelines else { return Ok(None) };
    let settings = pipeline_settings(section);
    named
        .iter()
        .map(|(dataset, name)| Ok((dataset.clone(), choice(name, &settings)?)))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Loads a pipeline.
pub fn choice(name: &str, settings: &Settings) -> anyhow::Result<Choice> {
    match name {
        DETECT => Ok(Choice::ByDataset),
        name => Ok(Choice::Pipeline(Arc::new(Pipeline::load_with(name, settings)?))),
    }
}

/// The pipelines that the worker's lines may pass.
pub fn catalogue(choices: &[(String, Choice)], settings: &Settings) -> Catalogue {
    let own = choices.iter().filter_map(|(_, choice)| match choice {
        Choice::Pipeline(pipeline) => Some(&**pipeline),
        Choice::ByDataset => None,
    });
    let mut catalogue = Catalogue::of(own).with_settings(settings.clone());
    if choices.iter().any(|(_, choice)| matches!(choice, Choice::ByDataset)) {
        catalogue.add_ready_made();
    }
    catalogue
}

/// A worker whose pipelines are loaded again when their files change.
pub struct Started {
    pub worker: Worker,
    pub reload: Reload,
}

/// Starts a worker whose pipelines were loaded from `sources`; those that it uses are in `shown`.
pub fn start(
    config: Config,
    sources: Sources,
    sink: Arc<dyn Sink>,
    registry: &mut Registry,
    shown: &watch::Sender<Pipelines>,
) -> Started {
    let current = config.settings.pipelines.clone();
    shown.send_replace(Arc::new(catalogue(&current, &sources.settings)));
    let worker = Worker::start(config, sink, registry);
    let reload = Reload::start(sources, current, worker.exchanger(), shown.clone(), registry);
    Started { worker, reload }
}

/// What the command line says about the far end, and where a topic is unless it says more.
#[derive(Clone)]
pub struct FarEnd {
    pub elasticsearch: Vec<String>,
    pub output: Option<Output>,
    pub brokers: Vec<String>,
}

/// The far end: what the flags name, else what the section names, else standard output; and how it is called on the first
/// screen.
pub fn sink(
    section: WorkerSection,
    far: FarEnd,
    screen: &Screen,
    stop: &CancellationToken,
    registry: &mut Registry,
) -> anyhow::Result<(Arc<dyn Sink>, String)> {
    let (index, data_stream) = (index::index(&section)?, index::is_data_stream(&section));
    let mut servers = section.elasticsearch.unwrap_or_default();
    if !far.elasticsearch.is_empty() {
        servers.urls = comma_lists(&far.elasticsearch);
    }
    let named = far.output.map(OutputSection::from);
    let output = match far.elasticsearch.is_empty() {
        true => named.or(section.output),
        false => named,
    };
    if output.is_some() && !far.elasticsearch.is_empty() {
        return Err(
            Failure::new("documents go either to --elasticsearch or to --output", "leave one of them out").into()
        );
    }
    match output {
        None if servers.urls.is_empty() => standard_output(screen, stop),
        None => elasticsearch_sink(servers, index.as_deref(), data_stream, registry),
        Some(OutputSection::Stdout) => standard_output(screen, stop),
        Some(OutputSection::File(FileSection { path, rotate_bytes, rotate_keep })) => {
            let keep = rotate_keep.unwrap_or(ROTATE_KEEP);
            let rotation = rotate_bytes.map(|bytes_max| Rotation { bytes_max, keep });
            Ok((FileOutput::open(&path, rotation)?, format!("file {}, as NDJSON", path.display())))
        }
        Some(OutputSection::Kafka(KafkaSection { topic, broker, compression })) => {
            let brokers = broker.as_deref().map_or(far.brokers, comma_list);
            let compression = output::compression(compression.as_deref().unwrap_or(COMPRESSION_DEFAULT))?;
            let description = format!("topic {topic:?} at {}", brokers.join(","));
            let mut client = ClientConfig::new(brokers);
            client.security = security::checked("worker", section.broker_tls.as_ref(), section.sasl.as_ref())?;
            Ok((TopicOutput::new(Client::new(client), &topic, compression), description))
        }
    }
}

fn standard_output(screen: &Screen, stop: &CancellationToken) -> anyhow::Result<(Arc<dyn Sink>, String)> {
    let output = StandardOutput::new(screen, stop.clone());
    let description = output.describe().to_owned();
    Ok((output, description))
}

fn elasticsearch_sink(
    section: ElasticsearchSection,
    index: Option<&str>,
    data_stream: bool,
    registry: &mut Registry,
) -> anyhow::Result<(Arc<dyn Sink>, String)> {
    let config = elasticsearch::checked(&section)?;
    let sink = ElasticsearchSink::new(config, registry).map_err(|error| match error {
        ConfigError::NoUrl | ConfigError::Url { .. } => {
            Failure::new(error.to_string(), "for example: --elasticsearch http://127.0.0.1:9200").into()
        }
        error => anyhow::Error::new(error).context("worker.elasticsearch"),
    })?;
    let description = sink.describe().to_owned();
    match section.setup {
        Some(true) => Ok((setup::first(sink, &section, index, data_stream)?, description)),
        _ => Ok((sink, description)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipelines::document::Document;
    use pipelines::pipeline;

    /// What a line of December becomes that is read in January, with this section of the config.
    fn december(section: &str) -> String {
        let section: WorkerSection = serde_saphyr::from_str(section).unwrap();
        let path = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
        let text = "processors: [{date: {field: time, formats: ['MMM dd HH:mm:ss']}}]";
        std::fs::write(path.path(), text).unwrap();
        let settings = pipeline_settings(&section);
        let pipeline = Pipeline::load_with(path.path().to_str().unwrap(), &settings).unwrap();
        let mut document = Document::from_json(r#"{"time":"Dec 31 23:59:59"}"#).unwrap();
        let read_at: jiff::Timestamp = "2026-01-01T00:00:10Z".parse().unwrap();
        pipeline.run(&mut document, &pipeline::Context::at(read_at.as_millisecond(), read_at));
        document.get("@timestamp").and_then(|time| time.as_str()).unwrap().to_owned()
    }

    #[test]
    fn missing_year_is_the_nearest_or_the_current_one() {
        for (section, expect) in [
            ("{}", "2025-12-31T23:59:59.000Z"),
            ("missing_year: nearest", "2025-12-31T23:59:59.000Z"),
            ("missing_year: current", "2026-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(december(section), expect, "{section}");
        }
        assert!(serde_saphyr::from_str::<WorkerSection>("missing_year: last").is_err());
    }
}
