//! OpenSearch and Elasticsearch, shared by all tests.

use super::{Shared, need_java, start};
use crate::harness::{http, ports};
use serde_json::json;

/// The oldest Java that both run on.
const JAVA: &str = "21";

/// A running OpenSearch or Elasticsearch.
pub struct SearchServer {
    /// Base URL, without a slash at the end.
    pub url: String,
}

/// The shared OpenSearch.
pub fn opensearch() -> anyhow::Result<&'static SearchServer> {
    static OPENSEARCH: Shared<SearchServer> = Shared::new();
    shared(&OPENSEARCH, "opensearch")
}

/// The shared Elasticsearch.
pub fn elasticsearch() -> anyhow::Result<&'static SearchServer> {
    static ELASTICSEARCH: Shared<SearchServer> = Shared::new();
    shared(&ELASTICSEARCH, "elasticsearch")
}

fn shared(server: &'static Shared<SearchServer>, part: &str) -> anyhow::Result<&'static SearchServer> {
    need_java(JAVA)?;
    server.get(|| {
        let ports = [ports::free(), ports::free()];
        let url = format!("http://127.0.0.1:{}", ports[0]);
        let health = format!("{url}/_cluster/health?wait_for_status=yellow&timeout=1s");
        start(part, ports, || http::get(&health).is_ok_and(|(status, _)| status == 200))?;
        // What an operator sets for logs: no replicas on one node, strings as they are. The default, every string twice
        // and analysed, is mostly what the machine would be busy with.
        let strings = json!({ "match_mapping_type": "string", "mapping": { "type": "keyword", "ignore_above": 1024 } });
        let template = json!({
            "index_patterns": ["kill-*", "apart-*"],
            "template": {
                "settings": { "number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "30s" },
                "mappings": { "dynamic_templates": [{ "strings": strings }] },
            },
        });
        let answer = http::client().put(format!("{url}/_index_template/tests")).json(&template).send()?;
        answer.error_for_status()?;
        Ok(SearchServer { url })
    })
}
