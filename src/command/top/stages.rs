//! The stages from file to index, with rates between two looks, and which of them holds up the others. The same sums as
//! those of the page Pipeline (`search/page/metrics.js`).

use super::samples::Samples;

/// A backlog younger than this is what is on its way.
const LATE_SECONDS: f64 = 5.0;

/// One part of the way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stage {
    pub name: &'static str,
    /// In a second; `None`: after one look nobody knows.
    pub rate: Option<f64>,
    pub unit: &'static str,
    pub bytes_rate: Option<f64>,
    pub lag_bytes: Option<f64>,
    pub lag_records: Option<f64>,
    pub lag_seconds: Option<f64>,
    /// Until the lag is gone; `None`: it does not shrink.
    pub seconds_left: Option<f64>,
    pub facts: Vec<(&'static str, Option<f64>, Unit)>,
    /// Text, count, and how many in a second.
    pub errors: Vec<(&'static str, f64, f64)>,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Number,
    Bytes,
    Seconds,
    Rate,
}

impl Stage {
    fn fact(&self, name: &str) -> f64 {
        self.facts.iter().find(|(text, ..)| *text == name).and_then(|(_, value, _)| *value).unwrap_or(0.0)
    }

    fn errors_per_second(&self, name: &str) -> f64 {
        self.errors.iter().find(|(text, ..)| *text == name).map_or(0.0, |(_, _, per)| *per)
    }
}

/// Two looks, and the seconds between them.
pub struct Looks<'a> {
    pub now: &'a Samples,
    pub before: Option<(&'a Samples, f64)>,
}

impl Looks<'_> {
    fn difference(&self, sum: impl Fn(&Samples) -> Option<f64>) -> Option<f64> {
        let (before, seconds) = self.before.filter(|(_, seconds)| *seconds > 0.0)?;
        // A counter that went back belongs to a process that began anew.
        Some((sum(self.now)? - sum(before)?).max(0.0) / seconds)
    }

    fn rate(&self, name: &str) -> Option<f64> {
        self.difference(|samples| samples.sum(name))
    }

    fn error(&self, text: &'static str, name: &str) -> (&'static str, f64, f64) {
        (text, self.now.sum(name).unwrap_or(0.0), self.rate(name).unwrap_or(0.0))
    }

    fn error_with(&self, text: &'static str, name: &str, label: &str, value: &str) -> (&'static str, f64, f64) {
        let sum = |samples: &Samples| samples.sum_with(name, label, value);
        (text, sum(self.now).unwrap_or(0.0), self.difference(sum).unwrap_or(0.0))
    }

    /// Those stages that any port tells of.
    pub fn stages(&self) -> Vec<Stage> {
        let has = |prefix| self.now.has(prefix);
        let stages = [
            has("sluice_agent_").then(|| self.agent()),
            has("sluice_broker_").then(|| self.broker()),
            has("sluice_worker_").then(|| self.worker()),
            has("sluice_sink_").then(|| self.sink()),
        ];
        stages.into_iter().flatten().collect()
    }

    fn agent(&self) -> Stage {
        let sum = |name| self.now.sum(name);
        Stage {
            name: "Agent",
            rate: self.rate("sluice_agent_lines_read_total"),
            unit: "lines/s",
            bytes_rate: self.rate("sluice_agent_bytes_read_total"),
            lag_bytes: sum("sluice_agent_lag_bytes"),
            lag_seconds: sum("sluice_agent_lag_seconds"),
            facts: vec![
                ("files", sum("sluice_agent_files_followed"), Unit::Number),
                ("acknowledged", self.rate("sluice_agent_records_acknowledged_total"), Unit::Rate),
                ("in memory", sum("sluice_agent_held_bytes"), Unit::Bytes),
                ("spooled", sum("sluice_agent_spool_bytes").filter(|bytes| *bytes > 0.0), Unit::Bytes),
            ],
            errors: vec![
                self.error("ranges lost", "sluice_agent_losses_total"),
                self.error("lines cut", "sluice_agent_lines_cut_total"),
                self.error("files missed", "sluice_agent_files_missed_total"),
                self.error("batches repeated", "sluice_agent_batches_repeated_total"),
            ],
            ..Stage::default()
        }
    }

    fn broker(&self) -> Stage {
        Stage {
            name: "Broker",
            rate: self.rate("sluice_broker_batches_appended_total"),
            unit: "batches/s",
            facts: vec![
                ("flushes", self.rate("sluice_broker_flushes_total"), Unit::Rate),
                ("requests", self.rate("sluice_broker_requests_total"), Unit::Rate),
                ("connections", self.now.sum("sluice_broker_connections"), Unit::Number),
            ],
            errors: vec![
                self.error("batches refused", "sluice_broker_batches_refused_total"),
                self.error("requests refused", "sluice_broker_requests_refused_total"),
                self.error("wrong passwords", "sluice_broker_authentications_failed_total"),
            ],
            ..Stage::default()
        }
    }

    fn worker(&self) -> Stage {
        let memory = |kind| self.now.sum_with("sluice_worker_memory_bytes", "kind", kind);
        let dead = self.now.sum_with("sluice_worker_documents_total", "outcome", "rejected");
        let paused = self.now.sum("sluice_worker_paused_partitions").filter(|number| *number > 0.0);
        Stage {
            name: "Pipelines",
            rate: self.rate("sluice_worker_records_total"),
            unit: "records/s",
            lag_records: self.now.sum("sluice_worker_lag_records"),
            lag_seconds: self.now.largest("sluice_worker_lag_seconds"),
            seconds_left: self.now.sum("sluice_worker_seconds_left").filter(|seconds| *seconds > 0.0),
            facts: vec![
                ("dead letters", dead, Unit::Number),
                ("fetched", memory("fetched"), Unit::Bytes),
                ("documents ready", memory("documents"), Unit::Bytes),
                ("paused partitions", paused, Unit::Number),
            ],
            errors: vec![
                self.error("pipeline failures", "sluice_worker_pipeline_failures_total"),
                self.error("records lost", "sluice_worker_lost_records_total"),
                self.error("commits failed", "sluice_worker_commit_failures_total"),
                self.error("unreadable batches", "sluice_worker_unreadable_batches_total"),
            ],
            ..Stage::default()
        }
    }

    fn sink(&self) -> Stage {
        let items = "sluice_sink_bulk_items_total";
        let latency = || {
            let count = self.rate("sluice_sink_bulk_seconds_count").filter(|count| *count > 0.0)?;
            Some(self.rate("sluice_sink_bulk_seconds_sum")? / count)
        };
        let there = self.now.sum_with(items, "outcome", "already_there");
        Stage {
            name: "Sink",
            rate: self.difference(|samples| samples.sum_with(items, "outcome", "done")),
            unit: "documents/s",
            bytes_rate: self.rate("sluice_sink_sent_bytes_total"),
            facts: vec![
                ("a bulk request takes", latency(), Unit::Seconds),
                ("in flight", self.now.sum("sluice_sink_requests_in_flight"), Unit::Number),
                ("there already", there, Unit::Number),
            ],
            errors: vec![
                self.error_with("no answer", "sluice_sink_bulk_requests_total", "status", "none"),
                self.error_with("sent again", items, "outcome", "again"),
                self.error_with("held", items, "outcome", "held"),
                self.error_with("rejected", items, "outcome", "rejected"),
                self.error("rescued", "sluice_sink_documents_rescued_total"),
            ],
            ..Stage::default()
        }
    }
}

/// Which stage the others wait for, and why; `None`: nothing waits.
pub fn bottleneck(stages: &[Stage]) -> Option<(&'static str, &'static str)> {
    let of = |name: &str| stages.iter().find(|stage| stage.name == name);
    let (agent, broker, worker, sink) = (of("Agent"), of("Broker"), of("Pipelines"), of("Sink"));
    let per = |stage: Option<&Stage>, name| stage.map_or(0.0, |stage| stage.errors_per_second(name));
    let late = |stage: &Stage| stage.lag_seconds.is_some_and(|seconds| seconds > LATE_SECONDS);
    if let Some(worker) = worker.filter(|worker| late(worker) && worker.lag_records.is_some_and(|lag| lag > 0.0)) {
        if per(sink, "no answer") > 0.0 {
            return Some(("Sink", "the far end does not answer"));
        }
        if per(sink, "sent again") + per(sink, "held") > 0.0 {
            return Some(("Sink", "the far end does not take all that it is sent"));
        }
        if worker.fact("documents ready") > worker.fact("fetched") {
            let name = if sink.is_some() { "Sink" } else { "Pipelines" };
            return Some((name, "documents are ready and wait to be taken"));
        }
        return Some(("Pipelines", "records come faster than they are parsed"));
    }
    if agent.is_some_and(|agent| late(agent) && agent.lag_bytes.is_some_and(|lag| lag > 0.0)) {
        if per(broker, "batches refused") > 0.0 {
            return Some(("Broker", "it refuses record batches"));
        }
        return Some(("Agent", "lines are written faster than they are acknowledged"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(text: &str) -> Samples {
        let mut samples = Samples::default();
        samples.read(text);
        samples
    }

    #[test]
    fn rates_are_taken_between_two_looks() {
        let before = samples("sluice_agent_lines_read_total 100\nsluice_sink_bulk_items_total{outcome=\"done\"} 50\n");
        let now = samples("sluice_agent_lines_read_total 300\nsluice_sink_bulk_items_total{outcome=\"done\"} 40\n");
        let stages = Looks { now: &now, before: Some((&before, 2.0)) }.stages();
        let rates: Vec<_> = stages.iter().map(|stage| (stage.name, stage.rate)).collect();
        assert_eq!(rates, [("Agent", Some(100.0)), ("Sink", Some(0.0))]);
        assert_eq!(Looks { now: &now, before: None }.stages()[0].rate, None);
    }

    #[test]
    fn the_stage_that_holds_up_the_others_is_found() {
        let check = |text: &str, want: Option<&str>| {
            let now = samples(text);
            let before = samples("sluice_sink_bulk_items_total{outcome=\"again\"} 0\n");
            let stages = Looks { now: &now, before: Some((&before, 1.0)) }.stages();
            assert_eq!(bottleneck(&stages).map(|(name, _)| name), want, "{text}");
        };
        check("sluice_agent_lag_bytes 0\nsluice_agent_lag_seconds 0\n", None);
        check("sluice_agent_lag_bytes 9\nsluice_agent_lag_seconds 6\n", Some("Agent"));
        let late = "sluice_worker_lag_records 9\nsluice_worker_lag_seconds 60\n";
        check(late, Some("Pipelines"));
        check(&format!("{late}sluice_sink_bulk_items_total{{outcome=\"again\"}} 3\n"), Some("Sink"));
        check(&format!("{late}sluice_worker_memory_bytes{{kind=\"documents\"}} 3\n"), Some("Pipelines"));
    }
}
