//! What was counted in a part of the documents, so that parts of segments and of indices add up.

use super::digest::Digest;
use super::values::Key;
use std::collections::HashMap;
use std::collections::HashSet;

/// The result of one aggregation over some documents.
#[derive(Debug, Clone)]
pub enum Partial {
    Buckets(Buckets),
    Metric(Box<Measured>),
    Distinct(HashSet<Key>),
}

#[derive(Debug, Clone, Default)]
pub struct Buckets {
    pub buckets: HashMap<Key, Bucket>,
    /// Documents in buckets that were left out as too small, all together.
    pub others: u64,
    /// How many documents of one bucket may be among them.
    pub error: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Bucket {
    pub count: u64,
    /// Of the aggregations inside, in their order; empty for a bucket that no document is in.
    pub children: Vec<Partial>,
}

/// Numbers seen.
#[derive(Debug, Clone)]
pub struct Measured {
    pub count: u64,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
    /// Only for percentiles.
    pub digest: Option<Digest>,
}

impl Measured {
    pub fn new(with_digest: bool) -> Self {
        let digest = with_digest.then(Digest::default);
        Self { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, digest }
    }

    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if let Some(digest) = &mut self.digest {
            digest.add(value);
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if let (Some(digest), Some(other)) = (&mut self.digest, other.digest) {
            digest.merge(other);
        }
    }
}

impl Partial {
    /// Buckets and distinct values, also within buckets.
    pub fn size(&self) -> usize {
        match self {
            Self::Buckets(all) => {
                let within = all.buckets.values().flat_map(|bucket| &bucket.children).map(Self::size);
                all.buckets.len() + within.sum::<usize>()
            }
            Self::Metric(_) => 0,
            Self::Distinct(keys) => keys.len(),
        }
    }

    /// Adds what another part of the documents gave for the same aggregation.
    pub fn merge(&mut self, other: Partial) {
        match (self, other) {
            (Self::Buckets(all), Self::Buckets(more)) => all.merge(more),
            (Self::Metric(all), Self::Metric(more)) => all.merge(*more),
            (Self::Distinct(all), Self::Distinct(more)) => all.extend(more),
            // Both were made for the same request, so they have the same shape.
            _ => {}
        }
    }
}

/// Adds up the results of all aggregations of a request; either may be empty.
pub fn merge_all(all: &mut Vec<Partial>, more: Vec<Partial>) {
    if all.is_empty() {
        *all = more;
        return;
    }
    for (one, other) in all.iter_mut().zip(more) {
        one.merge(other);
    }
}

impl Buckets {
    fn merge(&mut self, other: Self) {
        self.others += other.others;
        self.error += other.error;
        for (key, bucket) in other.buckets {
            let into = self.buckets.entry(key).or_default();
            into.count += bucket.count;
            merge_all(&mut into.children, bucket.children);
        }
    }
}
