//! A producer that goes on until it is answered, for records that nobody but it keeps: one batch is in flight at a time,
//! so that a refused one has none behind it.

use super::{ProduceError, Producer, ProducerConfig, Sequencer};
use crate::lock::lock;
use crate::{Backoff, Client, TopicPartition};
use bytes::Bytes;
use kafka_wire::batch::{BatchHeader, BatchWriter};
use kafka_wire::compression::Compression;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// What its problems call the things that it deals with.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// E.g. "output topic".
    pub topic: &'static str,
    /// In the plural.
    pub records: &'static str,
}

/// An idempotent producer that waits and tries again, whatever is wrong, and says so in its problem.
pub struct PatientProducer {
    client: Client,
    producer: Producer,
    /// Of the identity in use; none before the first record, and after the broker has forgotten it.
    sequencer: Option<Sequencer>,
    writer: BatchWriter,
    backoff: Backoff,
    names: Names,
    problem: Arc<Mutex<Option<String>>>,
}

impl PatientProducer {
    /// Does no I/O; has to be called within a tokio runtime. `problem` says why nothing goes on, while that is so.
    pub fn new(client: Client, compression: Compression, names: Names, problem: Arc<Mutex<Option<String>>>) -> Self {
        Self {
            producer: Producer::new(client.clone(), ProducerConfig::default()),
            client,
            sequencer: None,
            writer: BatchWriter::new(compression),
            backoff: Backoff::new(BACKOFF_MIN, BACKOFF_MAX),
            names,
            problem,
        }
    }

    /// Makes the topic if it is not there, and says how many partitions it has.
    pub async fn create(&mut self, topic: &str) -> i32 {
        let name = self.names.topic;
        loop {
            // Not every user may create topics; then somebody else has to, and has perhaps.
            if let Err(error) = self.client.create_topic(topic, -1).await {
                self.complain(format!("{name} {topic:?} cannot be created: {error}; create it"));
            }
            match self.client.partitions(topic).await {
                Ok(count) => {
                    self.settle();
                    return count;
                }
                Err(error) => self.wait(format!("{name} {topic:?} cannot be found: {error}")).await,
            }
        }
    }

    /// Sends the records that `fill` pushes for `all`, a range of numbers of its own, until they are acknowledged. A batch
    /// that is too large goes on in halves. `too_large` is told the number of a record that is so alone, and the bytes of
    /// its batch; it says why that is sent again, or leaves it out.
    pub async fn send(
        &mut self,
        to: &TopicPartition,
        all: Range<usize>,
        mut fill: impl FnMut(&mut BatchWriter, Range<usize>),
        mut too_large: impl FnMut(usize, usize) -> Option<String>,
    ) {
        // What is to be sent, the last first.
        let mut parts = vec![all];
        while let Some(part) = parts.pop() {
            fill(&mut self.writer, part.clone());
            let (batch, base_sequence) = self.seal(to).await;
            match self.producer.send(to.clone(), batch).await {
                Ok(_) => {
                    self.settle();
                    continue;
                }
                Err(ProduceError::TooLarge { bytes }) => {
                    self.rewind(to, base_sequence);
                    if part.len() > 1 {
                        let middle = part.start + part.len() / 2;
                        parts.extend([middle..part.end, part.start..middle]);
                        continue;
                    }
                    match too_large(part.start, bytes) {
                        Some(problem) => self.wait(problem).await,
                        None => continue,
                    }
                }
                Err(ProduceError::SequenceLost { .. }) => self.sequencer = None,
                Err(error) => {
                    self.rewind(to, base_sequence);
                    let records = self.names.records;
                    self.wait(format!("{records} cannot be produced to topic {:?}: {error}", to.topic)).await;
                }
            }
            parts.push(part);
        }
    }

    /// What the writer holds as a batch, and the sequence that it begins with.
    async fn seal(&mut self, to: &TopicPartition) -> (Bytes, i32) {
        let mut sequencer = match self.sequencer.take() {
            Some(sequencer) => sequencer,
            None => self.identify().await,
        };
        let batch = sequencer.seal(to, &mut self.writer);
        self.sequencer = Some(sequencer);
        let header = BatchHeader::read(&batch).expect("a batch that was just sealed has a header");
        (batch, header.base_sequence)
    }

    async fn identify(&mut self) -> Sequencer {
        loop {
            match self.producer.obtain_identity().await {
                Ok(identity) => return Sequencer::new(identity),
                Err(error) => {
                    self.wait(format!("the producer of {} gets no identity: {error}", self.names.records)).await
                }
            }
        }
    }

    fn rewind(&mut self, to: &TopicPartition, base_sequence: i32) {
        if let Some(sequencer) = &mut self.sequencer {
            sequencer.rewind(to, base_sequence);
        }
    }

    async fn wait(&mut self, problem: String) {
        self.complain(problem);
        tokio::time::sleep(self.backoff.next_delay()).await;
    }

    fn complain(&self, problem: String) {
        let mut current = lock(&self.problem);
        if current.is_none() {
            tracing::warn!("{problem}");
        }
        *current = Some(problem);
    }

    fn settle(&mut self) {
        self.backoff.reset();
        *lock(&self.problem) = None;
    }
}
