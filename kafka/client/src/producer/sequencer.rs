//! Sequences for senders without a journal: each partition's next one, stamped on the batch.

use std::collections::HashMap;

use bytes::Bytes;
use kafka_wire::batch::{self, BatchError, BatchHeader, BatchWriter, wrap_sequence};

use super::ProducerIdentity;
use crate::topic_partition::TopicPartition;

/// One identity's next sequence in every partition. After a [`super::ProduceError::SequenceLost`] start a new one with
/// a new identity, and [`Sequencer::restamp`] the batches that were not written.
#[derive(Debug, Clone)]
pub struct Sequencer {
    identity: ProducerIdentity,
    next: HashMap<TopicPartition, i32>,
}

impl Sequencer {
    pub fn new(identity: ProducerIdentity) -> Self {
        Self { identity, next: HashMap::new() }
    }

    pub fn identity(&self) -> ProducerIdentity {
        self.identity
    }

    /// Uses up `record_count` sequences of a partition; what belongs into the batch's header.
    pub fn take(&mut self, partition: &TopicPartition, record_count: i32) -> batch::Producer {
        let ProducerIdentity { id, epoch } = self.identity;
        let next = match self.next.get_mut(partition) {
            Some(next) => next,
            None => self.next.entry(partition.clone()).or_insert(0),
        };
        let base_sequence = *next;
        *next = wrap_sequence(base_sequence, record_count);
        batch::Producer { id, epoch, base_sequence }
    }

    /// Goes back to the sequence of a batch that failed, so that the next one begins there.
    pub fn rewind(&mut self, partition: &TopicPartition, base_sequence: i32) {
        self.next.insert(partition.clone(), base_sequence);
    }

    /// Seals the writer's records into a batch with the next sequences.
    ///
    /// # Panics
    /// There are no records.
    pub fn seal(&mut self, partition: &TopicPartition, writer: &mut BatchWriter) -> Bytes {
        let producer = self.take(partition, writer.record_count());
        let mut out = Vec::new();
        writer.seal(producer, &mut out);
        Bytes::from(out)
    }

    /// A sealed batch with the next sequences of this identity instead of its own.
    ///
    /// # Errors
    /// The bytes have no batch header.
    pub fn restamp(&mut self, partition: &TopicPartition, batch: &[u8]) -> Result<Bytes, BatchError> {
        let header = BatchHeader::read(batch)?;
        let producer = self.take(partition, header.record_count);
        let mut out = batch.to_vec();
        batch::set_producer(&mut out, producer);
        Ok(Bytes::from(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_wire::batch::RecordHeaders;
    use kafka_wire::compression::Compression;

    #[test]
    fn sequences_count_records_and_wrap() {
        let partition = TopicPartition::new("t", 3);
        let mut sequencer = Sequencer::new(ProducerIdentity { id: 9, epoch: 2 });
        sequencer.rewind(&partition, i32::MAX - 1);
        let mut writer = BatchWriter::new(Compression::Lz4);
        let mut seal = |sequencer: &mut Sequencer, count| {
            for _ in 0..count {
                writer.push(1, None, Some(b"line"), &RecordHeaders::new(), None);
            }
            sequencer.seal(&partition, &mut writer)
        };
        let batches = [seal(&mut sequencer, 3), seal(&mut sequencer, 1)];
        let headers = batches.each_ref().map(|batch| BatchHeader::read(batch).expect("a whole batch"));
        assert_eq!(headers.map(|header| header.base_sequence), [i32::MAX - 1, 1]);

        let mut other = Sequencer::new(ProducerIdentity { id: 10, epoch: 0 });
        let batch = other.restamp(&partition, &batches[0]).expect("a whole batch");
        let header = BatchHeader::read(&batch).expect("a whole batch");
        assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (10, 0, 0));
        assert_eq!(header.verify_crc(&batch), Ok(()));
        assert_eq!(other.take(&partition, 1).base_sequence, 3);
    }
}
