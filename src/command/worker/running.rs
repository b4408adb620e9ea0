//! A running worker with its sink, and another one in its place when the config has changed.

use super::{Checked, FarEnd, Started, checked, drain, sink, start};
use crate::cli::Output;
use crate::command::brokers;
use crate::command::dead::DeadLetters;
use crate::command::instance::InstanceName;
use crate::command::reload::Reload;
use crate::config::WorkerSection;
use crate::screen::Screen;
use crate::status::{Pipelines, Shown};
use kafka_client::Skip;
use pipelines::sink::Sink;
use pipelines::worker::{Progress, Worker};
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What the command line and the process say, whatever the config file says.
pub struct Told {
    /// Those of flags, or of this process; without any, the config's.
    pub brokers: Vec<String>,
    pub host_name: Option<String>,
    pub skips: Vec<Skip>,
    pub elasticsearch: Vec<String>,
    pub output: Option<Output>,
    pub screen: Screen,
    pub stop: CancellationToken,
    /// Where the pipelines in use are shown.
    pub pipelines: watch::Sender<Pipelines>,
}

/// Everything that belongs to a worker while it runs.
pub struct Running {
    pub worker: Worker,
    pub sink: Arc<dyn Sink>,
    /// How the far end is called on the first screen.
    pub description: String,
    /// How long documents on their way may take at the end.
    pub drain: Duration,
    pub registry: Arc<Registry>,
    reload: Reload,
    /// Counted as long as the worker runs.
    dead_letters: DeadLetters,
    /// Held until the worker has ended.
    instance: Option<InstanceName>,
}

impl Running {
    pub fn start(section: WorkerSection, told: &Told) -> anyhow::Result<Self> {
        let brokers = brokers(&told.brokers, section.broker.as_deref());
        let Checked { mut config, sources, instance } = checked(&section, told.host_name.clone(), brokers.clone())?;
        config.skips.clone_from(&told.skips);
        let drain = drain(&section);
        let mut registry = Registry::default();
        let far = FarEnd { elasticsearch: told.elasticsearch.clone(), output: told.output.clone(), brokers };
        let (sink, description) = sink(section, far, &told.screen, &told.stop, &mut registry)?;
        let dead_letters = DeadLetters::start(config.client.clone(), &config.topics, &mut registry);
        let Started { worker, reload } = start(config, sources, sink.clone(), &mut registry, &told.pipelines);
        Ok(Self { worker, sink, description, drain, registry: Arc::new(registry), reload, dead_letters, instance })
    }

    /// What is not in order now, a sentence each.
    pub fn problems(&self) -> Vec<String> {
        [self.worker.problems(), self.sink.problems(), self.reload.problems()].concat()
    }

    /// What the status port shows of a worker on its own.
    pub fn shown(&self) -> Shown {
        Shown { registries: vec![self.registry.clone()], observer: None }
    }

    /// Ends what is on its way, and leaves the group.
    pub async fn stop(self) -> Progress {
        let Self { worker, sink, drain, reload, dead_letters, instance, .. } = self;
        drop((reload, dead_letters));
        sink.flush().await;
        let progress = worker.stop(drain).await;
        drop(instance);
        progress
    }

    /// Stops this one and starts one as `new` says, or, where that fails, as before; with the reason in that case. What was
    /// not committed is read again, and known to the far end by its ids.
    ///
    /// # Errors
    /// The one before cannot be started again either.
    pub async fn again(
        self,
        new: WorkerSection,
        before: &WorkerSection,
        told: &Told,
    ) -> anyhow::Result<(Self, Option<String>)> {
        self.stop().await;
        match Self::start(new, told) {
            Ok(running) => Ok((running, None)),
            Err(error) => Ok((Self::start(before.clone(), told)?, Some(format!("{error:#}")))),
        }
    }
}
