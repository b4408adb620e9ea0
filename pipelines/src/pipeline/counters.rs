//! How often each processor ran and failed.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted by every worker that runs the pipeline, and read by whoever shows the metrics.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    runs: AtomicU64,
    failures: AtomicU64,
}

impl Counters {
    pub fn ran(&self, times: u64) {
        self.runs.fetch_add(times, Ordering::Relaxed);
    }

    pub fn failed(&self, times: u64) {
        self.failures.fetch_add(times, Ordering::Relaxed);
    }

    pub fn read(&self) -> (u64, u64) {
        (self.runs.load(Ordering::Relaxed), self.failures.load(Ordering::Relaxed))
    }
}

/// A processor's counts since its pipeline was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessorCount {
    /// Id of the pipeline that it stands in.
    pub pipeline: String,
    /// The processor's name, such as `grok`.
    pub processor_type: &'static str,
    pub tag: Option<String>,
    /// Line in the pipeline's file.
    pub line: u64,
    /// Documents for which the processor ran: its condition held.
    pub runs: u64,
    pub failures: u64,
    /// Of a grok processor: documents that matched each of its patterns, in their order.
    pub matches: Vec<u64>,
}
