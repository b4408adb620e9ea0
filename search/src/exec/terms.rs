//! Documents that have a word of one path for which something holds: patterns, prefixes, letters without case.

use crate::store::schema::FIELDS;
use std::fmt;
use std::sync::Arc;
use tantivy::query::{BitSetDocSet, ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, DocId, DocSet, Score, SegmentReader, TantivyError, Term};

/// Whether a text is one of those that are looked for.
pub type Matches = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Walks the words of `path` that begin with `prefix`.
#[derive(Clone)]
pub struct WordsMatching {
    pub path: String,
    pub prefix: String,
    pub matches: Matches,
}

impl fmt::Debug for WordsMatching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WordsMatching({}:{}*)", self.path, self.prefix)
    }
}

/// A term of text at a path of a JSON field.
pub fn text_term(field: Field, path: &str, value: &str) -> Term {
    let mut term = Term::from_field_json_path(field, path, true);
    term.append_type_and_str(value);
    term
}

impl Query for WordsMatching {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for WordsMatching {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let inverted = reader.inverted_index(FIELDS.words)?;
        let all = text_term(FIELDS.words, &self.path, "");
        let value_start = all.serialized_value_bytes().len();
        let first = text_term(FIELDS.words, &self.path, &self.prefix);
        let first = first.serialized_value_bytes();
        let mut terms = inverted.terms().range().ge(first).into_stream()?;
        let mut found = BitSet::with_max_value(reader.max_doc());
        while terms.advance() {
            let key = terms.key();
            if !key.starts_with(first) {
                break;
            }
            if !std::str::from_utf8(&key[value_start..]).is_ok_and(|value| (self.matches)(value)) {
                continue;
            }
            let mut postings = inverted.read_block_postings_from_terminfo(terms.value(), IndexRecordOption::Basic)?;
            while !postings.docs().is_empty() {
                for document in postings.docs() {
                    found.insert(*document);
                }
                postings.advance();
            }
        }
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(found), boost)))
    }

    fn explain(&self, reader: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        match scorer.seek(document) == document {
            true => Ok(Explanation::new("WordsMatching", 1.0)),
            false => Err(TantivyError::InvalidArgument("the document does not match".to_owned())),
        }
    }
}
