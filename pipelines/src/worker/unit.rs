//! One unit of work: some record batches of a partition, whose documents go to the sink and, rejected, to the dead letters.

use super::dead_letter::{self, Rejected};
use super::ledger::Span;
use super::metrics::{Counts, Metrics};
use super::render::{Rendered, Unreadable};
use super::source::DeadLetterQueue;
use crate::sink::{Closed, DocumentBatch, Outcome, Sink};
use bytes::Bytes;
use kafka_client::TopicPartition;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What all units share.
pub(crate) struct Shop {
    pub sink: Arc<dyn Sink>,
    pub dead_letters: Arc<dyn DeadLetterQueue>,
    pub dead_letter_suffix: String,
    /// What is delivered from now on is not to wait for more.
    pub draining: AtomicBool,
    pub metrics: Metrics,
}

/// Whole record batches whose documents are there.
#[derive(Debug)]
pub(crate) struct Unit {
    pub partition: TopicPartition,
    pub span: Span,
    pub batches: Bytes,
}

impl Unit {
    /// Delivers the documents, and sends what is rejected or unreadable to the dead letters. When this returns, everything
    /// in the span is done.
    pub async fn deliver(self, rendered: Rendered, shop: Arc<Shop>) -> Result<(), Closed> {
        let Rendered { batch, offsets, dropped, unreadable, .. } = rendered;
        let mut counts = Counts { dropped, ..Counts::default() };
        let mut letters = Vec::new();
        if !batch.items.is_empty() {
            let rejected = self.send(batch, offsets, &shop, &mut counts).await?;
            if !rejected.is_empty() {
                letters = dead_letter::letters(&self.partition, &self.batches, self.span, &rejected);
            }
        }
        letters.extend(unreadable.iter().map(|unreadable| self.unreadable(unreadable, &shop)));
        if !letters.is_empty() {
            let topic = format!("{}{}", self.partition.topic, shop.dead_letter_suffix);
            shop.dead_letters.send(&topic, self.partition.partition, letters).await;
        }
        shop.metrics.count(&counts);
        Ok(())
    }

    /// Delivers the documents of the records at `offsets`; returns those that were rejected.
    async fn send(
        &self,
        batch: DocumentBatch,
        offsets: Vec<i64>,
        shop: &Shop,
        counts: &mut Counts,
    ) -> Result<BTreeMap<i64, Rejected>, Closed> {
        // Nearly no document is rejected, but where it should have gone goes with it.
        let items = Arc::clone(&batch.items);
        let (outcomes, ()) = tokio::join!(shop.sink.deliver(batch), async {
            // The delivery is polled first, so the sink has the documents when it is flushed.
            if shop.draining.load(Ordering::Relaxed) {
                shop.sink.flush().await;
            }
        });
        let mut rejected = BTreeMap::new();
        for ((outcome, offset), item) in outcomes?.into_iter().zip(offsets).zip(&*items) {
            match outcome {
                Outcome::Done => counts.delivered += 1,
                Outcome::AlreadyThere => counts.already_there += 1,
                Outcome::Rejected(rejection) => {
                    counts.rejected += 1;
                    let (index, id) = (Arc::clone(&item.index), item.id.clone());
                    rejected.insert(offset, Rejected { index, id, rejection: *rejection });
                }
            }
        }
        Ok(rejected)
    }

    fn unreadable(&self, unreadable: &Unreadable, shop: &Shop) -> super::source::DeadLetter {
        shop.metrics.unreadable_batches.inc();
        tracing::error!(
            "records {} to {} of partition {} of topic {:?} cannot be read: {}; the record batch, as its producer sent \
             it, goes to the dead letters",
            unreadable.first,
            unreadable.last,
            self.partition.partition,
            self.partition.topic,
            unreadable.reason
        );
        dead_letter::of_batch(&self.partition, unreadable, &self.batches)
    }
}
