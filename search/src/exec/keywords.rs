//! Documents that have a keyword for which something holds: looked up in the dictionary of the field's column, found by a
//! scan of the column.
//!
//! Keywords have no postings ([`crate::store::schema`]). A segment in whose dictionary nothing fits is passed over; in the
//! others a scan of bit-packed ordinals compares about a thousand million documents a second, and only where another part of
//! the query wants to know.

use super::terms::Matches;
use crate::store::schema::{ID, column};
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use tantivy::columnar::{Column, ColumnType, StrColumn};
use tantivy::fieldnorm::FieldNormReader;
use tantivy::query::{Bm25Weight, ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{BitSet, DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError};

/// Documents that are scanned at first, and after a leap: whoever leaps wants few.
const BLOCK_MIN: u32 = 128;
/// Documents that are scanned at once in a row: their numbers are kept, 4 bytes each.
const BLOCK_MAX: u32 = 32_768;

/// What is looked for in a column.
#[derive(Clone)]
enum Wanted {
    /// The same texts.
    Texts(Arc<[String]>),
    /// Texts that begin with `prefix` and for which `matches` holds.
    Matching {
        prefix: String,
        matches: Matches,
    },
    Truth(bool),
}

/// Documents with a keyword, or a truth, in a column.
#[derive(Clone)]
pub struct Keywords {
    column: String,
    wanted: Wanted,
}

impl Keywords {
    /// Of one text the score says how rare it is.
    pub fn text(path: &str, text: String) -> Box<dyn Query> {
        Self::texts(path, vec![text])
    }

    pub fn texts(path: &str, texts: Vec<String>) -> Box<dyn Query> {
        Box::new(Self { column: column(path), wanted: Wanted::Texts(texts.into()) })
    }

    /// Of documents with one of these ids.
    pub fn ids(ids: Vec<String>) -> Box<dyn Query> {
        Box::new(Self { column: ID.to_owned(), wanted: Wanted::Texts(ids.into()) })
    }

    pub fn matching(path: &str, prefix: String, matches: Matches) -> Box<dyn Query> {
        Box::new(Self { column: column(path), wanted: Wanted::Matching { prefix, matches } })
    }

    pub fn truth(path: &str, value: bool) -> Box<dyn Query> {
        Box::new(Self { column: column(path), wanted: Wanted::Truth(value) })
    }

    /// `None`: no document of the segment has one of them.
    fn documents(&self, reader: &SegmentReader) -> tantivy::Result<Option<Documents>> {
        let name = &self.column;
        let columns = reader.fast_fields();
        if let Wanted::Truth(value) = &self.wanted {
            let found = columns.u64_lenient_for_type(Some(&[ColumnType::Bool]), name)?;
            let value = u64::from(*value);
            return Ok(found.map(|(column, _)| Documents::new(column, Ordinals::Row(value..=value), 2)));
        }
        let Some(column) = columns.str(name)? else { return Ok(None) };
        let ordinals = match &self.wanted {
            Wanted::Texts(texts) => {
                let found = texts.iter().filter_map(|text| column.dictionary().term_ord(text.as_bytes()).transpose());
                found.collect::<Result<Vec<_>, _>>()?
            }
            Wanted::Matching { prefix, matches } => matching(&column, prefix, matches)?,
            Wanted::Truth(_) => Vec::new(),
        };
        let terms = column.num_terms();
        Ok(Ordinals::of(ordinals, terms).map(|wanted| Documents::new(column.ords().clone(), wanted, terms)))
    }

    /// The score of each document: as a term's that has postings, whose field has no norms.
    fn score(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Score> {
        let EnableScoring::Enabled { searcher, .. } = scoring else { return Ok(1.0) };
        if matches!(&self.wanted, Wanted::Matching { .. }) {
            return Ok(1.0);
        }
        let (mut all, mut with) = (0, 0);
        for reader in searcher.segment_readers() {
            all += u64::from(reader.max_doc());
            if let Some(documents) = self.documents(reader)? {
                with += documents.count_all();
            }
        }
        let weight = Bm25Weight::for_one_term_without_explain(with.min(all), all, 1.0);
        Ok(weight.score(FieldNormReader::fieldnorm_to_id(1), 1))
    }
}

/// The ordinals of texts that fit, ascending.
fn matching(column: &StrColumn, prefix: &str, matches: &Matches) -> tantivy::Result<Vec<u64>> {
    let mut found = Vec::new();
    let mut terms = column.dictionary().range().ge(prefix.as_bytes()).into_stream()?;
    while terms.advance() {
        let term = terms.key();
        if !term.starts_with(prefix.as_bytes()) {
            break;
        }
        if std::str::from_utf8(term).is_ok_and(|text| matches(text)) {
            found.push(terms.term_ord());
        }
    }
    Ok(found)
}

impl fmt::Debug for Keywords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wanted {
            Wanted::Texts(texts) => write!(f, "Keywords({}: {texts:?})", self.column),
            Wanted::Matching { prefix, .. } => write!(f, "Keywords({}: {prefix}*)", self.column),
            Wanted::Truth(value) => write!(f, "Keywords({}: {value})", self.column),
        }
    }
}

impl Query for Keywords {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(KeywordsWeight { keywords: self.clone(), score: self.score(scoring)? }))
    }
}

struct KeywordsWeight {
    keywords: Keywords,
    score: Score,
}

impl Weight for KeywordsWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(match self.keywords.documents(reader)? {
            Some(documents) => Box::new(ConstScorer::new(documents, boost * self.score)),
            None => Box::new(EmptyScorer),
        })
    }

    fn explain(&self, reader: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        match scorer.seek(document) == document {
            true => Ok(Explanation::new("Keywords", self.score)),
            false => Err(TantivyError::InvalidArgument("the document does not match".to_owned())),
        }
    }
}

/// Which ordinals of a column are wanted.
enum Ordinals {
    /// All between two.
    Row(RangeInclusive<u64>),
    Set(BitSet),
}

impl Ordinals {
    /// `terms`: how many ordinals there are.
    fn of(mut found: Vec<u64>, terms: usize) -> Option<Self> {
        found.sort_unstable();
        found.dedup();
        let (first, last) = (*found.first()?, *found.last()?);
        if last - first + 1 == found.len() as u64 {
            return Some(Self::Row(first..=last));
        }
        // The rows of a column are counted in 32 bits, too.
        let mut set = BitSet::with_max_value(u32::try_from(terms).expect("a column has less than 2^32 values"));
        for ordinal in found {
            set.insert(ordinal as u32);
        }
        Some(Self::Set(set))
    }

    fn len(&self) -> u64 {
        match self {
            Self::Row(row) => row.end() - row.start() + 1,
            Self::Set(set) => set.len() as u64,
        }
    }
}

/// The documents of a segment that have one of the ordinals, found block by block.
struct Documents {
    column: Column<u64>,
    wanted: Ordinals,
    /// What was found in the block that ends before `next`, ascending; `place` is where we are.
    found: Vec<DocId>,
    place: usize,
    next: DocId,
    block: u32,
    end: DocId,
    expected: u32,
}

impl Documents {
    fn new(column: Column<u64>, wanted: Ordinals, ordinals: usize) -> Self {
        let end = column.num_docs();
        let share = wanted.len() as f64 / ordinals.max(1) as f64;
        let expected = (f64::from(end) * share.min(1.0)) as u32;
        let (found, place, next, block) = (Vec::new(), 0, 0, BLOCK_MIN);
        let mut documents = Self { column, wanted, found, place, next, block, end, expected };
        documents.find();
        documents
    }

    /// The next block in which there is something.
    fn find(&mut self) {
        self.found.clear();
        self.place = 0;
        while self.found.is_empty() && self.next < self.end {
            let block = self.next..self.end.min(self.next.saturating_add(self.block));
            self.next = block.end;
            self.block = (self.block * 2).min(BLOCK_MAX);
            self.scan(block);
        }
    }

    fn scan(&mut self, block: Range<DocId>) {
        match &self.wanted {
            Ordinals::Row(row) => {
                self.column.get_docids_for_value_range(row.clone(), block, &mut self.found);
                // A document with several of them is given several times.
                self.found.dedup();
            }
            Ordinals::Set(set) => {
                let column = &self.column;
                let has = |document: &DocId| column.values_for_doc(*document).any(|value| set.contains(value as u32));
                self.found.extend(block.filter(has));
            }
        }
    }

    fn count_all(mut self) -> u64 {
        let mut count = 0;
        while !self.found.is_empty() {
            count += self.found.len() as u64;
            self.find();
        }
        count
    }
}

impl DocSet for Documents {
    fn advance(&mut self) -> DocId {
        self.place += 1;
        if self.place >= self.found.len() {
            self.find();
        }
        self.doc()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if target >= self.next {
            // Nothing before it is wanted any more.
            if target - self.next > self.block {
                self.block = BLOCK_MIN;
            }
            self.next = target.min(self.end);
            self.find();
            return self.doc();
        }
        self.place += self.found[self.place.min(self.found.len())..].partition_point(|document| *document < target);
        if self.place >= self.found.len() {
            self.find();
        }
        self.doc()
    }

    fn doc(&self) -> DocId {
        self.found.get(self.place).copied().unwrap_or(TERMINATED)
    }

    fn size_hint(&self) -> u32 {
        self.expected
    }

    /// To drive this is to read the whole column.
    fn cost(&self) -> u64 {
        u64::from(self.expected).max(u64::from(self.end) / 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::for_tests::{Indexed, Plain, index};
    use std::collections::BTreeSet;
    use tantivy::Searcher;
    use tantivy::collector::DocSetCollector;

    const DOCUMENTS: u32 = 70_000;

    /// The keywords of a document: none, one or several of a few, and one of its own.
    fn keywords(number: u32) -> Vec<String> {
        let some = (0..number % 4).map(|place| format!("k{}", number / 7 % 5 + place));
        some.chain(number.is_multiple_of(3).then(|| format!("own-{number}"))).collect()
    }

    fn documents() -> Searcher {
        index((0..DOCUMENTS).map(|number| {
            let mut document = Indexed::default();
            for text in keywords(number) {
                let place = document.push(&text);
                document.keyword("a.b", place);
            }
            if !number.is_multiple_of(5) {
                document.plain("truth", Plain::Bool(number.is_multiple_of(2)));
            }
            document
        }))
    }

    fn check(searcher: &Searcher, query: Box<dyn Query>, expect: impl Fn(u32) -> bool) {
        let expect: BTreeSet<u32> = (0..DOCUMENTS).filter(|number| expect(*number)).collect();
        let found = searcher.search(&query, &DocSetCollector).expect("a search");
        assert_eq!(searcher.segment_readers().len(), 1);
        assert!(found.iter().map(|address| address.doc_id).collect::<BTreeSet<_>>() == expect, "{query:?}");
        // By leaps, too.
        let reader = searcher.segment_reader(0);
        let weight = query.weight(EnableScoring::disabled_from_searcher(searcher)).expect("a weight");
        for step in [1, 2, 100, 129, 5000, 40_000] {
            let mut documents = weight.scorer(reader, 1.0).expect("a scorer");
            let mut target = documents.doc();
            while target < DOCUMENTS {
                let next = expect.range(target..).next().copied().unwrap_or(TERMINATED);
                assert_eq!(documents.seek(target), next, "{query:?} from {target}");
                target = next.saturating_add(step);
            }
        }
    }

    #[test]
    fn finds_the_documents_that_have_them() {
        let all = documents();
        let has = |text: &'static str| move |number: u32| keywords(number).iter().any(|keyword| keyword == text);
        check(&all, Keywords::text("a.b", "k2".into()), has("k2"));
        check(&all, Keywords::text("a.b", "own-63000".into()), has("own-63000"));
        check(&all, Keywords::text("a.b", "nowhere".into()), |_| false);
        check(&all, Keywords::text("a", "k2".into()), |_| false);
        check(&all, Keywords::texts("a.b", vec!["k0".into(), "k5".into(), "none".into()]), |number| {
            has("k0")(number) || has("k5")(number)
        });
        let ends: Matches = Arc::new(|text| text.ends_with("000"));
        check(&all, Keywords::matching("a.b", "own-".into(), ends), |number| number > 0 && number.is_multiple_of(3000));
        check(&all, Keywords::matching("a.b", "k".into(), Arc::new(|_| true)), |number| !number.is_multiple_of(4));
        check(&all, Keywords::truth("truth", true), |number| !number.is_multiple_of(5) && number.is_multiple_of(2));
    }
}
