//! Test double: an Elasticsearch over HTTP that checks strictly what it is sent, keeps the documents, and fails on
//! purpose when a test asks for that.
//!
//! It runs on a thread of its own with a runtime of its own, so that a test may use any flavour of runtime, or none.

mod bulk;
mod fault;
mod http;
mod mixture;

pub use bulk::{BulkItem, Documents};
pub use fault::{Answer, Fault, ItemFault};
pub use mixture::mixture;

use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Elasticsearch's default of `http.max_content_length`, which counts decompressed bytes.
const CONTENT_BYTES_MAX: usize = 100 * 1024 * 1024;

/// Decides what happens to a bulk request, from its number (counted from 0) and its items.
pub type FaultSource = Box<dyn FnMut(usize, &[BulkItem]) -> Fault + Send>;
/// Decides, for good, whether a document is refused: the item's answer, or `None` to take it.
pub type Refusal = Box<dyn Fn(&BulkItem) -> Option<ItemFault> + Send>;

/// What was seen of one bulk request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkRequest {
    /// Of the node that it came to.
    pub port: u16,
    pub items: usize,
    pub plain_bytes: usize,
    pub sent_bytes: usize,
    pub gzip: bool,
    pub authorization: Option<String>,
}

/// A running stand-in. Dropping it closes its port.
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified whenever the state has changed.
    changed: Condvar,
}

struct State {
    documents: Documents,
    requests: Vec<BulkRequest>,
    violations: Vec<String>,
    faults: Option<FaultSource>,
    refusal: Option<Refusal>,
    content_bytes_max: usize,
    pressure_bytes_max: usize,
    tells_limits: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            documents: Documents::new(),
            requests: Vec::new(),
            violations: Vec::new(),
            faults: None,
            refusal: None,
            content_bytes_max: CONTENT_BYTES_MAX,
            pressure_bytes_max: usize::MAX,
            tells_limits: false,
        }
    }
}

impl StandIn {
    /// Starts on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        Self::start_blocking()
    }

    /// As [`StandIn::start`], for tests without a runtime.
    pub fn start_blocking() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts on `address`: for a server that comes up after those who want to talk to it.
    ///
    /// # Panics
    /// The address cannot be listened on.
    pub fn start_at(address: SocketAddr) -> Self {
        Self::start_sharing(address, Arc::default())
    }

    fn start_sharing(address: SocketAddr, shared: Arc<Shared>) -> Self {
        let listener = TcpListener::bind(address).expect("the stand-in's address can be listened on");
        listener.set_nonblocking(true).expect("a fresh listener can be made non-blocking");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("elasticsearch-stand-in".into())
            .spawn({
                let shared = shared.clone();
                move || http::serve(listener, address.port(), &shared, stopped)
            })
            .expect("a thread can be started");
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every document by index and `_id`.
    pub fn documents(&self) -> Documents {
        self.state().documents.clone()
    }

    /// How many they are: to be asked again and again, since nothing is copied and no request waits for that.
    pub fn document_count(&self) -> usize {
        self.state().documents.len()
    }

    /// The bulk requests so far, refused ones too.
    pub fn requests(&self) -> Vec<BulkRequest> {
        self.state().requests.clone()
    }

    /// What a client sent that it must not send; empty when all was sound.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// The next bulk requests get these faults, one each; those after them none.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        let mut faults = faults.into_iter().collect::<Vec<_>>().into_iter();
        self.fault_source(Box::new(move |_, _| faults.next().unwrap_or(Fault::None)));
    }

    /// Asks `source` about every bulk request from now on.
    pub fn fault_source(&self, source: FaultSource) {
        self.state().faults = Some(source);
    }

    /// Refuses some documents, however often they come. Goes before any other answer for an item.
    pub fn refuse(&self, refusal: Refusal) {
        self.state().refusal = Some(refusal);
    }

    /// Answers 413 to bodies above this many decompressed bytes.
    pub fn limit_content(&self, bytes_max: usize) {
        self.state().content_bytes_max = bytes_max;
    }

    /// Refuses bodies above this many decompressed bytes for ever, as a node does whose indexing pressure is too small.
    pub fn limit_pressure(&self, bytes_max: usize) {
        self.state().pressure_bytes_max = bytes_max;
    }

    /// From now on it says what its limits are when it is asked.
    pub fn tell_limits(&self) {
        self.state().tells_limits = true;
    }

    /// Another node of the same cluster, at a port of its own. Dropping it closes that port.
    pub fn another_node(&self) -> Self {
        self.another_node_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// As [`StandIn::another_node`], at `address`.
    pub fn another_node_at(&self, address: SocketAddr) -> Self {
        Self::start_sharing(address, self.shared.clone())
    }

    /// How many of the bulk requests came to this node.
    pub fn requests_here(&self) -> usize {
        let port = self.address.port();
        self.state().requests.iter().filter(|request| request.port == port).count()
    }

    /// Puts a document there, as an earlier life of the sink would have.
    pub fn put(&self, index: &str, id: &str, source: Value) {
        self.state().documents.insert((index.into(), id.into()), source);
    }

    /// Blocks until there are `count` documents.
    ///
    /// # Panics
    /// They are not there after `deadline`.
    pub fn wait_for_documents(&self, count: usize, deadline: Duration) {
        self.wait("documents", deadline, |state| state.documents.len() >= count);
    }

    /// Blocks until there were `count` bulk requests.
    ///
    /// # Panics
    /// They did not come before `deadline`.
    pub fn wait_for_requests(&self, count: usize, deadline: Duration) {
        self.wait("bulk requests", deadline, |state| state.requests.len() >= count);
    }

    fn wait(&self, what: &str, deadline: Duration, enough: impl Fn(&State) -> bool) {
        let end = Instant::now() + deadline;
        let mut state = self.state();
        while !enough(&state) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} did not come in {deadline:?}; got {}", state.documents.len());
            state = self.shared.changed.wait_timeout(state, left).expect("no test panics inside the stand-in").0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().expect("no test panics inside the stand-in")
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread ends by itself; a panic in it has been printed and shows in what the test finds missing.
            let _ = thread.join();
        }
    }
}
