//! How a document lies in tantivy: the fields of every partition, the same for all documents.
//!
//! | field | what | indexed | columns |
//! | --- | --- | --- | --- |
//! | `f` | every value of a path that is not of words: keywords, numbers, dates (milliseconds), booleans | no | yes |
//! | `k` | keywords and booleans again, for terms | whole | no |
//! | `t` | texts, as words with positions | words | no |
//! | `_names` | paths of texts that a document has, for `exists` | whole | no |
//! | `_id` | the document's id | whole | no |
//! | `_seq` | the number of the write in the store, ascending: the order of what is equal otherwise | no | yes |
//! | `_source` | the document as it came; only stored | no | no |
//!
//! `f`, `k` and `t` are JSON fields whose paths are the document's paths, with dots expanded. Numbers and dates have no
//! postings: nearly every value is a term of its own, and a scan of the column finds them.

use crate::text::StandardTokenizer;
use std::sync::LazyLock;
use tantivy::schema::{
    Field, IndexRecordOption, JsonObjectOptions, NumericOptions, STORED, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::TokenizerManager;

/// The column field of all values; a path's column is `f.<path>`.
pub const FAST: &str = "f";
/// The tokenizer of `t`.
pub const STANDARD: &str = "standard";

/// The fields of a partition.
pub struct Fields {
    pub schema: Schema,
    pub fast: Field,
    pub keywords: Field,
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
    let json = || JsonObjectOptions::default().set_expand_dots_enabled();
    let keywords = builder.add_json_field("k", json().set_indexing_options(raw.clone()));
    let words = builder.add_json_field("t", json().set_indexing_options(words));
    let names = builder.add_text_field("_names", TextOptions::default().set_indexing_options(raw.clone()));
    let id = builder.add_text_field("_id", TextOptions::default().set_indexing_options(raw).set_stored());
    let sequence = builder.add_u64_field("_seq", NumericOptions::default().set_fast());
    let source = builder.add_bytes_field("_source", STORED);
    Fields { schema: builder.build(), fast, keywords, words, names, id, sequence, source }
});

/// The tokenizers that the schema names.
pub fn tokenizers() -> TokenizerManager {
    let manager = TokenizerManager::default();
    manager.register(STANDARD, StandardTokenizer::default());
    manager
}

/// The name of the column of `path`, as [`tantivy::fastfield::FastFieldReaders`] and tantivy's aggregations take it.
pub fn column(path: &str) -> String {
    format!("{FAST}.{path}")
}
