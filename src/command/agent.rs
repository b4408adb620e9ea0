//! `sluice agent`: the agent alone.

mod dry_run;
mod part;
pub mod status;

use super::format::format;
use super::renew::Renewal;
use super::{DRAIN, TICK, brokers};
use crate::cli::{self, AgentArgs, AgentCommand};
use crate::config::security;
use crate::config::{AgentSection, ConfigFile, Headers, Start, SyslogProtocol};
use crate::failure::Failure;
use crate::files::{count, size};
use crate::notify::Supervisor;
use crate::progress::{Backfill, totals};
use crate::screen::{LiveLine, Screen};
use crate::shutdown;
use crate::status::StatusListener;
use agent::{
    Agent, Config, ConfigError, FileState, From, Input, Journald, OpenError, Progress, Protocol, StartError, Stream,
};
use kafka_client::ClientConfig;
use part::Part;
pub use part::{again, handed_over, shown};
use prometheus_client::registry::Registry;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Port of /health, /metrics and /files of an agent on its own.
pub const STATUS_PORT: u16 = 9602;
/// Where checkpoints are kept when nothing else is said.
pub const CHECKPOINTS_DEFAULT: &str = "./sluice-data/agent";
/// What to do about names that lead to nothing.
pub const NO_MATCH_HINT: &str = "name files or globs that exist; quote globs, so that the shell leaves them alone";
/// Topic of lines when nothing else is said.
pub const TOPIC_DEFAULT: &str = "logs";

/// What flags say about an agent, whichever command they belong to.
#[derive(Clone, Default)]
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
    if let Some(AgentCommand::Status(args)) = args.command {
        return status::run(args, &config).await;
    }
    let stop = shutdown::on_signal()?;
    let mut renewal = Renewal::start(&config)?;
    let mut supervisor = Supervisor::from_environment();
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
    let mut checked = checked(&config.agent, config.host_name, flags.clone())?;
    // Who pipes into it has nothing more to say when the pipe ends.
    checked.once |= checked.inputs.iter().all(|input| input.stream == Some(Stream::Stdin));
    let (once, has_streams) = (checked.once, has_streams(&checked));
    if args.dry_run {
        return dry_run::run(&checked, args.json);
    }
    let named: Vec<String> = checked.inputs.iter().flat_map(|input| &input.paths).cloned().collect();
    let status = StatusListener::bind(status_listen, STATUS_PORT).await?;
    let mut registry = Registry::default();
    let started = Instant::now();
    let in_force = checked.clone();
    let agent = start(checked, &mut registry).await?;
    tracing::info!("health, metrics and files are on http://{}", status.address());
    let (problems, observed) = watch::channel(agent.problems());
    let (seen, to_see) = watch::channel(shown(&agent, registry));
    status.with_reload(renewal.sender()).serve(to_see, observed);
    supervisor.ready();
    let mut part = Part { agent, in_force, flags, drain };

    let mut line = LiveLine::new(screen);
    let mut backfill = Backfill::default();
    let mut ticks = tokio::time::interval(TICK);
    let mut nothing_matched = once && !has_streams;
    loop {
        let request = tokio::select! {
            () = stop.cancelled() => break,
            () = part.agent.caught_up(), if once => break,
            request = renewal.next() => request,
            _ = ticks.tick() => {
                supervisor.alive(Instant::now());
                problems.send_replace(part.agent.problems());
                if once {
                    nothing_matched &= show_backfill(&part.agent, &mut backfill, &mut line).await == 0;
                } else {
                    line.show(progress_line(part.agent.progress()));
                }
                continue;
            }
        };
        part = supervisor.reload(part.renew(request, &mut renewal, &seen)).await?;
    }
    supervisor.stopping();
    let Part { agent, drain, .. } = part;
    let interrupted = stop.is_cancelled();
    let unread = if once && !interrupted { agent.unread() } else { Vec::new() };
    let nothing_matched = nothing_matched && agent.progress().bytes_read == 0;
    if nothing_matched && !interrupted && unread.is_empty() && named_files(&files(&agent).await) == 0 {
        screen.end();
        return Err(Failure::new(format!("no file matches {}", named.join(", ")), NO_MATCH_HINT).into());
    }
    let stopped = agent.stop(drain).await;
    line.finish(&totals(&stopped.progress, started.elapsed()));
    if stopped.undelivered_records > 0 {
        tracing::warn!("{} lines have no acknowledgement; the next run sends them again", stopped.undelivered_records);
    }
    for file in &unread {
        tracing::error!("{file}; mend the cause and run it again: it goes on where it stopped");
    }
    if once && interrupted {
        tracing::error!("interrupted before everything was acknowledged; run it again: it goes on where it stopped");
    }
    let undelivered = once && (interrupted || stopped.undelivered_records > 0 || !unread.is_empty());
    Ok(if undelivered { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The agent's files, asked for where waiting holds nobody up.
pub async fn files(agent: &Agent) -> Vec<FileState> {
    let observer = agent.observer();
    tokio::task::spawn_blocking(move || observer.files()).await.unwrap_or_default()
}

/// Renews the line of a run that ends by itself; returns the number of files that match.
async fn show_backfill(agent: &Agent, backfill: &mut Backfill, line: &mut LiveLine) -> usize {
    let followed = files(agent).await;
    backfill.look(Instant::now(), &followed);
    let mut text = format!("{} · lines {}", backfill.text(), count(agent.progress().lines_read));
    if backfill.is_waiting()
        && let Some(problem) = agent.problems().first()
    {
        text.push_str(&format!(" · {problem}"));
    }
    line.show_with_bar(&backfill.bar(), text);
    named_files(&followed)
}

/// How many files have a name that was asked for; of others, earlier runs left something to read.
fn named_files(followed: &[FileState]) -> usize {
    followed.iter().filter(|file| !file.nameless).count()
}

fn progress_line(progress: Progress) -> String {
    format!(
        "lines read {} · records acknowledged {} · lag {}",
        count(progress.lines_read),
        count(progress.records_acknowledged),
        size(progress.lag_bytes),
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
    let mut client = ClientConfig::new(brokers);
    client.security = security::checked("agent", section.broker_tls.as_ref(), section.sasl.as_ref())?;
    let mut config = Config::new(client, topic, checkpoints);
    config.host_name = host_name.unwrap_or(config.host_name);
    config.once = flags.once;
    config.labels = section.labels.clone();
    config.headers = section.headers != Some(Headers::None);
    config.inputs = match flags.paths.is_empty() {
        true => section.inputs.iter().map(input).collect::<Result<_, _>>()?,
        false => named_inputs(flags.paths),
    };
    if config.inputs.is_empty() {
        return Err(Failure::new(
            "no file to follow was named",
            "name files or globs, for example '/var/log/**/*.log', - for standard input, or agent.inputs in sluice.yaml",
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
    config.deleted_bytes_max = section.deleted_bytes_max.unwrap_or(config.deleted_bytes_max);
    config.gzip_bytes_max = section.gzip_bytes_max.unwrap_or(config.gzip_bytes_max);
    set(section.framing_threads_max, &mut config.framing_threads_max);
    set(section.open_files_max, &mut config.open_files_max);
    set(section.watches_max, &mut config.watches_max);
    config.bytes_per_second_max = section.bytes_per_second_max;
    config.cpu_share_max = section.cpu_share_max;
    config.spool_bytes_max = section.spool_bytes_max.unwrap_or(config.spool_bytes_max);
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

/// Whether any of the inputs brings lines that are in no file.
pub fn has_streams(config: &Config) -> bool {
    config.inputs.iter().any(|input| input.stream.is_some())
}

/// What the command line names: `-` is standard input.
fn named_inputs(paths: Vec<String>) -> Vec<Input> {
    let (stdin, paths): (Vec<String>, Vec<String>) = paths.into_iter().partition(|path| path == "-");
    let files = (!paths.is_empty()).then(|| Input { paths, ..Input::default() });
    let stdin = (!stdin.is_empty()).then(|| Input { stream: Some(Stream::Stdin), ..Input::default() });
    files.into_iter().chain(stdin).collect()
}

/// What an input reads instead of files.
fn stream(written: &crate::config::Input) -> Result<Option<Stream>, Failure> {
    let stdin = (written.stdin == Some(true)).then_some(Stream::Stdin);
    let syslog = written.syslog.as_ref().map(|syslog| Stream::Syslog {
        listen: syslog.listen,
        protocol: match syslog.protocol {
            Some(SyslogProtocol::Udp) => Protocol::Udp,
            Some(SyslogProtocol::Tcp) => Protocol::Tcp,
            Some(SyslogProtocol::Both) | None => Protocol::Both,
        },
    });
    let journald = written.journald.as_ref().map(|journald| {
        let (units, directory) = (journald.units.clone(), journald.directory.clone());
        Stream::Journald(Journald { units, directory, ..Journald::default() })
    });
    let mut streams: Vec<Stream> = [stdin, syslog, journald].into_iter().flatten().collect();
    let kinds = streams.len() + usize::from(!written.paths.is_empty());
    if kinds != 1 {
        let wrong = if kinds == 0 { "an input says nothing of what it reads" } else { "an input reads several things" };
        return Err(Failure::new(wrong, "write one of paths, stdin, syslog and journald in each of agent.inputs"));
    }
    Ok(streams.pop())
}

pub fn input(written: &crate::config::Input) -> Result<Input, Failure> {
    Ok(Input {
        paths: written.paths.clone(),
        exclude: written.exclude.clone(),
        from: written.from.map(start_of),
        ignore_older: written.ignore_older_s.map(Duration::from_secs),
        rotated_dirs: written.rotated_dirs.clone(),
        follow_symlinks: written.follow_symlinks.unwrap_or(false),
        dataset: written.dataset.clone(),
        topic: written.topic.clone(),
        labels: written.labels.clone(),
        format: format(written)?,
        stream: stream(written)?,
    })
}

/// Starts the agent; what stands in its way is said with the way out.
pub async fn start(config: Config, registry: &mut Registry) -> anyhow::Result<Agent> {
    Agent::start(config, registry).await.map_err(|error| match error {
        StartError::Checkpoints(OpenError::Locked(_)) => {
            Failure::new(error.to_string(), "end the other agent, or choose another directory with --checkpoints DIR")
                .into()
        }
        StartError::Config(error) => wrong_config(error).into(),
        StartError::Listen(error) => Failure::new(
            format!("{:#}", anyhow::Error::new(error)),
            "end what listens there, or choose another address for syslog in agent.inputs",
        )
        .into(),
        other => other.into(),
    })
}

/// A setting that cannot work, with the way to one that does.
pub fn wrong_config(error: ConfigError) -> Failure {
    if let ConfigError::Format { path, source } = &error {
        return Failure::new(format!("input {path:?}: {source}"), source.hint());
    }
    let hint = match &error {
        ConfigError::Topic(_) => "for example: topic: logs, or topic: \"logs-{dir}\" for one topic per directory",
        ConfigError::Endless(_) => "ship files, standard input or the journal with --once; syslog ends with the agent",
        ConfigError::StreamFormat(_) => {
            "have what writes there end its lines with a newline, in UTF-8 or a similar encoding"
        }
        ConfigError::Label(_) => "for example: labels: {env: prod, team: shop}",
        ConfigError::Pattern { .. } => {
            "globs have *, ?, [a-z], {a,b} and **; write \\ before one of these that is meant as it is"
        }
        ConfigError::Twice(_) => "leave one of the two out",
        _ => "docs/config.md shows every key with its default and range",
    };
    Failure::new(format!("{:#}", anyhow::Error::new(error)), hint)
}
