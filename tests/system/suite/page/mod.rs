//! The Discover page in a real browser, over real servers; and what its proxy does not let through.

mod documents;
mod many;
mod pipeline;
mod strangers;
mod tour;

use crate::Test;
use crate::harness::process::Process;
use crate::harness::scene::Scene;
use crate::harness::{ports, sluice};
use crate::real;
use documents::Documents;
use std::time::Duration;

/// For the page to be served: a debug binary on a loaded machine.
const START: Duration = sluice::START;

pub fn all() -> Vec<(String, Test)> {
    vec![
        ("page::opensearch".to_owned(), opensearch as Test),
        ("page::embedded".to_owned(), embedded as Test),
        ("page::elasticsearch".to_owned(), elasticsearch as Test),
        ("page::many".to_owned(), many::documents_do_not_freeze_it as Test),
        ("page::pipeline".to_owned(), pipeline::shows_the_way as Test),
        ("page::strangers".to_owned(), strangers::are_refused as Test),
        ("page::credentials".to_owned(), strangers::credentials_are_sent as Test),
    ]
}

/// The whole tour over `sluice discover` in front of OpenSearch.
fn opensearch(scene: &Scene) -> anyhow::Result<()> {
    in_front_of(scene, "opensearch", &real::opensearch()?.url)
}

/// And in front of Elasticsearch.
fn elasticsearch(scene: &Scene) -> anyhow::Result<()> {
    in_front_of(scene, "elasticsearch", &real::elasticsearch()?.url)
}

fn in_front_of(scene: &Scene, pictures: &'static str, server: &str) -> anyhow::Result<()> {
    let documents = Documents::new(scene.own_name("page"));
    documents.set_up(scene, server)?;
    let index = format!("{}-*", documents.index);
    let (page, _process) = discover(scene, server, &index, &format!("http://{}", ports::free_address()))?;
    tour::walk(scene, pictures, &page, server, &documents)
}

/// The tour on the page of `sluice up`, over its own store.
fn embedded(scene: &Scene) -> anyhow::Result<()> {
    let (page, _process) = with_store(scene)?;
    let documents = Documents::new("sluice-page".to_owned());
    documents.add(&page, &documents.all)?;
    tour::walk(scene, "embedded", &page, &page, &documents)
}

/// `sluice up` that follows an empty file: the base URL of its store and page.
pub fn with_store(scene: &Scene) -> anyhow::Result<(String, Process)> {
    let (search, listen, status) = (ports::free_address(), ports::free_address(), ports::free_address());
    scene.file("empty.log", "");
    let arguments =
        ["up", "--data", "data", "--listen", &listen, "--status-listen", &status, "--search-listen", &search];
    let mut command = sluice::command(arguments);
    command.arg("empty.log");
    let mut process = scene.start("up", command);
    let page = format!("http://{search}");
    let ready = crate::harness::wait::until("the store", START, || {
        let ready = crate::harness::http::get(&page).is_ok_and(|(status, _)| status == 200);
        (ready || !process.is_running()).then_some(ready)
    })?;
    anyhow::ensure!(ready, "up ended: {}", process.stderr());
    Ok((page, process))
}

/// `sluice discover` on a free port: its base URL, without a slash at the end.
fn discover(scene: &Scene, server: &str, index: &str, status: &str) -> anyhow::Result<(String, Process)> {
    let address = ports::free_address();
    let arguments = ["discover", "--elasticsearch", server, "--listen", &address, "--index", index, "--status", status];
    let mut process = scene.start("discover", sluice::command(arguments));
    let page = format!("http://{address}");
    let ready = crate::harness::wait::until("the page", START, || {
        let ready = crate::harness::http::get(&format!("{page}/_page/settings")).is_ok_and(|(status, _)| status == 200);
        (ready || !process.is_running()).then_some(ready)
    })?;
    anyhow::ensure!(ready, "discover ended: {}", process.stderr());
    Ok((page, process))
}
