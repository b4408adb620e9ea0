//! The page Pipeline: every stage of a running `up`, and which one holds up the others.

use super::discover;
use crate::harness::browser::Browser;
use crate::harness::lines::Stream;
use crate::harness::log_file::LogFile;
use crate::harness::scene::Scene;
use crate::harness::{ports, sluice};
use anyhow::ensure;
use serde_json::json;

/// Lines that wait for a far end that is not there.
const LINES: u64 = 500;

/// All parts run and the far end does not answer: the page shows how much went through each, what waits where, and that
/// the sink is the bottleneck.
pub fn shows_the_way(scene: &Scene) -> anyhow::Result<()> {
    let browser = Browser::start(scene, "pipeline")?;
    LogFile::create(scene.path("access.log"), Stream::new(0, 1))?.write(LINES)?;
    let (status, nobody) = (ports::free_address(), format!("http://{}", ports::free_address()));
    let arguments = [
        "up",
        "--data",
        "data",
        "--listen",
        &ports::free_address(),
        "--status-listen",
        &status,
        "--elasticsearch",
        &nobody,
        "access.log",
    ];
    let mut up = scene.start("up", sluice::command(arguments));
    up.wait_for_stderr("following", sluice::START)?;
    let (page, _process) = discover(scene, &nobody, "sluice-*", &format!("http://{status}"))?;

    browser.open(&format!("{page}/#view=pipeline"))?;
    for stage in ["agent", "broker", "worker", "sink", "index"] {
        browser.until(stage, &format!("document.querySelector('#stage-{stage}') !== null"))?;
    }
    browser.until(
        "records that wait",
        &format!("document.querySelector('#stage-worker').innerText.includes('{LINES}')"),
    )?;
    browser.until("the bottleneck", "document.querySelector('#verdict').innerText.includes('Bottleneck: Sink')")?;
    ensure!(browser.count("#stage-sink.slow")? == 1, "the stage is marked");
    browser.until("why", "document.querySelector('#verdict .problem') !== null")?;
    let index = browser.text("#stage-index")?;
    ensure!(index.contains("no answer"), "the index cannot be asked, and says so; got {index:?}");
    browser.until("charts", "document.querySelectorAll('#charts canvas').length === 2")?;
    browser.picture("pipeline")?;
    // Every request for the index has failed, which the browser says; nothing else has.
    let others: Vec<String> = browser.complaints()?.into_iter().filter(|it| !it.contains("502")).collect();
    ensure!(json!(others) == json!([]), "the browser complains: {others:?}");
    Ok(())
}
