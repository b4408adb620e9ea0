//! The yardsticks themselves: what the other tests measure with must be right.

use crate::harness::oracle::{self, Arrived};
use crate::harness::scene::Scene;
use crate::harness::writing::{self, Plan, Rotation};
use crate::harness::{documents, http, lines};
use crate::real;
use anyhow::ensure;
use serde_json::json;
use std::fs;

pub fn oracle(_: &Scene) -> anyhow::Result<()> {
    oracle::finds_every_difference()
}

pub fn clf_times(_: &Scene) -> anyhow::Result<()> {
    lines::clf_times_are_right()
}

/// The writers' files hold, over all rotations, exactly what the writers say.
pub fn writing(scene: &Scene) -> anyhow::Result<()> {
    let plan = Plan {
        rotation: Rotation::Rename,
        streams: 3,
        lines_per_stream: 20_000,
        lines_per_rotation: 3_000,
        lines_per_second: 1_000_000,
    };
    let folder = scene.directory("logs");
    let written = writing::start(&folder, plan, scene.random("yardstick::writing"))?.finish()?;
    let mut arrived = Vec::new();
    let mut files = 0;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let text = fs::read(&path)?;
        ensure!(text.is_empty() || text.ends_with(b"\n"), "{path:?} ends within a line");
        let order = Some(path.display().to_string());
        arrived.extend(text.split_inclusive(|byte| *byte == b'\n').enumerate().map(|(number, line)| Arrived {
            line: line.strip_suffix(b"\n").unwrap_or(line).to_vec(),
            place: format!("{path:?} line {number}"),
            order: order.clone(),
        }));
        files += 1;
    }
    ensure!(files > 6, "want rotated files; got {files} files");
    oracle::compare(&written, arrived).check("files")
}

/// The servers start and documents come back page by page, as the oracle reads them.
pub fn real_servers_answer(_: &Scene) -> anyhow::Result<()> {
    for url in [&real::opensearch()?.url, &real::elasticsearch()?.url] {
        let mut bulk = String::new();
        for number in 0..10_100 {
            bulk.push_str(&json!({ "create": { "_index": "yardstick", "_id": number.to_string() } }).to_string());
            bulk.push('\n');
            bulk.push_str(&json!({ "message": format!("line {number}") }).to_string());
            bulk.push('\n');
        }
        let request = http::client().post(format!("{url}/_bulk")).header("content-type", "application/x-ndjson");
        request.body(bulk).send()?.error_for_status()?;
        assert_eq!(documents::count(url, "yardstick*")?, 10_100);
        let found = documents::read(url, "yardstick*")?;
        assert_eq!(found.len(), 10_100);
        assert!(found.iter().all(|found| found.line() == Some(&format!("line {}", found.id))));
    }
    Ok(())
}
