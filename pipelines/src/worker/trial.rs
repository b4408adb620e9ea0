//! What a worker would make of records that it has committed, for those who look for their documents.

use super::config::Choice;
use super::index::IndexPattern;
use super::ledger::Span;
use super::render::Renderer;
use kafka_client::TopicPartition;
use kafka_wire::batch::Batches;
use std::collections::HashMap;

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// Its pipeline drops it.
    Dropped,
    /// A document with this `_id`, which its pipeline may have set.
    Document { id: String },
    /// Its batch cannot be read.
    Unreadable { reason: String },
}

impl Made {
    /// The `_id` that it was given, whatever became of the document.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Document { id } => Some(id),
            Self::Dropped | Self::Unreadable { .. } => None,
        }
    }
}

/// Pipelines without a worker around them.
pub struct Trial {
    renderer: Renderer,
}

impl Trial {
    /// `pipelines`: as [`super::Settings::pipelines`] has them.
    pub fn new(pipelines: Vec<(String, Choice)>) -> Self {
        Self { renderer: Renderer::new(pipelines, IndexPattern::default(), None) }
    }

    /// What becomes of the records with offsets from `first` to before `next`, by offset. `batches`: as they were fetched,
    /// not before `first`'s own; what lies behind them is not in the answer.
    pub fn of(&self, partition: &TopicPartition, batches: &[u8], first: i64, next: i64) -> HashMap<i64, Made> {
        let mut made = HashMap::new();
        let behind = Batches::new(batches).flatten().map(|(header, _)| header.last_offset().saturating_add(1)).max();
        let next = next.min(behind.unwrap_or(first));
        let mut span = Span { first, next };
        while span.first < span.next {
            // Topic ids make the ids of records that are of no file, which nobody looks for here.
            let rendered = self.renderer.render(partition, None, batches, span, batches.len());
            let behind = rendered.next;
            for (offset, item) in rendered.offsets.iter().zip(rendered.batch.items.iter()) {
                let id = item.id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default();
                made.insert(*offset, Made::Document { id });
            }
            for unreadable in &rendered.unreadable {
                for offset in unreadable.first.max(span.first)..=unreadable.last.min(next - 1) {
                    made.insert(offset, Made::Unreadable { reason: unreadable.reason.clone() });
                }
            }
            for offset in span.first..behind {
                made.entry(offset).or_insert(Made::Dropped);
            }
            // A document that fills the answer alone moves it on all the same.
            span.first = behind.max(span.first + 1);
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Pipeline;
    use kafka_wire::batch::{BatchWriter, Producer, RecordHeaders};
    use kafka_wire::compression::Compression;
    use std::sync::Arc;

    #[test]
    fn a_record_is_dropped_or_a_document() {
        let file = tempfile::Builder::new().suffix(".yml").tempfile().expect("a file");
        let text = "processors:\n  - drop: {if: \"ctx.message == 'drop'\"}\n\
                    \x20 - set: {field: _id, value: mine, if: \"ctx.message == 'own'\"}\n";
        std::fs::write(file.path(), text).expect("written");
        let pipeline = Pipeline::load(file.path().to_str().expect("text")).expect("it is sound");
        let trial = Trial::new(vec![("*".into(), Choice::Pipeline(Arc::new(pipeline)))]);
        let mut writer = BatchWriter::new(Compression::None);
        for line in ["keep", "drop", "own"] {
            writer.push(0, None, Some(line.as_bytes()), &RecordHeaders::new(), None);
        }
        let mut batch = Vec::new();
        writer.seal(Producer::NONE, &mut batch);
        let partition = TopicPartition::new("logs", 0);
        let made = trial.of(&partition, &batch, 0, 9);
        assert!(matches!(&made[&0], Made::Document { id } if id.len() == 24), "{made:?}");
        assert_eq!(made[&1], Made::Dropped);
        assert_eq!(made[&2], Made::Document { id: "mine".into() });
        assert_eq!(made.len(), 3, "what was not fetched is not known: {made:?}");
        assert_eq!(trial.of(&partition, &batch, 1, 2).len(), 1);
        batch[70] ^= 1;
        assert!(matches!(&trial.of(&partition, &batch, 1, 2)[&1], Made::Unreadable { .. }));
    }
}
