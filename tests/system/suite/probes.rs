//! `sluice check --probe` on real servers: who answers, whether the template is there, credentials, and full disks.

use crate::harness::front::Front;
use crate::harness::process::Ended;
use crate::harness::scene::Scene;
use crate::harness::sluice;
use crate::real;
use anyhow::ensure;
use serde_json::json;
use std::time::Duration;

/// For one run of the command.
const RUN: Duration = Duration::from_secs(60);
const USER: (&str, &str) = ("sluice", "a-secret");

pub fn elasticsearch(scene: &Scene) -> anyhow::Result<()> {
    on(scene, &real::elasticsearch()?.url, "Elasticsearch 9.2.0")
}

pub fn opensearch(scene: &Scene) -> anyhow::Result<()> {
    on(scene, &real::opensearch()?.url, "OpenSearch 3.8.0")
}

fn on(scene: &Scene, url: &str, server: &str) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let index = format!("{}-<yyyy.MM>", scene.own_name("probed"));
    let template = format!("index template {}", scene.own_name("probed"));
    let check = |url: &str, credentials: &str, code: i32, wanted: &[&str]| -> anyhow::Result<()> {
        let config = format!(
            "worker:\n  broker: {}\n  index: {index:?}\n  elasticsearch: {{urls: [{url:?}]{credentials}}}\n",
            broker.address
        );
        let file = scene.file("probed.yaml", config);
        let mut command = sluice::command(["check", "--probe"]);
        command.arg(file);
        let Ended { status, out: said, .. } = scene.start("check", command).finish(RUN)?;
        ensure!(status.code() == Some(code), "got {status}; want {code}; {said}");
        for wanted in wanted {
            ensure!(said.contains(wanted), "want {wanted:?} in {said}");
        }
        Ok(())
    };
    check(url, "", 0, &[server, &template, "is missing", "cluster health", "disk of node", " free of "])?;
    super::setup::setup(scene, url, &index, &[])?;
    check(url, "", 0, &[server, &template, "is there"])?;

    // The servers of these tests know no users: what is before this one does, as a proxy that people put there.
    let (user, password) = USER;
    let front = Front::start(url, user, password)?;
    check(&front.url(), "", 1, &["credentials"])?;
    check(&front.url(), &format!(", username: {user}, password: wrong"), 1, &["credentials"])?;
    let right = format!(", username: {user}, password: {password}");
    check(&front.url(), &right, 0, &[server, "is there", "cluster health"])?;

    // No other test could write if this server thought that its disk were full; so only we are told so.
    let told = |high: &str, flood_stage: &str, enabled: &str| {
        let disk = "cluster.routing.allocation.disk";
        let settings = json!({
            format!("{disk}.threshold_enabled"): enabled,
            format!("{disk}.watermark.high"): high,
            format!("{disk}.watermark.flood_stage"): flood_stage,
        });
        front.answer("/_cluster/settings", json!({ "persistent": {}, "transient": settings, "defaults": {} }));
    };
    told("0%", "100000tb", "true");
    check(&front.url(), &right, 1, &["beyond the flood stage watermark", "make room"])?;
    told("0%", "0b", "true");
    check(&front.url(), &right, 0, &["beyond the high watermark"])?;
    told("0%", "100000tb", "false");
    check(&front.url(), &right, 0, &[" free of "])?;
    front.answer("/_cluster/health", json!({ "status": "red" }));
    check(&front.url(), &right, 0, &["red", "allocation/explain"])?;
    Ok(())
}
