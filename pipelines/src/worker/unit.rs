//! One unit of work: some record batches of a partition, from bytes to outcomes.

use super::config::Settings;
use super::dead_letter::{self, Rejected};
use super::ledger::Span;
use super::metrics::{Counts, Metrics};
use super::render::{Rendered, Renderer};
use super::source::DeadLetterQueue;
use crate::sink::{Closed, Outcome, Sink};
use bytes::Bytes;
use kafka_client::TopicPartition;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// Memory is accounted in these steps, so that it fits a semaphore's counter.
const MEMORY_STEP_BYTES: usize = 1024;

/// What all units share.
pub(crate) struct Shop {
    pub renderer: Renderer,
    pub sink: Arc<dyn Sink>,
    pub dead_letters: Arc<dyn DeadLetterQueue>,
    pub dead_letter_suffix: String,
    /// Pipelines that run.
    threads: Semaphore,
    /// Documents that wait for the sink, in [`MEMORY_STEP_BYTES`].
    memory: Semaphore,
    memory_steps: u32,
    /// What is delivered from now on is not to wait for more.
    pub draining: AtomicBool,
    pub metrics: Metrics,
    /// The last batch that could not be read, as a problem.
    pub unreadable: Mutex<Option<String>>,
}

impl Shop {
    pub fn new(
        settings: Settings,
        sink: Arc<dyn Sink>,
        dead_letters: Arc<dyn DeadLetterQueue>,
        metrics: Metrics,
    ) -> Self {
        let memory_steps = settings.document_bytes_max / MEMORY_STEP_BYTES;
        let memory_steps = u32::try_from(memory_steps).unwrap_or(u32::MAX).max(1);
        Self {
            renderer: Renderer::new(settings.pipelines, settings.index),
            sink,
            dead_letters,
            dead_letter_suffix: settings.dead_letter_suffix,
            threads: Semaphore::new(settings.threads.max(1)),
            memory: Semaphore::new(memory_steps as usize),
            memory_steps,
            draining: AtomicBool::new(false),
            metrics,
            unreadable: Mutex::new(None),
        }
    }
}

/// Whole record batches that are worked on together.
#[derive(Debug)]
pub(crate) struct Unit {
    pub partition: TopicPartition,
    pub span: Span,
    pub batches: Bytes,
}

impl Unit {
    /// Makes documents, delivers them, and sends what is rejected to the dead letters. When this returns, everything in
    /// the span is done.
    pub async fn work(&self, shop: &Arc<Shop>) -> Result<(), Closed> {
        let (rendered, _memory) = self.render(shop).await;
        self.report(&rendered, shop);
        let Rendered { batch, offsets, dropped, .. } = rendered;
        let mut counts = Counts { dropped, ..Counts::default() };
        let indices: Vec<_> = batch.items.iter().map(|item| item.index.clone()).collect();
        let (outcomes, ()) = tokio::join!(shop.sink.deliver(batch), async {
            // The delivery is polled first, so the sink has the documents when it is flushed.
            if shop.draining.load(Ordering::Relaxed) {
                shop.sink.flush().await;
            }
        });
        let mut rejected = BTreeMap::new();
        for ((outcome, offset), index) in outcomes?.into_iter().zip(offsets).zip(indices) {
            match outcome {
                Outcome::Done => counts.delivered += 1,
                Outcome::AlreadyThere => counts.already_there += 1,
                Outcome::Rejected(rejection) => {
                    counts.rejected += 1;
                    rejected.insert(offset, Rejected { index, rejection });
                }
            }
        }
        if !rejected.is_empty() {
            let topic = format!("{}{}", self.partition.topic, shop.dead_letter_suffix);
            let letters = dead_letter::letters(&self.partition, &self.batches, self.span, &rejected);
            shop.dead_letters.send(&topic, self.partition.partition, letters).await;
        }
        shop.metrics.count(&counts);
        Ok(())
    }

    /// The documents, and the memory that they take.
    async fn render<'a>(&self, shop: &'a Arc<Shop>) -> (Rendered, Option<tokio::sync::SemaphorePermit<'a>>) {
        // Neither semaphore is ever closed. A thread is kept until there is memory, so that what is rendered and not
        // accounted for is bounded by the number of threads.
        let _thread = shop.threads.acquire().await.ok();
        let (shared, partition, batches, span) =
            (shop.clone(), self.partition.clone(), self.batches.clone(), self.span);
        let rendered = tokio::task::spawn_blocking(move || shared.renderer.render(&partition, &batches, span)).await;
        let rendered = match rendered {
            Ok(rendered) => rendered,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and this task with it.
                Err(_) => std::future::pending().await,
            },
        };
        let steps = rendered.batch.json.len().div_ceil(MEMORY_STEP_BYTES);
        // A unit larger than the limit goes alone.
        let steps = u32::try_from(steps).unwrap_or(u32::MAX).min(shop.memory_steps);
        let memory = shop.memory.acquire_many(steps).await.ok();
        (rendered, memory)
    }

    fn report(&self, rendered: &Rendered, shop: &Shop) {
        shop.metrics.records_read.inc_by(rendered.records);
        shop.metrics.failed.inc_by(rendered.failed);
        for unreadable in &rendered.unreadable {
            shop.metrics.unreadable_batches.inc();
            let problem = format!(
                "records {} to {} of partition {} of topic {:?} cannot be read and are skipped: {}; they are damaged \
                 where the broker keeps them, and only their producer can send them again",
                unreadable.first, unreadable.last, self.partition.partition, self.partition.topic, unreadable.reason
            );
            tracing::error!("{problem}");
            *shop.unreadable.lock().expect("nothing panics while it holds the problem") = Some(problem);
        }
    }
}
