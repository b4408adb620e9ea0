//! The live line of counts.

use crate::command::worker::lag_text;
use crate::files::{count, size};

/// What has come how far, in the order in which a line travels.
pub fn line(agent: &agent::Progress, worker: &pipelines::worker::Progress) -> String {
    let mut line = format!(
        "lines read {} · acknowledged {} · documents delivered {}",
        count(agent.lines_read),
        count(agent.records_acknowledged),
        count(worker.documents_delivered),
    );
    let rarer = [
        (worker.already_there, "already there"),
        (worker.dropped, "dropped"),
        (worker.failed, "not parsed"),
        (worker.rejected, "rejected"),
    ];
    for (number, what) in rarer {
        if number > 0 {
            line.push_str(&format!(" · {what} {}", count(number)));
        }
    }
    line.push_str(&format!(" · lag {} in files, {}", size(agent.lag_bytes), lag_text(&worker.lag)));
    line
}
