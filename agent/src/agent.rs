//! The agent as its user sees it: start it, look at it, stop it.

use crate::checkpoint::{Disk, OpenError, Store};
use crate::config::{Config, ConfigError};
use crate::deliver::{Broker, Delivery, KafkaBroker};
use crate::discover::{Scope, Watches};
use crate::engine::{Clock, Engine, FileState, Loss, Parts, Progress, Progressed, View, Wake};
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::stream::{self, ListenError, Streams};
use kafka_client::Client;
use prometheus_client::registry::Registry;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{oneshot, watch};

/// How long the agent's thread may take to tell of its files: a walk through very many takes less.
const FILES_WAIT: Duration = Duration::from_secs(2);

/// Why an agent did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Checkpoints(#[from] OpenError),
    #[error("start the agent's thread")]
    Thread(#[source] io::Error),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("open the spool")]
    Spool(#[source] io::Error),
}

/// How an agent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    pub progress: Progress,
    /// Batches without acknowledgement; the next start sends them.
    pub undelivered_batches: usize,
    /// The records in them.
    pub undelivered_records: u64,
}

/// A running agent. Dropped without [`Agent::stop`] it ends at once, as if it had been killed: nothing is lost, and
/// the next start goes on.
pub struct Agent {
    wakes: Sender<Wake>,
    view: Arc<Mutex<Arc<View>>>,
    caught_up: watch::Receiver<bool>,
    killed: Arc<AtomicBool>,
    broker: Arc<dyn Broker>,
    streams: Option<Streams>,
    ended: Option<oneshot::Receiver<Stopped>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Agent {
    /// Takes the lock on the checkpoints, reads them and the journal, and begins to follow the files. Does not wait
    /// for the broker.
    ///
    /// # Errors
    /// A setting cannot work; the checkpoints are in use, damaged or not writable.
    pub async fn start(config: Config, registry: &mut Registry) -> Result<Self, StartError> {
        let broker = KafkaBroker::new(Client::new(config.client.clone()));
        Self::start_with(config, registry, Arc::new(broker), system_clock()).await
    }

    /// As [`Agent::start`], with another cluster and another clock.
    pub async fn start_with(
        config: Config,
        registry: &mut Registry,
        broker: Arc<dyn Broker>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let inputs = config.check()?;
        let sockets = stream::bind(&inputs)?;
        let metrics = Metrics::register(registry);
        metrics.held_limit_bytes.set(i64::try_from(config.blocks_bytes_max).unwrap_or(i64::MAX));
        metrics.spool_limit_bytes.set(i64::try_from(config.spool_bytes_max).unwrap_or(i64::MAX));
        let disk = Disk { gate: config.write_gate.clone() };
        let store =
            Store::open(&config.checkpoints, config.host_identity.clone(), disk, || uuid::Uuid::new_v4().to_string())?;
        let (wakes, woken) = mpsc::channel();
        let wake = |make: fn() -> Wake| {
            let wakes = wakes.clone();
            // The thread has ended: nobody needs to be woken.
            move || drop(wakes.send(make()))
        };
        let spool = stream::open_spool(&config, &inputs, wake(|| Wake::Spooled)).map_err(StartError::Spool)?;
        // Before the thread: once, it has to know that something is to come.
        let streams = Streams::start(&config, &inputs, sockets, Arc::clone(&spool), &metrics);
        let streams = streams.map_err(StartError::Spool)?;
        let pool = Pool::new(config.blocks_bytes_max, wake(|| Wake::Memory));
        let tell = {
            let wakes = wakes.clone();
            Arc::new(move |answer| drop(wakes.send(Wake::Answer(answer))))
        };
        let runtime = tokio::runtime::Handle::current();
        let delivery = Delivery::new(store, pool, Arc::clone(&broker), runtime, tell, metrics.clone());
        let view = Arc::new(Mutex::new(Arc::new(View::default())));
        let (caught_up_tell, caught_up) = watch::channel(false);
        let killed = Arc::new(AtomicBool::new(false));
        let scope = Scope::new(inputs.iter().map(|input| input.reach.clone()).collect());
        let parts = Parts {
            watches: Watches::new(scope.clone(), config.watches_max, wake(|| Wake::Changes)),
            scope,
            open_files_max: crate::descriptors::allowed(config.open_files_max),
            inputs,
            clock,
            delivery,
            metrics,
            spool,
            view: Arc::clone(&view),
            caught_up: caught_up_tell,
            killed: Arc::clone(&killed),
            config,
        };
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("agent".to_owned())
            .spawn(move || {
                let Progressed { progress, undelivered } = Engine::new(parts).run(&woken);
                let (undelivered_batches, undelivered_records) = undelivered;
                let _ = end.send(Stopped { progress, undelivered_batches, undelivered_records });
            })
            .map_err(StartError::Thread)?;
        Ok(Self {
            wakes,
            view,
            caught_up,
            killed,
            broker,
            streams: Some(streams),
            ended: Some(ended),
            thread: Some(thread),
        })
    }

    /// Where syslog is received, in the order of the inputs that do.
    pub fn syslog_addresses(&self) -> Vec<SocketAddr> {
        self.streams.as_ref().map(|streams| streams.addresses.clone()).unwrap_or_default()
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The files that are followed, in no order; none while the agent's thread hangs in a file system.
    pub fn files(&self) -> Vec<FileState> {
        self.observer().files()
    }

    /// For looks at the files by others than the agent's owner.
    pub fn observer(&self) -> Observer {
        Observer { wakes: self.wakes.clone() }
    }

    pub fn progress(&self) -> Progress {
        self.view().progress
    }

    /// Why not everything works; empty when it does.
    pub fn problems(&self) -> Vec<String> {
        self.view().problems.clone()
    }

    /// Files of which something is not read, and why: refused by the broker, or not readable. Their positions stay.
    pub fn unread(&self) -> Vec<String> {
        self.view().unread.clone()
    }

    /// What could not be delivered and never will be, since the start.
    pub fn losses(&self) -> Vec<Loss> {
        self.view().losses.clone()
    }

    /// Resolves when everything that was in the files at the start is acknowledged. With [`Config::once`] it does not
    /// wait for the files that [`Agent::unread`] names.
    pub async fn caught_up(&self) {
        let mut caught_up = self.caught_up.clone();
        if caught_up.wait_for(|&is| is).await.is_err() {
            // The thread has ended before: this never comes.
            std::future::pending::<()>().await;
        }
    }

    /// Reads no more, waits up to `drain` for acknowledgements, and writes the checkpoint.
    pub async fn stop(mut self, drain: Duration) -> Stopped {
        if let Some(streams) = self.streams.take() {
            streams.stop().await;
        }
        let _ = self.wakes.send(Wake::Stop { until: Instant::now() + drain });
        let stopped = match self.ended.take() {
            Some(ended) => ended.await.ok(),
            None => None,
        };
        self.broker.close().await;
        stopped.unwrap_or(Stopped { progress: self.progress(), undelivered_batches: 0, undelivered_records: 0 })
    }
}

/// Looks at the files of an agent, and may outlive it: then there are none.
#[derive(Debug, Clone)]
pub struct Observer {
    wakes: Sender<Wake>,
}

impl Observer {
    /// As [`Agent::files`]. Waits for the agent's thread.
    pub fn files(&self) -> Vec<FileState> {
        let (answer, files) = mpsc::sync_channel(1);
        let _ = self.wakes.send(Wake::Files(answer));
        files.recv_timeout(FILES_WAIT).unwrap_or_default()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.killed.store(true, Ordering::SeqCst);
        // First: what they write belongs to this run.
        self.streams = None;
        let _ = self.wakes.send(Wake::Memory);
        if let Some(thread) = self.thread.take() {
            // Quick: the thread looks at the flag before everything else. Its lock on the checkpoints goes with it.
            let _ = thread.join();
        }
    }
}

fn system_clock() -> Clock {
    Clock(Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }))
}
