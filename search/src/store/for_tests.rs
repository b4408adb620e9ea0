//! Documents in tantivy without a store, for tests of what runs over them.

pub use super::indexed::{Indexed, Plain};
use super::limits::WRITER_MEMORY_BYTES;
use super::schema::{FIELDS, tokenizers};
use tantivy::indexer::NoMergePolicy;
use tantivy::{Index, IndexWriter, Searcher};

/// A searcher over documents that lie in memory, in one segment.
pub fn index(documents: impl Iterator<Item = Indexed>) -> Searcher {
    let builder = Index::builder().schema(FIELDS.schema.clone()).tokenizers(tokenizers());
    let index = builder.create_in_ram().expect("an index");
    let mut writer: IndexWriter<Indexed> = index.writer_with_num_threads(1, WRITER_MEMORY_BYTES).expect("a writer");
    writer.set_merge_policy(Box::new(NoMergePolicy));
    documents.for_each(|document| {
        writer.add_document(document).expect("it is taken");
    });
    writer.commit().expect("a commit");
    index.reader().expect("a reader").searcher()
}
