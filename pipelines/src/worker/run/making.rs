//! Making documents of what was fetched, as far as there is memory, and giving them to the sink in order.

use super::{Finished, Run};
use crate::sink::Charge;
use crate::worker::ledger::Span;
use crate::worker::render::Rendered;
use crate::worker::source::Source;
use crate::worker::unit::Unit;
use kafka_client::TopicPartition;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use tokio::task::JoinError;

pub(super) struct Made {
    partition: TopicPartition,
    life: u64,
    span: Span,
    rendered: Rendered,
}

impl<S: Source> Run<S> {
    /// Lets documents be made, partition after partition, as far as there are threads and memory.
    pub(super) fn make(&mut self) {
        // What was not begun waits for the new pipelines.
        while self.exchange.is_none() && self.makings.len() < self.limits.threads {
            let Some((name, bytes)) = self.next_to_make() else { return };
            self.turn = Some(name.clone());
            self.is_hurried = false;
            let Some(assigned) = self.partitions.by_name.get_mut(&name) else { return };
            let Some((span, batches)) = assigned.begin_making(bytes, &mut self.memory) else { return };
            let (life, topic_id, renderer) = (assigned.life, assigned.topic_id, Arc::clone(&self.renderer));
            self.makings.spawn_blocking(move || {
                let rendered = renderer.render(&name, topic_id, &batches, span, bytes);
                Made { partition: name, life, span, rendered }
            });
        }
    }

    /// Tells the sink not to wait for more documents, when there is no memory for any that could come.
    pub(super) fn hurry_if_full(&mut self) {
        if self.is_hurried || !self.makings.is_empty() || self.deliveries.is_empty() {
            return;
        }
        if self.partitions.by_name.values().any(|assigned| assigned.next_stage().is_some()) {
            self.is_hurried = true;
            self.shop.sink.hurry();
        }
    }

    /// The next partition that has something to do and may use memory for it.
    fn next_to_make(&self) -> Option<(TopicPartition, usize)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let by_name = &self.partitions.by_name;
        let behind = by_name.range((self.turn.as_ref().map_or(Unbounded, Excluded), Unbounded));
        behind.chain(by_name).find_map(|(name, assigned)| {
            let (_, bytes) = assigned.next_stage()?;
            assigned.may_make(bytes, &self.memory).then(|| (name.clone(), bytes))
        })
    }

    pub(super) async fn made(&mut self, made: Result<Made, JoinError>) {
        let Made { partition, life, span, rendered } = match made {
            Ok(made) => made,
            Err(error) => return self.bug(&error),
        };
        let Some(assigned) = self.partitions.by_name.get_mut(&partition) else { return };
        if assigned.life != life {
            return;
        }
        self.shop.metrics.records_read.inc_by(rendered.records);
        self.shop.metrics.failed.inc_by(rendered.failed);
        assigned.made(span, rendered, &mut self.memory);
        while let Some((span, batches, mut rendered)) = assigned.take_made() {
            let (json_bytes, frame_bytes) = (rendered.batch.json.capacity(), rendered.frame_bytes());
            let charge = Arc::new(Charge::new(json_bytes, Arc::clone(&self.let_go)));
            rendered.batch.charge = Some(Arc::clone(&charge));
            let unit = Unit { partition: partition.clone(), span, batches: batches.clone() };
            let (shop, partition) = (Arc::clone(&self.shop), partition.clone());
            let mut delivery = Box::pin(async move {
                let result = unit.deliver(*rendered, shop).await;
                Finished { partition, life, span, result }
            });
            // A sink gets a partition's documents in order: it has them when their delivery was polled once.
            let task = match poll_fn(|context| Poll::Ready(delivery.as_mut().poll(context))).await {
                Poll::Ready(finished) => self.deliveries.spawn(async move { finished }),
                Poll::Pending => self.deliveries.spawn(delivery),
            };
            assigned.delivering(span, &batches, frame_bytes, (json_bytes, charge), task);
        }
    }
}
