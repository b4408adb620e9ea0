//! The other far ends of a pipeline beside Elasticsearch: standard output, a file, a Kafka topic.

mod file;
mod readable;
mod standard_output;
mod topic;

pub use file::{FileOutput, Rotation};
pub use readable::short_line;
pub use standard_output::StandardOutput;
pub use topic::{TopicOutput, compression};

use pipelines::sink::DocumentBatch;

/// The documents of `batch`, each on a line of its own, behind `out`.
fn append_ndjson(batch: &DocumentBatch, out: &mut Vec<u8>) {
    for item in batch.items.iter() {
        out.extend_from_slice(batch.document(item));
        out.push(b'\n');
    }
}
