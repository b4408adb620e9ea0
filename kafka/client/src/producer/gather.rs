//! From ready lanes to a Produce request.

use bytes::Bytes;
use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::ProduceRequest;
use tokio::time::Instant;

use super::dispatch::Dispatcher;
use super::node::{Event, InFlight, Sent};
use super::outcome::Verdict;
use super::request::{self, Head, PRODUCE_VERSION_MAX};
use crate::code::ErrorCode;
use crate::connection::Connection;

impl Dispatcher {
    /// Sends to a node as much as it may have in flight; connects first if need be.
    pub(super) fn send_to(&mut self, id: i32) {
        loop {
            let Some(node) = self.nodes.get_mut(&id) else { return };
            if node.ready.is_empty() || !node.has_room(Instant::now()) {
                return;
            }
            let Some(connection) = node.connection() else {
                if !std::mem::replace(&mut node.connecting, true) {
                    let (client, events) = (self.client.clone(), self.events.clone());
                    tokio::spawn(async move {
                        let result = client.connect(id).await;
                        let _ = events.send(Event::Connected { node: id, result });
                    });
                }
                return;
            };
            let batches = self.gather(id);
            if !batches.is_empty() {
                self.send_request(id, &connection, batches);
            }
        }
    }

    /// Takes the next batch of as many ready lanes as fit into a request; one of each.
    fn gather(&mut self, id: i32) -> Vec<(InFlight, Bytes)> {
        let now = Instant::now();
        let mut batches = Vec::new();
        let mut bytes = 0;
        let ready = self.nodes.get(&id).map_or(0, |node| node.ready.len());
        for _ in 0..ready {
            let Some(node) = self.nodes.get_mut(&id) else { break };
            let Some(lane) = node.ready.pop_front() else { break };
            let slot = &mut self.lanes[lane];
            let Some(size) = slot.lane.sendable(now) else {
                slot.queued = false;
                self.schedule(lane);
                continue;
            };
            if bytes + size > self.config.request_bytes_max && !batches.is_empty() {
                node.ready.push_front(lane);
                break;
            }
            slot.queued = false;
            let Some((ordinal, batch, again)) = slot.lane.send_next(now) else { continue };
            let in_flight = InFlight { lane, ordinal };
            if size > self.config.request_bytes_max {
                self.answer(in_flight, Verdict::TooLarge);
                continue;
            }
            if again {
                self.client.counters().retries.inc();
            }
            bytes += size;
            batches.push((in_flight, batch));
            self.schedule(lane);
        }
        batches
    }

    fn send_request(&mut self, id: i32, connection: &Connection, mut batches: Vec<(InFlight, Bytes)>) {
        let lanes = &self.lanes;
        batches.sort_unstable_by(|(left, _), (right, _)| lanes[left.lane].partition.cmp(&lanes[right.lane].partition));
        let timeout = self.client.config().request_timeout;
        let correlation_id = connection.next_correlation_id();
        let frame =
            connection.version::<ProduceRequest>(PRODUCE_VERSION_MAX).map_err(|_| ResponseError::UnsupportedVersion);
        let frame = frame.and_then(|version| {
            // The broker's own limit has to end first, or a slow replica would cost the connection.
            let head =
                Head { version, correlation_id, client_id: &self.client.config().client_id, timeout: timeout / 2 };
            let named: Vec<_> =
                batches.iter().map(|(batch, bytes)| (&lanes[batch.lane].partition, bytes.clone())).collect();
            let parts = request::frame(&head, &named).map_err(|_| ResponseError::InvalidRequest)?;
            Ok((version, parts))
        });
        let batches = batches.into_iter().map(|(batch, _)| batch).collect();
        match frame {
            Ok((version, parts)) => {
                let response = Box::pin(connection.send(parts, correlation_id, timeout));
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.sent(Sent { version, batches, response });
                }
            }
            Err(kind) => {
                for batch in batches {
                    self.answer(batch, Verdict::Refused { code: ErrorCode::from(kind), message: None });
                }
            }
        }
    }
}
