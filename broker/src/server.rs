//! Listeners: accepts connections, within the limit.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use crate::StartError;
use crate::connection;
use crate::node::Node;
use crate::refusals::ConnectionRefusal;
use crate::security::Listener;

/// Pause after a failed accept, such as for want of file descriptors, so that the loop does not burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds all addresses, or none.
pub(crate) async fn bind(listen: &[Listener]) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::new();
    for Listener { address, .. } in listen {
        listeners.push(TcpListener::bind(address).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::AddressInUse(*address),
            _ => StartError::Listen { address: *address, source },
        })?);
    }
    Ok(listeners)
}

/// Accepts until the broker stops, for the listener with this `number`; each connection is a task of `connections`.
pub(crate) async fn accept(node: Arc<Node>, listener: TcpListener, number: usize, connections: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = node.stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => admit(&node, stream, peer, number, &connections),
            Err(error) => {
                node.warnings.warn(|_| tracing::warn!("a connection cannot be accepted: {error}"));
                tokio::select! {
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                    () = node.stop.cancelled() => return,
                }
            }
        }
    }
}

fn admit(node: &Arc<Node>, stream: TcpStream, peer: SocketAddr, listener: usize, connections: &TaskTracker) {
    let of_address = match node.addresses.enter(peer.ip(), node.config.connections_per_address_max) {
        Some(place) if connections.len() < node.config.connections_max => place,
        place => {
            let (reason, limit) = match place {
                Some(_) => (ConnectionRefusal::TooMany, node.config.connections_max),
                None => (ConnectionRefusal::TooManyOfAddress, node.config.connections_per_address_max),
            };
            node.counters.connections_refused.count(reason);
            node.warnings.warn(|_| {
                tracing::warn!(%peer, "connection closed: there are {limit} already");
            });
            return;
        }
    };
    node.counters.connections_accepted.inc();
    node.counters.connections.inc();
    let node = Arc::clone(node);
    connections.spawn(async move {
        connection::serve(Arc::clone(&node), stream, peer, listener).await;
        node.counters.connections.dec();
        drop(of_address);
    });
}
