//! `sluice up`: broker, agent, worker and sink in one process.
//!
//! The parts know nothing of each other: agent and worker connect to the broker over loopback, as they would to
//! Apache Kafka.

mod first_screen;
mod progress;
mod renewal;
#[cfg(feature = "search")]
mod search;
pub mod traces;

use super::agent::AgentFlags;
use super::renew::{Renewal, Request};
use super::{TICK, agent, broker, reachable, worker};
use crate::cli::UpArgs;
use crate::config::{ConfigFile, WorkerSection};
use crate::failure::Failure;
use crate::files;
use crate::notify::Supervisor;
use crate::progress::Backfill;
use crate::screen::{LiveLine, Screen};
use crate::shutdown;
use crate::status::{Shown, StatusListener, WorkerState};
use ::agent::{Agent, Config as AgentConfig, FileState};
use ::broker::{Broker, SecurityProtocol};
use anyhow::Context;
use first_screen::FirstScreen;
use pipelines::simulate::Catalogue;
use pipelines::worker::Worker;
use prometheus_client::registry::Registry;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Port of /health, /metrics and /files of all parts together.
pub const STATUS_PORT: u16 = 9600;
/// How long the first screen waits for the agent's first look at its files: a person would not notice more.
const FIRST_LOOK_MAX: Duration = Duration::from_millis(1500);
const FIRST_LOOK_TICK: Duration = Duration::from_millis(20);

pub async fn run(args: UpArgs, config: ConfigFile, screen: &Screen) -> anyhow::Result<ExitCode> {
    let stop = shutdown::on_signal()?;
    let once = args.once;
    let mut renewal = Renewal::start(&config)?;
    let mut supervisor = Supervisor::from_environment();
    let mut parts = Parts::start(args, config, screen, &stop, &renewal).await?;
    supervisor.ready();
    let mut line = LiveLine::new(screen);
    let caught_up = loop {
        match parts.run(&stop, &mut line, &mut renewal, &mut supervisor).await {
            Event::Stopped => break false,
            Event::CaughtUp(everything) => break everything,
            Event::Reload(request) => {
                parts = supervisor.reload(parts.renew(request, &mut renewal)).await?;
            }
        }
    };
    supervisor.stopping();
    let summary = parts.stop().await;
    line.finish(&summary);
    Ok(if once && !caught_up { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Why the loop that looks after the parts stops.
enum Event {
    /// A signal.
    Stopped,
    /// Everything that was there at the start has been delivered, or cannot be read: then `false`.
    CaughtUp(bool),
    /// The changed config shall be taken over.
    Reload(Request),
}

/// What the command line says about the agent, whatever the config says.
struct Named {
    paths: Vec<String>,
    /// Nothing of `agent.inputs` counts.
    only_named: bool,
    data: PathBuf,
    from: Option<crate::cli::From>,
    once: bool,
    /// This process's own broker.
    bootstrap: Vec<String>,
}

impl Named {
    /// What the agent is told, and the topics that its lines go to.
    fn agent_config(&self, config: &ConfigFile) -> Result<(AgentConfig, Vec<String>), Failure> {
        let flags = AgentFlags {
            brokers: self.bootstrap.clone(),
            paths: self.paths.clone(),
            checkpoints: Some(self.data.join("agent")),
            from: self.from,
            once: self.once,
            ..AgentFlags::default()
        };
        // It comes over a listener in the clear.
        let section = crate::config::AgentSection { broker_tls: None, sasl: None, ..config.agent.clone() };
        let mut checked = agent::checked(&section, config.host_name.clone(), flags)?;
        let topics = topics_of(&checked)?;
        if self.only_named {
            traces::keep_together(&mut checked);
        }
        Ok((checked, topics))
    }
}

/// What the worker is told: all topics of the agent, from this process's own broker.
fn worker_section(config: &ConfigFile, topics: &[String]) -> WorkerSection {
    WorkerSection { topics: Some(topics.to_vec()), broker_tls: None, sasl: None, ..config.worker.clone() }
}

/// Everything that runs, in the order in which a line meets it.
struct Parts {
    agent: Agent,
    broker: Broker,
    worker: worker::Running,
    #[cfg(feature = "search")]
    search: Option<::search::Server>,
    topics: Vec<String>,
    /// How long the agent's acknowledgements are waited for at the end.
    drain: Duration,
    /// What the agent and the worker were told.
    agent_config: AgentConfig,
    section: WorkerSection,
    /// What stays, whatever the config says.
    named: Named,
    told: worker::Told,
    /// Of what runs until the end: the broker, and the embedded store.
    broker_registry: Arc<Registry>,
    agent_registry: Arc<Registry>,
    /// What the status server reports.
    problems: watch::Sender<Vec<String>>,
    states: watch::Sender<WorkerState>,
    seen: watch::Sender<Shown>,
}

impl Parts {
    async fn start(
        args: UpArgs,
        config: ConfigFile,
        screen: &Screen,
        stop: &CancellationToken,
        renewal: &Renewal,
    ) -> anyhow::Result<Self> {
        let data: PathBuf =
            args.data.clone().or(config.broker.data.clone()).unwrap_or_else(|| broker::DATA_DEFAULT.into());
        let paths = match args.paths.is_empty() && config.agent.inputs.is_empty() {
            true => files::readable_logs()?,
            false => args.paths.clone(),
        };
        let status = StatusListener::bind(args.status.status_listen, STATUS_PORT).await?;

        let mut broker_config = broker::checked(
            &config.broker,
            args.listen.map(Into::into).into_iter().collect(),
            None,
            data.join("broker"),
        )?;
        broker_config.disk_bytes_max = args.disk_max.map(|size| size.0).or(broker_config.disk_bytes_max);
        // Agent and worker of this process come over a listener in the clear.
        let plain = broker_config.listen.iter().position(|one| one.protocol == SecurityProtocol::Plaintext);
        let plain = plain.ok_or_else(|| {
            let hint = "add \"127.0.0.1:9092\" to broker.listen";
            Failure::new("`sluice up` needs a listener in the clear for its own agent and worker", hint)
        })?;
        let mut broker_registry = Registry::default();
        let broker = broker::start(broker_config, &mut broker_registry).await?;
        let address = *broker.addresses().get(plain).context("the broker listens nowhere")?;
        let bootstrap = vec![reachable(address).to_string()];

        let only_named = !paths.is_empty();
        let named = Named { paths, only_named, data, from: args.from, once: args.once, bootstrap: bootstrap.clone() };
        let drain = agent::drain(&config.agent);
        let (agent_config, topics) = named.agent_config(&config)?;
        let has_streams = agent::has_streams(&agent_config);
        let globs: Vec<String> = agent_config.inputs.iter().flat_map(|input| &input.paths).cloned().collect();
        let globs = globs.join(", ");
        let mut agent_registry = Registry::default();
        let agent = agent::start(agent_config.clone(), &mut agent_registry).await?;

        let section = worker_section(&config, &topics);
        #[cfg(feature = "search")]
        let search =
            search::start(&args, &config.search, &section, &named.data, status.address(), &mut broker_registry).await?;
        #[cfg(feature = "search")]
        let args = search::deliver_there(args, search.as_ref());
        let (shown, pipelines) = watch::channel(Arc::new(Catalogue::of(std::iter::empty())));
        let told = worker::Told {
            brokers: bootstrap,
            host_name: config.host_name.clone(),
            skips: Vec::new(),
            elasticsearch: args.elasticsearch,
            output: args.output,
            screen: screen.clone(),
            stop: stop.clone(),
            pipelines: shown,
        };
        let worker = worker::Running::start(section.clone(), &told)?;

        let files = first_look(&agent).await;
        let looked_at = files.clone();
        let confidences = tokio::task::spawn_blocking(move || first_screen::confidences(&looked_at)).await;
        let first_screen = FirstScreen {
            data: named.data.display().to_string(),
            broker: address,
            status: status.address(),
            topics: topics.clone(),
            sink: worker.description.clone(),
            #[cfg(feature = "search")]
            search: search.as_ref().map(::search::Server::address),
            #[cfg(not(feature = "search"))]
            search: None,
            once: args.once,
            named: globs.clone(),
            files,
            confidences: confidences.unwrap_or_default(),
            problems: agent.problems(),
        };
        screen.print(&first_screen.to_string());
        if args.once && !has_streams && first_screen.files.is_empty() && first_screen.problems.is_empty() {
            return Err(Failure::new(format!("no file matches {globs}"), agent::NO_MATCH_HINT).into());
        }
        let (problems, observed) = watch::channel(Vec::new());
        let (states, looked_at) = watch::channel(WorkerState::of(&worker.worker));
        let (seen, to_see) = watch::channel(Shown::default());
        let status = status.with_worker(looked_at).with_pipelines(pipelines).with_reload(renewal.sender());
        let (broker_registry, agent_registry) = (Arc::new(broker_registry), Arc::new(agent_registry));
        let parts = Self {
            agent,
            broker,
            worker,
            #[cfg(feature = "search")]
            search,
            topics,
            drain,
            agent_config,
            section,
            named,
            told,
            broker_registry,
            agent_registry,
            problems,
            states,
            seen,
        };
        parts.show();
        status.serve(to_see, observed);
        Ok(parts)
    }

    /// Has the status server show the parts that run now.
    fn show(&self) {
        let registries = vec![self.broker_registry.clone(), self.agent_registry.clone(), self.worker.registry.clone()];
        self.seen.send_replace(Shown { registries, observer: Some(self.agent.observer()) });
    }

    /// Until something has to be done about the parts.
    async fn run(
        &self,
        stop: &CancellationToken,
        line: &mut LiveLine,
        renewal: &mut Renewal,
        supervisor: &mut Supervisor,
    ) -> Event {
        let once = self.named.once;
        let mut ticks = tokio::time::interval(TICK);
        let mut agent_caught_up = false;
        let mut backfill = Backfill::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Event::Stopped,
                () = self.agent.caught_up(), if once && !agent_caught_up => agent_caught_up = true,
                request = renewal.next() => return Event::Reload(request),
                _ = ticks.tick() => {
                    supervisor.alive(Instant::now());
                    self.problems.send_replace(self.problems_now());
                    self.states.send_replace(WorkerState::of(&self.worker.worker));
                    match once {
                        true => self.show_backfill(&mut backfill, line).await,
                        false => line.show(self.progress_line()),
                    }
                }
            }
            if agent_caught_up {
                self.worker.sink.flush().await;
                if everything_delivered(&self.worker.worker, &self.broker, &self.topics) {
                    let unread = self.agent.unread();
                    unread.iter().for_each(|file| tracing::error!("{file}"));
                    return Event::CaughtUp(unread.is_empty());
                }
            }
        }
    }

    async fn show_backfill(&self, backfill: &mut Backfill, line: &mut LiveLine) {
        backfill.look(Instant::now(), &agent::files(&self.agent).await);
        line.show_with_bar(&backfill.bar(), format!("{} · {}", backfill.text(), self.progress_line()));
    }

    fn problems_now(&self) -> Vec<String> {
        let mut problems = [self.broker.problems(), self.agent.problems(), self.worker.problems()].concat();
        #[cfg(feature = "search")]
        problems.extend(self.search.iter().flat_map(::search::Server::problems));
        problems
    }

    /// Ends the parts in the order in which a line meets them, so that each can hand on what it has.
    async fn stop(self) -> String {
        #[cfg(feature = "search")]
        let search = self.search;
        let Self { agent, broker, worker, topics, drain, .. } = self;
        let agent = agent.stop(drain).await;
        let _ = tokio::time::timeout(worker.drain, async {
            let mut ticks = tokio::time::interval(TICK);
            while !everything_delivered(&worker.worker, &broker, &topics) {
                worker.sink.flush().await;
                ticks.tick().await;
            }
        })
        .await;
        let worker = worker.stop().await;
        broker.stop().await;
        #[cfg(feature = "search")]
        if let Some(search) = search {
            search.stop().await;
        }
        let mut summary = progress::line(&agent.progress, &worker);
        if agent.undelivered_records > 0 {
            let lines = agent.undelivered_records;
            summary.push_str(&format!("\n{lines} lines have no acknowledgement; the next run sends them again"));
        }
        summary
    }

    fn progress_line(&self) -> String {
        progress::line(&self.agent.progress(), &self.worker.worker.progress())
    }
}

/// The followed files, as soon as each that has lines was looked into, or after [`FIRST_LOOK_MAX`].
async fn first_look(agent: &Agent) -> Vec<FileState> {
    let deadline = Instant::now() + FIRST_LOOK_MAX;
    loop {
        let files = agent.files();
        let known = |file: &FileState| file.dataset.is_some() || file.size == 0 || file.problem.is_some();
        if Instant::now() >= deadline || (!files.is_empty() && files.iter().all(known)) {
            return files;
        }
        tokio::time::sleep(FIRST_LOOK_TICK).await;
    }
}

/// Whether the worker is done with every record that is in the topics now.
fn everything_delivered(worker: &Worker, broker: &Broker, topics: &[String]) -> bool {
    let delivered = worker.delivered();
    let is_done = |topic: &str, partition: i32, end: i64| {
        let next = delivered.iter().find(|(place, _)| *place.topic == *topic && place.partition == partition);
        end == 0 || next.is_some_and(|(_, next)| *next >= end)
    };
    topics.iter().all(|topic| {
        let ends = broker.log_end_offsets(topic);
        ends.into_iter().all(|(partition, end)| is_done(topic, partition, end))
    })
}

/// The topics that the agent's inputs go to: the worker consumes them all.
fn topics_of(agent: &::agent::Config) -> Result<Vec<String>, Failure> {
    let mut topics: Vec<String> =
        agent.inputs.iter().map(|input| input.topic.clone().unwrap_or_else(|| agent.topic.clone())).collect();
    topics.sort();
    topics.dedup();
    if let Some(template) = topics.iter().find(|topic| topic.contains('{')) {
        return Err(Failure::new(
            format!("topic {template:?} depends on the file, and the worker of `sluice up` has to know its topics"),
            "name a topic without {}, or run broker, agent and worker on their own",
        ));
    }
    Ok(topics)
}
