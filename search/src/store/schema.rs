//! How a document lies in tantivy: the fields of every partition, the same for all documents.
//!
//! | field | what | indexed | columns |
//! | --- | --- | --- | --- |
//! | `f` | every value of a path that is not of words: keywords, numbers, dates (milliseconds), booleans | no | yes |
//! | `t` | texts, as words with positions | words | no |
//! | `_names` | paths of texts that a document has, for `exists` | whole | no |
//! | `_id` | the document's id; looked up in the dictionary of its column | no | yes |
//! | `_seq` | the number of the write in the store, ascending: the order of what is equal otherwise | no | yes |
//! | `_source` | the document as it came; only stored | no | no |
//!
//! `f` and `t` are JSON fields whose paths are the document's paths, with dots expanded. Only words have postings. Those of
//! keywords, numbers and dates were more than half of the work of indexing, since nearly every value of a log is a term of
//! its own, or is in every document; a search looks a keyword up in its column's dictionary, and scans the column. Ids lie
//! the same way: each is a term of its own, and merging postings of one document each was a tenth of all work.

use crate::text::StandardTokenizer;
use std::sync::LazyLock;
use tantivy::TantivyDocument;
use tantivy::schema::{
    Field, IndexRecordOption, JsonObjectOptions, NumericOptions, STORED, Schema, TextFieldIndexing, TextOptions, Value,
};
use tantivy::tokenizer::TokenizerManager;

/// The column field of all values; a path's column is `f.<path>`.
pub const FAST: &str = "f";
/// The column of ids.
pub const ID: &str = "_id";
/// The tokenizer of `t`.
pub const STANDARD: &str = "standard";

/// The fields of a partition.
pub struct Fields {
    pub schema: Schema,
    pub fast: Field,
    pub words: Field,
    pub names: Field,
    pub id: Field,
    pub sequence: Field,
    pub source: Field,
}

/// The one schema that there is.
pub static FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    let mut builder = Schema::builder();
    let raw = TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::Basic);
    let words =
        TextFieldIndexing::default().set_tokenizer(STANDARD).set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let fast = builder.add_json_field(FAST, JsonObjectOptions::default().set_fast("raw").set_expand_dots_enabled());
    let words = JsonObjectOptions::default().set_expand_dots_enabled().set_indexing_options(words);
    let words = builder.add_json_field("t", words);
    let names = builder.add_text_field("_names", TextOptions::default().set_indexing_options(raw));
    let id = builder.add_text_field(ID, TextOptions::default().set_fast("raw").set_stored());
    let sequence = builder.add_u64_field("_seq", NumericOptions::default().set_fast());
    let source = builder.add_bytes_field("_source", STORED);
    Fields { schema: builder.build(), fast, words, names, id, sequence, source }
});

/// The tokenizers that the schema names.
pub fn tokenizers() -> TokenizerManager {
    let manager = TokenizerManager::default();
    manager.register(STANDARD, StandardTokenizer::default());
    manager
}

/// The bytes of a document's source, which lies in a segment as a text, and as bytes in older ones.
pub fn source_of(stored: &TantivyDocument, field: Field) -> Option<&[u8]> {
    let value = stored.get_first(field)?;
    value.as_str().map(str::as_bytes).or_else(|| value.as_bytes())
}

/// The name of the column of `path`, as [`tantivy::fastfield::FastFieldReaders`] and tantivy's aggregations take it.
pub fn column(path: &str) -> String {
    format!("{FAST}.{path}")
}
