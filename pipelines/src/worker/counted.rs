//! The counts of processors and patterns, as metrics of the pipelines that run.

use crate::pipeline::{Pipeline, ProcessorCount};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The pipelines that run now; shared by clones. An exchange begins their counts anew, as a restart does.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunningPipelines(Arc<Mutex<Vec<Arc<Pipeline>>>>);

/// Where a processor stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct ProcessorLabels {
    pipeline: String,
    processor: &'static str,
    tag: String,
    line: u64,
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct PatternLabels {
    pipeline: String,
    tag: String,
    line: u64,
    pattern: u64,
}

/// Runs, failures, and matches by pattern.
type Sums = BTreeMap<ProcessorLabels, (u64, u64, Vec<u64>)>;

impl RunningPipelines {
    pub fn set(&self, pipelines: Vec<Arc<Pipeline>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pipelines;
    }

    pub fn get(&self) -> Vec<Arc<Pipeline>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is called by several pipelines, or is there for several datasets, counts together.
    fn sums(&self) -> Sums {
        let mut sums = Sums::new();
        for count in self.get().iter().flat_map(|pipeline| pipeline.counts()) {
            let ProcessorCount { pipeline, processor_type, tag, line, runs, failures, matches } = count;
            // Most ready-made pipelines never see a line.
            if runs == 0 && failures == 0 {
                continue;
            }
            let tag = tag.unwrap_or_default();
            let labels = ProcessorLabels { pipeline, processor: processor_type, tag, line };
            let sum = sums.entry(labels).or_default();
            sum.0 += runs;
            sum.1 += failures;
            sum.2.resize(sum.2.len().max(matches.len()), 0);
            sum.2.iter_mut().zip(matches).for_each(|(sum, count)| *sum += count);
        }
        sums
    }
}

impl Collector for RunningPipelines {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let sums = self.sums();
        family(
            &mut encoder,
            "sluice_pipeline_processor_runs",
            "Documents that a processor of a pipeline ran for: its condition held",
            sums.iter().map(|(labels, sum)| (labels, sum.0)),
        )?;
        family(
            &mut encoder,
            "sluice_pipeline_processor_failures",
            "Documents that a processor of a pipeline failed for, handled or not",
            sums.iter().map(|(labels, sum)| (labels, sum.1)),
        )?;
        let patterns: Vec<(PatternLabels, u64)> = sums
            .iter()
            .flat_map(|(labels, sum)| {
                let ProcessorLabels { pipeline, tag, line, .. } = labels.clone();
                sum.2.iter().zip(0..).map(move |(count, pattern)| {
                    (PatternLabels { pipeline: pipeline.clone(), tag: tag.clone(), line, pattern }, *count)
                })
            })
            .collect();
        family(
            &mut encoder,
            "sluice_pipeline_grok_matches",
            "Documents that matched a pattern of a grok processor, by its place in the list from zero",
            patterns.iter().map(|(labels, count)| (labels, *count)),
        )
    }
}

/// Writes the counters of one name.
fn family<'l, L: EncodeLabelSet + 'l>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl Iterator<Item = (&'l L, u64)>,
) -> Result<(), fmt::Error> {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, count) in series {
        ConstCounter::new(count).encode(metric.encode_family(labels)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::pipeline::Context;
    use jiff::Timestamp;
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    #[test]
    fn processors_and_patterns_are_counted() {
        let text = "processors:\n  - grok:\n      field: m\n      tag: g\n      patterns: ['^a', '^%{INT:n}']\n      \
                    on_failure:\n        - set: {field: e, value: 1}\n";
        let pipelines: Vec<_> = (0..2).map(|_| Arc::new(Pipeline::parse("p.yml", text).expect("a pipeline"))).collect();
        let now = Timestamp::UNIX_EPOCH;
        for (place, message) in [(0, "a"), (0, "7"), (1, "8"), (1, "?")] {
            let mut document = Document::new();
            document.set("m", message).expect("a field");
            pipelines[place].run(&mut document, &Context::at(0, now));
        }
        let running = RunningPipelines::default();
        running.set(pipelines);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(running.clone()));
        let mut metrics = String::new();
        text::encode(&mut metrics, &registry).expect("text");
        for line in [
            r#"sluice_pipeline_processor_runs_total{pipeline="p",processor="grok",tag="g",line="2"} 4"#,
            r#"sluice_pipeline_processor_runs_total{pipeline="p",processor="set",tag="",line="7"} 1"#,
            r#"sluice_pipeline_processor_failures_total{pipeline="p",processor="grok",tag="g",line="2"} 1"#,
            r#"sluice_pipeline_grok_matches_total{pipeline="p",tag="g",line="2",pattern="0"} 1"#,
            r#"sluice_pipeline_grok_matches_total{pipeline="p",tag="g",line="2",pattern="1"} 2"#,
        ] {
            assert!(metrics.contains(line), "{line} is not in\n{metrics}");
        }
    }
}
