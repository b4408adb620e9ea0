//! Brokers in this process that keep Kafka's rules, except where a test has told them not to.

mod answer;
mod partition;
mod serve;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use partition::Partition;

/// What a broker does with one Produce request instead of its duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing, in between.
    None,
    /// Reads no more and answers no more on this connection.
    Stall,
    /// Closes the connection before it has read the whole request.
    ResetInRequest,
    /// Closes the connection after it has read the request.
    ResetBeforeAppend,
    /// Writes the batches and closes the connection.
    LoseAcknowledgement,
    /// Answers this code for every partition, and writes nothing.
    Refuse(i16),
    /// Answers this code for every partition, and has written all.
    RefuseAfterAppend(i16),
    /// Asks the client for a pause of this many milliseconds.
    Throttle(i32),
    /// Answers with bytes that are no Produce response.
    Garble,
}

/// Chooses what happens to the next Produce request.
pub type Mixture = Box<dyn FnMut(&mut State) -> Fault + Send>;

/// State that the brokers of a cluster share.
#[derive(Default)]
pub struct State {
    pub partitions: BTreeMap<(String, i32), Partition>,
    /// Address of each node; the index is the node id.
    pub addresses: Vec<SocketAddr>,
    /// For the next Produce requests, whoever they come to.
    pub faults: VecDeque<Fault>,
    /// Faults from a random source, when the list is empty.
    pub mixture: Option<Mixture>,
    /// Highest version of ApiVersions that is known; above it the answer is error 35 in version 0.
    pub api_versions_max: i16,
    /// Caps of other APIs, by key.
    pub version_max: BTreeMap<i16, i16>,
    pub auto_create: Option<i32>,
    pub next_producer_id: i64,
    /// Requests by API key.
    pub requests: BTreeMap<i16, usize>,
    pub client_software: Option<(String, String)>,
    /// Partitions in the largest Produce request.
    pub partitions_in_request_max: usize,
    /// What the client did against the rules.
    pub violations: Vec<String>,
}

/// Some brokers, alive until this is dropped.
pub struct Cluster {
    state: Arc<Mutex<State>>,
    tasks: TaskTracker,
    stop: DropGuard,
}

impl Cluster {
    /// Starts `nodes` brokers on free ports.
    pub async fn start(nodes: usize) -> Self {
        let mut listeners = Vec::new();
        for _ in 0..nodes {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
        }
        Self::listen(listeners)
    }

    /// Starts one broker on a certain port.
    pub async fn start_at(address: SocketAddr) -> Self {
        Self::listen(vec![TcpListener::bind(address).await.expect("the port is still free")])
    }

    fn listen(listeners: Vec<TcpListener>) -> Self {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let address = |listener: &TcpListener| listener.local_addr().expect("a bound socket has an address");
        let addresses = listeners.iter().map(address).collect();
        let state = Arc::new(Mutex::new(State { api_versions_max: 4, addresses, ..State::default() }));
        for (node, listener) in (0..).zip(listeners) {
            tasks.spawn(serve::listen(listener, node, Arc::clone(&state), stop.clone(), tasks.clone()));
        }
        Self { state, tasks, stop: stop.drop_guard() }
    }

    /// Ends the brokers and hands out what they had.
    pub async fn stop(self) -> State {
        drop(self.stop);
        self.tasks.close();
        self.tasks.wait().await;
        std::mem::take(&mut *lock(&self.state))
    }

    /// One broker with a topic `t` of this many partitions.
    pub async fn with_topic(partitions: i32) -> Self {
        let cluster = Self::start(1).await;
        cluster.create("t", partitions);
        cluster
    }

    /// Creates a topic; its partitions go round the nodes.
    pub fn create(&self, topic: &str, partitions: i32) {
        self.state().create(topic, partitions);
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    pub fn bootstrap(&self) -> Vec<String> {
        self.state().addresses.iter().map(ToString::to_string).collect()
    }

    /// The batches of a partition of topic `t`, as the client sealed them.
    pub fn log(&self, partition: i32) -> Vec<bytes::Bytes> {
        let state = self.state();
        assert_eq!(state.violations, Vec::<String>::new());
        state.partitions[&("t".to_owned(), partition)].log.clone()
    }
}

impl State {
    pub fn create(&mut self, topic: &str, partitions: i32) {
        let nodes = self.addresses.len() as i32;
        for partition in 0..partitions {
            let leader = partition % nodes;
            self.partitions.insert((topic.to_owned(), partition), Partition::led_by(leader));
        }
    }

    fn next_fault(&mut self) -> Fault {
        if let Some(fault) = self.faults.pop_front() {
            return fault;
        }
        let Some(mut mixture) = self.mixture.take() else { return Fault::None };
        let fault = mixture(self);
        self.mixture = Some(mixture);
        fault
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no test panics with the state locked")
}
