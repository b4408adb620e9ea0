//! `sluice agent`: the agent alone.

use super::format::format;
use super::{DRAIN, TICK, brokers};
use crate::cli::{self, AgentArgs};
use crate::config::{AgentSection, ConfigFile, Headers, Start};
use crate::failure::Failure;
use crate::files;
use crate::screen::{LiveLine, Screen};
use crate::shutdown;
use crate::status::StatusListener;
use agent::{Agent, Config, ConfigError, From, Input, OpenError, Progress, StartError};
use kafka_client::ClientConfig;
use prometheus_client::registry::Registry;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::watch;

/// Port of /health and /metrics of an agent on its own.
const STATUS_PORT: u16 = 9602;
/// Where checkpoints are kept when nothing else is said.
const CHECKPOINTS_DEFAULT: &str = "./sluice-data/agent";
/// Topic of lines when nothing else is said.
pub const TOPIC_DEFAULT: &str = "logs";

/// What flags say about an agent, whichever command they belong to.
#[derive(Default)]
pub struct AgentFlags {
    pub brokers: Vec<String>,
    pub paths: Vec<String>,
    pub topic: Option<String>,
    pub checkpoints: Option<PathBuf>,
    pub compression: Option<String>,
    pub from: Option<cli::From>,
    pub once: bool,
}

pub async fn run(args: AgentArgs, config: ConfigFile, screen: &Screen) -> anyhow::Result<ExitCode> {
    let stop = shutdown::on_signal()?;
    let status_listen = args.status.status_listen.or(config.agent.status_listen);
    let flags = AgentFlags {
        brokers: args.broker,
        paths: args.paths,
        topic: args.topic,
        checkpoints: args.checkpoints,
        compression: args.compression,
        from: args.from,
        once: args.once,
    };
    let drain = drain(&config.agent);
    let checked = checked(&config.agent, config.host_name, flags)?;
    let status = StatusListener::bind(status_listen, STATUS_PORT).await?;
    let mut registry = Registry::default();
    let agent = start(checked, &mut registry).await?;
    tracing::info!("health and metrics are on http://{}", status.address());
    let (problems, observed) = watch::channel(agent.problems());
    status.serve(registry, observed);

    let mut line = LiveLine::new(screen);
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = agent.caught_up(), if args.once => break,
            _ = ticks.tick() => {
                problems.send_replace(agent.problems());
                line.show(progress_line(agent.progress()));
            }
        }
    }
    let interrupted = stop.is_cancelled();
    let unread = if args.once && !interrupted { agent.unread() } else { Vec::new() };
    let stopped = agent.stop(drain).await;
    line.finish(&progress_line(stopped.progress));
    if stopped.undelivered_records > 0 {
        tracing::warn!("{} lines have no acknowledgement; the next run sends them again", stopped.undelivered_records);
    }
    for file in &unread {
        tracing::error!("{file}; mend the cause and run it again: it goes on where it stopped");
    }
    Ok(if (args.once && interrupted) || !unread.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn progress_line(progress: Progress) -> String {
    format!(
        "lines read {} · records acknowledged {} · lag {}",
        files::count(progress.lines_read),
        files::count(progress.records_acknowledged),
        files::size(progress.lag_bytes),
    )
}

/// How long acknowledgements are waited for at the end.
pub fn drain(section: &AgentSection) -> Duration {
    section.drain_s.map_or(DRAIN, Duration::from_secs)
}

/// Merges the file's section with the flags; paths on the command line replace the file's inputs.
pub fn checked(section: &AgentSection, host_name: Option<String>, flags: AgentFlags) -> Result<Config, Failure> {
    let brokers = brokers(&flags.brokers, section.broker.as_deref());
    let topic = flags.topic.or_else(|| section.topic.clone()).unwrap_or_else(|| TOPIC_DEFAULT.to_owned());
    let checkpoints =
        flags.checkpoints.or_else(|| section.checkpoints.clone()).unwrap_or_else(|| CHECKPOINTS_DEFAULT.into());
    let mut config = Config::new(ClientConfig::new(brokers), topic, checkpoints);
    config.host_name = host_name.unwrap_or(config.host_name);
    config.once = flags.once;
    config.labels = section.labels.clone();
    config.headers = section.headers != Some(Headers::None);
    config.inputs = match flags.paths.is_empty() {
        true => section.inputs.iter().map(input).collect::<Result<_, _>>()?,
        false => vec![Input { paths: flags.paths, ..Input::default() }],
    };
    if config.inputs.iter().all(|input| input.paths.is_empty()) {
        return Err(Failure::new(
            "no file to follow was named",
            "name files or globs, for example '/var/log/**/*.log', or agent.inputs in sluice.yaml",
        ));
    }
    if let Some(name) = flags.compression.or_else(|| section.compression.clone()) {
        config.compression =
            name.parse().map_err(|error| Failure::new(format!("{error}"), "for example: --compression lz4"))?;
    }
    config.from = match (flags.from, section.from) {
        (Some(cli::From::End), _) | (None, Some(Start::End)) => From::End,
        _ => From::Beginning,
    };
    if flags.from.is_some() {
        config.inputs.iter_mut().for_each(|input| input.from = None);
    }
    let set = |wanted: Option<usize>, target: &mut usize| *target = wanted.unwrap_or(*target);
    set(section.batch_bytes_max, &mut config.batch_bytes_max);
    set(section.line_bytes_max, &mut config.line_bytes_max);
    set(section.blocks_bytes_max, &mut config.blocks_bytes_max);
    set(section.open_files_max, &mut config.open_files_max);
    set(section.watches_max, &mut config.watches_max);
    config.bytes_per_second_max = section.bytes_per_second_max;
    config.cpu_share_max = section.cpu_share_max;
    config.linger = section.linger_ms.map_or(config.linger, Duration::from_millis);
    config.rescan = section.rescan_s.map_or(config.rescan, Duration::from_secs);
    config.rotated_grace = section.rotated_grace_s.map_or(config.rotated_grace, Duration::from_secs);
    Ok(config)
}

fn start_of(written: Start) -> From {
    match written {
        Start::Beginning => From::Beginning,
        Start::End => From::End,
    }
}

fn input(written: &crate::config::Input) -> Result<Input, Failure> {
    Ok(Input {
        paths: written.paths.clone(),
        exclude: written.exclude.clone(),
        from: written.from.map(start_of),
        ignore_older: written.ignore_older_s.map(Duration::from_secs),
        follow_symlinks: written.follow_symlinks.unwrap_or(false),
        dataset: written.dataset.clone(),
        topic: written.topic.clone(),
        labels: written.labels.clone(),
        format: format(written)?,
    })
}

/// Starts the agent; what stands in its way is said with the way out.
pub async fn start(config: Config, registry: &mut Registry) -> anyhow::Result<Agent> {
    Agent::start(config, registry).await.map_err(|error| match error {
        StartError::Checkpoints(OpenError::Locked(_)) => {
            Failure::new(error.to_string(), "end the other agent, or choose another directory with --checkpoints DIR")
                .into()
        }
        StartError::Config(ConfigError::Format { path, source }) => {
            Failure::new(format!("input {path:?}: {source}"), source.hint()).into()
        }
        StartError::Config(_) => Failure::new(
            format!("{:#}", anyhow::Error::new(error)),
            "docs/sluice.yaml shows every key with its default",
        )
        .into(),
        other => other.into(),
    })
}
