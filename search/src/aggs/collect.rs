//! Gathers documents into buckets, block by block, as tantivy finds them.
//!
//! Every aggregation numbers its buckets within a segment, over all buckets around it; those inside get each document
//! together with the number of the bucket that it fell into. So a tree of any depth is a few flat tables.

use super::keys::{Keys, Raw};
use super::metric::MetricOfSegment;
use super::partial::{Bucket, Buckets, Partial, merge_all};
use super::request::{Aggregation, By, Kind};
use super::values::Values;
use super::{FieldColumn, FieldKind, Index};
use crate::query::{Query, Refusal};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tantivy::BitSet;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::{EnableScoring, Weight};
use tantivy::{DocId, DocSet, Score, Searcher, SegmentReader, TantivyError};

/// Buckets and distinct values of a segment: about 100 bytes each. Texts that are only counted do not belong to them.
const KEPT_MAX: usize = 1_000_000;
/// Terms that a segment gives on when they are sorted by count; what is smaller is only counted together. More than
/// `search.max_buckets`, so that what an answer may show is exact in nearly every index.
const TERMS_KEPT: usize = 65_536;
/// Buckets and distinct values that all segments of a search give on: they are in memory at the same time. Terms sorted by
/// count stay below it, since each segment gives on fewer where there are many.
const GIVEN_MAX: usize = 2_000_000;

/// The aggregations of a request, ready for one search in one index.
pub struct Prepared {
    nodes: Vec<PreparedNode>,
    /// [`KEPT_MAX`].
    pub(super) kept_max: usize,
    terms_kept: usize,
    /// What segments have given on; at most [`GIVEN_MAX`].
    pub(super) given: Arc<AtomicUsize>,
}

struct PreparedNode {
    aggregation: Aggregation,
    field: Option<FieldColumn>,
    filters: Vec<Box<dyn Weight>>,
    children: Vec<PreparedNode>,
}

impl Prepared {
    /// Looks up fields and builds filters. A field whose type an aggregation cannot use is refused.
    pub fn new(aggregations: &[Aggregation], index: &dyn Index, searcher: &Searcher) -> Result<Self, Refusal> {
        let shares = searcher.segment_readers().len().max(1) * aggregations.len().max(1);
        Ok(Self {
            nodes: prepare(aggregations, index, searcher)?,
            kept_max: KEPT_MAX,
            terms_kept: TERMS_KEPT.min(GIVEN_MAX / shares).max(1),
            given: Arc::default(),
        })
    }
}

fn prepare(aggregations: &[Aggregation], index: &dyn Index, searcher: &Searcher) -> Result<Vec<PreparedNode>, Refusal> {
    let weight = |query: &Query| {
        let weight = index.build(query)?.weight(EnableScoring::disabled_from_searcher(searcher));
        weight.map_err(|error| Refusal::argument(error.to_string()))
    };
    let prepare_one = |aggregation: &Aggregation| {
        let field = aggregation.kind.field().and_then(|field| index.field(field));
        check_type(aggregation, field.as_ref())?;
        let filters = match &aggregation.kind {
            Kind::Filter(query) => vec![weight(query)?],
            Kind::Filters(filters) => {
                filters.filters.iter().map(|(_, query)| weight(query)).collect::<Result<_, _>>()?
            }
            _ => Vec::new(),
        };
        let children = prepare(&aggregation.children, index, searcher)?;
        Ok(PreparedNode { aggregation: aggregation.clone(), field, filters, children })
    };
    aggregations.iter().map(prepare_one).collect()
}

fn check_type(aggregation: &Aggregation, field: Option<&FieldColumn>) -> Result<(), Refusal> {
    let Some((name, kind)) = aggregation.kind.field().zip(field.map(|field| field.kind)) else { return Ok(()) };
    let is_count = match &aggregation.kind {
        Kind::Terms(_) => true,
        Kind::Missing { .. } => return Ok(()),
        Kind::Metric(metric) => metric.function.takes_texts(),
        _ => false,
    };
    match kind {
        FieldKind::Text => Err(Refusal::argument(format!(
            "Text fields are not optimised for operations that require per-document field data like aggregations and \
             sorting, so these operations are disabled by default. Please use a keyword field instead of [{name}]."
        ))),
        FieldKind::Keyword | FieldKind::Ip if !is_count => Err(Refusal::argument(format!(
            "Field [{name}] of type [{}] is not supported for aggregation [{}]",
            kind.name(),
            aggregation.kind.name()
        ))),
        _ => Ok(()),
    }
}

/// tantivy's collector of [`Prepared`] aggregations.
pub struct Collecting<'a>(pub &'a Prepared);

/// How many documents there are, and what is counted of them.
pub type Counted = (u64, Vec<Partial>);

impl Collector for Collecting<'_> {
    type Fruit = Counted;
    type Child = Segment;

    fn for_segment(&self, _: u32, segment: &SegmentReader) -> tantivy::Result<Segment> {
        let Prepared { nodes, kept_max, terms_kept, given } = self.0;
        check_given(given.load(Ordering::Relaxed))?;
        let nodes = open(nodes, segment, true, *terms_kept)?;
        Ok(Segment { nodes, kept: 0, kept_max: *kept_max, given: given.clone(), total: 0 })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<tantivy::Result<Counted>>) -> tantivy::Result<Counted> {
        let mut all = (0, Vec::new());
        for fruit in fruits {
            let (total, partials) = fruit?;
            all.0 += total;
            merge_all(&mut all.1, partials);
        }
        Ok(all)
    }
}

/// `is_outermost`: no buckets are around them. `terms_kept`: [`TERMS_KEPT`], or fewer.
fn open(
    nodes: &[PreparedNode],
    segment: &SegmentReader,
    is_outermost: bool,
    terms_kept: usize,
) -> tantivy::Result<Vec<Node>> {
    let open_one = |node: &PreparedNode| {
        let values = Values::open(node.field.as_ref(), segment)?;
        let kind = node.field.as_ref().map_or(FieldKind::Keyword, |field| field.kind);
        if let Kind::Metric(metric) = &node.aggregation.kind {
            return Ok(Node::Metric(MetricOfSegment::open(metric, values, kind)));
        }
        let found = node.filters.iter().map(|weight| found(weight.as_ref(), segment)).collect::<Result<_, _>>()?;
        let keys = Keys::open(&node.aggregation, values, kind, found)?;
        let keys = keys.ok_or_else(|| TantivyError::InternalError("a metric makes no buckets".to_owned()))?;
        let sorts_by_count = match &node.aggregation.kind {
            Kind::Terms(terms) => terms.order.first().is_some_and(|order| order.by == By::Count && !order.is_ascending),
            _ => false,
        };
        let most = sorts_by_count.then_some(terms_kept);
        let children = open(&node.children, segment, false, terms_kept)?;
        let ordinals = keys.ordinals().filter(|_| is_outermost && children.is_empty() && most.is_some());
        let counts = vec![0; ordinals.unwrap_or(0)];
        let numbers = if ordinals.is_some() { Numbers::Ordinals } else { Numbers::Found(HashMap::new()) };
        let (last, begins) = (None, Vec::new());
        Ok(Node::Buckets(BucketsOfSegment { keys, numbers, last, counts, children, most, begins }))
    };
    nodes.iter().map(open_one).collect()
}

/// The documents of a segment that a filter finds.
fn found(weight: &dyn Weight, segment: &SegmentReader) -> tantivy::Result<Arc<BitSet>> {
    let mut set = BitSet::with_max_value(segment.max_doc());
    let mut scorer = weight.scorer(segment, 1.0)?;
    let mut doc = scorer.doc();
    while doc != tantivy::TERMINATED {
        set.insert(doc);
        doc = scorer.advance();
    }
    Ok(Arc::new(set))
}

/// The aggregations over one segment.
pub struct Segment {
    nodes: Vec<Node>,
    kept: usize,
    kept_max: usize,
    given: Arc<AtomicUsize>,
    total: u64,
}

enum Node {
    Buckets(BucketsOfSegment),
    Metric(MetricOfSegment),
}

/// Which number a bucket has.
enum Numbers {
    /// By the number of the bucket around it and the raw key, in the order in which they are found.
    Found(HashMap<(u32, Raw), u32>),
    /// Its text's place in the column's dictionary: however many there are, each costs no more than its count.
    Ordinals,
}

struct BucketsOfSegment {
    keys: Keys,
    numbers: Numbers,
    /// The bucket of the document before: often the next one's, too.
    last: Option<((u32, Raw), u32)>,
    counts: Vec<u64>,
    children: Vec<Node>,
    /// Only the largest buckets are given on, so many of them.
    most: Option<usize>,
    /// Reused for each block.
    begins: Vec<i64>,
}

impl SegmentCollector for Segment {
    type Fruit = tantivy::Result<Counted>;

    fn collect(&mut self, doc: DocId, _: Score) {
        self.collect_block(&[doc]);
    }

    fn collect_block(&mut self, docs: &[DocId]) {
        self.total += docs.len() as u64;
        let whole = vec![0; docs.len()];
        for node in &mut self.nodes {
            // What is beyond the limit is refused at the end; until then it costs nothing more.
            if self.kept <= self.kept_max {
                self.kept += node.collect(docs, &whole);
            }
        }
    }

    fn harvest(self) -> Self::Fruit {
        if self.kept > self.kept_max {
            return Err(TantivyError::InvalidArgument(too_many(self.kept_max)));
        }
        let each = self.nodes.into_iter().map(|node| Ok(node.finish(1)?.remove(0)));
        let partials: Vec<Partial> = each.collect::<tantivy::Result<_>>()?;
        let size = partials.iter().map(Partial::size).sum();
        check_given(self.given.fetch_add(size, Ordering::Relaxed) + size)?;
        Ok((self.total, partials))
    }
}

fn check_given(given: usize) -> tantivy::Result<()> {
    match given > GIVEN_MAX {
        true => Err(TantivyError::InvalidArgument(too_many(GIVEN_MAX))),
        false => Ok(()),
    }
}

/// The reason of Elasticsearch's `too_many_buckets_exception`.
pub fn too_many(most: usize) -> String {
    format!("Trying to create too many buckets. Must be less than or equal to: [{most}]")
}

impl Node {
    /// Adds documents, each with the number of the bucket around it. Returns how much more is kept now.
    fn collect(&mut self, docs: &[DocId], around: &[u32]) -> usize {
        match self {
            Self::Metric(metric) => metric.collect(docs, around),
            Self::Buckets(buckets) => buckets.collect(docs, around),
        }
    }

    /// The results within each of `count` buckets around it.
    fn finish(self, count: usize) -> tantivy::Result<Vec<Partial>> {
        match self {
            Self::Metric(metric) => metric.finish(count),
            Self::Buckets(buckets) => buckets.finish(count),
        }
    }
}

impl BucketsOfSegment {
    fn collect(&mut self, docs: &[DocId], around: &[u32]) -> usize {
        let before = self.counts.len();
        let mut begins = std::mem::take(&mut self.begins);
        if self.children.is_empty() && self.keys.dates(docs, &mut begins) {
            // Most logs are written in the order of time: a bucket's documents follow each other.
            for (begin, around) in begins.iter().zip(around) {
                let number = self.number((*around, (0, *begin as u64)));
                self.counts[number as usize] += 1;
            }
            self.begins = begins;
            return self.counts.len() - before;
        }
        self.begins = begins;
        let mut found = Vec::with_capacity(docs.len());
        self.keys.find(docs, &mut found);
        let (mut inner_docs, mut inner) = (Vec::new(), Vec::new());
        for (place, raw) in found {
            let number = self.number((around[place as usize], raw));
            self.counts[number as usize] += 1;
            if !self.children.is_empty() {
                inner_docs.push(docs[place as usize]);
                inner.push(number);
            }
        }
        let mut kept = self.counts.len() - before;
        if !inner.is_empty() {
            kept += self.children.iter_mut().map(|child| child.collect(&inner_docs, &inner)).sum::<usize>();
        }
        kept
    }

    /// The number of a bucket, which is made if it is new.
    fn number(&mut self, key: (u32, Raw)) -> u32 {
        let numbers = match &mut self.numbers {
            Numbers::Ordinals => return key.1.1 as u32,
            Numbers::Found(numbers) => numbers,
        };
        if let Some((last, number)) = self.last
            && last == key
        {
            return number;
        }
        let next = self.counts.len() as u32;
        let number = *numbers.entry(key).or_insert(next);
        if number == next {
            self.counts.push(0);
        }
        self.last = Some((key, number));
        number
    }

    fn finish(self, count: usize) -> tantivy::Result<Vec<Partial>> {
        let mut children: Vec<Vec<Option<Partial>>> = Vec::new();
        for child in self.children {
            children.push(child.finish(self.counts.len())?.into_iter().map(Some).collect());
        }
        let mut all = vec![Buckets::default(); count];
        let mut raws: Vec<Vec<(Raw, u32)>> = vec![Vec::new(); count];
        match self.numbers {
            Numbers::Found(numbers) => {
                numbers.into_iter().for_each(|((around, raw), number)| raws[around as usize].push((raw, number)));
            }
            Numbers::Ordinals => {
                let found = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
                raws[0].extend(found.map(|(ordinal, _)| ((0, ordinal as u64), ordinal as u32)));
            }
        }
        for (buckets, mut raws) in all.iter_mut().zip(raws) {
            if let Some(most) = self.most.filter(|most| raws.len() > *most) {
                // Of as many documents, the lower key comes first, in an answer, too.
                let rank = |(raw, number): &(Raw, u32)| (std::cmp::Reverse(self.counts[*number as usize]), *raw);
                raws.select_nth_unstable_by_key(most - 1, rank);
                let left = raws.split_off(most);
                buckets.others = left.iter().map(|(_, number)| self.counts[*number as usize]).sum();
                buckets.error = raws.last().map_or(0, |(_, number)| self.counts[*number as usize]);
            }
            raws.sort_unstable();
            for (key, (_, number)) in self.keys.keys(&raws)?.into_iter().zip(&raws) {
                let number = *number;
                let inner = children.iter_mut().filter_map(|child| child[number as usize].take()).collect();
                let bucket = Bucket { count: self.counts[number as usize], children: inner };
                buckets.buckets.insert(key, bucket);
            }
        }
        Ok(all.into_iter().map(Partial::Buckets).collect())
    }
}
