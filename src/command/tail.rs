//! `sluice tail`: documents as they come into the index.

use super::search::{Lines, Server, hits, query};
use crate::cli::TailArgs;
use crate::config::ConfigFile;
use crate::shutdown;
use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Between two questions: servers show what is new once in a second (`refresh_interval`).
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How old what comes may be: lines are read, parsed and indexed in another order than that of their times.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// Clocks of hosts may be ahead of ours.
const AHEAD: SignedDuration = SignedDuration::from_mins(1);
/// Documents of one question; more in a second can nobody read.
const DOCUMENTS_MAX: usize = 1000;
/// Documents that are shown of what is there already.
const SHOWN_FIRST: usize = 10;

pub async fn run(args: TailArgs, config: ConfigFile) -> anyhow::Result<ExitCode> {
    let stop = shutdown::on_signal()?;
    let server = Server::new(&args.place, config)?;
    let text = server.spelled_out(args.query).await;
    let mut lines = Lines::for_stdout(args.json);
    let mut seen = Seen::default();
    let mut is_first = true;
    let mut ticks = tokio::time::interval(ASK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! { () = stop.cancelled() => return Ok(ExitCode::SUCCESS), _ = ticks.tick() => () }
        let now = Timestamp::now();
        let body = json!({
            "size": DOCUMENTS_MAX, "sort": [{ "@timestamp": { "order": "desc" } }],
            "query": query(text.as_deref(), Some((now - WINDOW, now + AHEAD))),
        });
        let answer = tokio::select! {
            () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
            answer = server.search(&body) => answer,
        };
        let answer = match answer {
            // Who follows goes on when the server is back; what is wrong from the start is said.
            Err(error) if !is_first => {
                tracing::warn!("{error:#}");
                continue;
            }
            answer => answer?,
        };
        let hits = hits(&answer);
        let mut fresh: Vec<&Value> = hits.iter().filter(|hit| seen.is_new(hit, now)).collect();
        if fresh.len() == DOCUMENTS_MAX && !is_first {
            tracing::warn!(
                "more than {DOCUMENTS_MAX} new documents in a second: these are the newest; a query shows fewer"
            );
        }
        if is_first {
            fresh.truncate(SHOWN_FIRST);
        }
        let mut out = io::stdout().lock();
        for hit in fresh.iter().rev() {
            lines.write(&hit["_source"], &mut out).context("write to standard output")?;
        }
        out.flush().context("write to standard output")?;
        seen.forget(now);
        is_first = false;
    }
}

/// Documents that were shown, by index and id, and when they were found last.
#[derive(Default)]
struct Seen {
    documents: HashMap<(String, String), Timestamp>,
}

impl Seen {
    fn is_new(&mut self, hit: &Value, now: Timestamp) -> bool {
        let text = |name: &str| hit[name].as_str().unwrap_or_default().to_owned();
        self.documents.insert((text("_index"), text("_id")), now).is_none()
    }

    /// What has not been found for a window's time is behind it, so its size is bounded by what one window shows.
    fn forget(&mut self, now: Timestamp) {
        self.documents.retain(|_, last| now.duration_since(*last) <= WINDOW + AHEAD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_is_new_once() {
        let start = Timestamp::constant(1_772_323_200, 0);
        let mut seen = Seen::default();
        let hit = |index: &str, id: &str| json!({ "_index": index, "_id": id });
        assert!(seen.is_new(&hit("a", "1"), start));
        assert!(!seen.is_new(&hit("a", "1"), start + ASK_EVERY));
        assert!(seen.is_new(&hit("b", "1"), start + ASK_EVERY));
        seen.forget(start + WINDOW);
        assert_eq!(seen.documents.len(), 2);
        seen.forget(start + WINDOW + WINDOW);
        assert!(seen.documents.is_empty());
    }
}
