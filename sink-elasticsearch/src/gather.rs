//! Gathers documents into bulk requests: by size, by count, and by the age of the first one.

use crate::carry::{self, Carrier, Part};
use crate::delivery::{Delivery, Entry};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// What the gatherer is told.
pub(crate) enum Command {
    Deliver(Arc<Delivery>),
    /// Send what is there now; answered when that is on its way.
    Flush(oneshot::Sender<()>),
}

/// When a bulk request is full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub bytes_max: usize,
    pub documents_max: usize,
    pub linger: Duration,
}

/// The bulk request that is being filled.
struct Filling {
    entries: Vec<Entry>,
    bytes: usize,
    /// When it is sent, full or not.
    due: Instant,
}

/// Runs until the commands end.
pub(crate) async fn gather(mut commands: mpsc::UnboundedReceiver<Command>, limits: Limits, carrier: Arc<Carrier>) {
    let mut filling = Filling { entries: Vec::new(), bytes: 0, due: Instant::now() };
    loop {
        let command = tokio::select! {
            biased;
            command = commands.recv() => command,
            () = tokio::time::sleep_until(filling.due), if !filling.entries.is_empty() => {
                send(&mut filling, &carrier);
                continue;
            }
        };
        match command {
            None => return,
            Some(Command::Deliver(delivery)) => {
                for entry in delivery.entries() {
                    let bytes = entry.bulk_bytes();
                    if filling.bytes + bytes > limits.bytes_max {
                        send(&mut filling, &carrier);
                    }
                    if filling.entries.is_empty() {
                        filling.due = Instant::now() + limits.linger;
                    }
                    filling.bytes += bytes;
                    filling.entries.push(entry);
                    if filling.entries.len() >= limits.documents_max {
                        send(&mut filling, &carrier);
                    }
                }
                // Commands come before the clock above, so a stream of them must not starve what is due.
                if !filling.entries.is_empty() && Instant::now() >= filling.due {
                    send(&mut filling, &carrier);
                }
            }
            Some(Command::Flush(done)) => {
                send(&mut filling, &carrier);
                // Who asked may have gone.
                let _ = done.send(());
            }
        }
    }
}

fn send(filling: &mut Filling, carrier: &Arc<Carrier>) {
    filling.bytes = 0;
    let entries = std::mem::take(&mut filling.entries);
    if !entries.is_empty() {
        carry::spawn(carrier.clone(), Part::new(entries));
    }
}
