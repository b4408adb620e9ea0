//! Other versions of Elasticsearch and OpenSearch than those of every run: only with `SLUICE_SOAK=full`.

use super::refusals::{self, Big};
use super::{crash, setup};
use crate::Test;
use crate::harness::scene::Scene;
use crate::harness::soak;
use crate::real::SearchNode;

/// As the servers that all tests share have it.
const HEAP_MIB: u32 = 512;

/// The tests, if they were asked for.
pub fn all() -> Vec<(String, Test)> {
    if soak::is_full() {
        let tests: [(&str, Test); 3] = [
            ("versions::elasticsearch_7", elasticsearch_7),
            ("versions::elasticsearch_8", elasticsearch_8),
            ("versions::opensearch_3_3", opensearch_3_3),
        ];
        tests.map(|(name, test)| (name.to_owned(), test)).into()
    } else {
        Vec::new()
    }
}

pub fn elasticsearch_7(scene: &Scene) -> anyhow::Result<()> {
    on(scene, "elasticsearch-7.17.28", "Elasticsearch 7.17.28")
}

pub fn elasticsearch_8(scene: &Scene) -> anyhow::Result<()> {
    on(scene, "elasticsearch-8.15.0", "Elasticsearch 8.15.0")
}

pub fn opensearch_3_3(scene: &Scene) -> anyhow::Result<()> {
    on(scene, "opensearch-zip", "OpenSearch 3.3.2")
}

fn on(scene: &Scene, part: &'static str, server: &str) -> anyhow::Result<()> {
    let node = SearchNode::start(scene, part, HEAP_MIB)?;
    setup::on(scene, &node.url(), server)?;
    // Only Elasticsearch 9 counts more than the bytes of a document.
    refusals::on(scene, &node.url(), Big::Taken)?;
    drop(node);
    crash::on(scene, part)
}
