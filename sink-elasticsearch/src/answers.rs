//! What real servers answered (`tests/answers`, written by `tests/answers/record`), and what the sink makes of it.

use crate::exchange::{Exchanged, interpret};
use crate::hold::Scope;
use crate::node::Node;
use crate::offender::offender;
use crate::response::ItemAnswer;
use crate::verdict::{Verdict, above_limit, judge};
use pipelines::sink::{DocumentId, Item, Op};
use reqwest::StatusCode;
use serde_json::Value;

const ELASTICSEARCH_7: &str = include_str!("../tests/answers/elasticsearch-7.17.28.json");
const ELASTICSEARCH_8: &str = include_str!("../tests/answers/elasticsearch-8.15.0.json");
const ELASTICSEARCH_9: &str = include_str!("../tests/answers/elasticsearch-9.2.0.json");
const OPENSEARCH_3_3: &str = include_str!("../tests/answers/opensearch-3.3.2.json");
const OPENSEARCH_3_8: &str = include_str!("../tests/answers/opensearch-3.8.0.json");

/// What becomes of the document or request: the same on all servers, but for those that are named, by the beginning of
/// their names. `rescue X` is a rejection that lets the field X be moved.
fn want(server: &str, case: &str) -> &'static str {
    match case {
        "created" | "replaced" | "malformed but ignored" | "data stream" => "done",
        "already there" | "already in the data stream" => "already there",
        "text in a number" | "object in a number" | "number out of range" => "rescue n",
        "object in a number, ignored" if server.starts_with("opensearch") => "done",
        "object in a number, ignored" => "rescue n",
        "object in a keyword" | "keyword too long" => "rescue k",
        "text in an object" => "rescue o",
        "text in a date" => "rescue t",
        "text in an ip" => "rescue ip",
        "text in a boolean" => "rescue b",
        "strict mapping" => "rescue other",
        "too deep" if server.starts_with("opensearch") => "rejected",
        "too deep" => "rescue d",
        "empty field name" | "dots without a name" | "not JSON" | "not an object" | "field limit" => "rejected",
        "invalid index name" | "index name with a blank" | "index name with an underscore" => "rejected",
        // Version 7 takes them.
        "index into a data stream" | "data stream without a time" if server == "elasticsearch-7.17.28" => "done",
        "index into a data stream" | "data stream without a time" => "rejected",
        "failure store" => "rescue n",
        "write block" | "read only" | "closed index" | "index may not be created" => "hold index",
        "missing ingest pipeline" | "missing default pipeline" | "shard limit" => "hold server",
        "flood stage" | "shard without a node" | "write queue is full" => "again",
        // The sink sends no truncated body; this one took the half.
        "truncated gzip" if server == "elasticsearch-9.2.0" => "done",
        "id too long" | "malformed action" | "unknown action" | "no newline at the end" | "truncated gzip" => {
            "divide 400"
        }
        "content too large" => "divide 413",
        "document above indexing pressure" if server == "elasticsearch-9.2.0" => "too much",
        "document above indexing pressure" => "done",
        "above indexing pressure" => "above limit",
        "circuit breaker" => "refused",
        "wrong content type" => "stopped",
        _ => panic!("{server}: what is to be made of {case:?}?"),
    }
}

fn of_item(answer: &Value) -> String {
    let answer: ItemAnswer = serde_json::from_value(answer.clone()).expect("an item's answer");
    let item = Item {
        json: 0..2,
        id: Some(DocumentId::Text("a".into())),
        index: "i".into(),
        event_ms: 0,
        op: Op::Create,
        routing: None,
        pipeline: None,
    };
    match judge(&item, answer) {
        Verdict::Done => "done".into(),
        Verdict::AlreadyThere => "already there".into(),
        Verdict::Again(_) => "again".into(),
        Verdict::TooMuch(_) => "too much".into(),
        Verdict::Stumbled(_) => "stumbled".into(),
        Verdict::Hold(_, Scope::Server, _) => "hold server".into(),
        Verdict::Hold(_, Scope::Index | Scope::Unclear, _) => "hold index".into(),
        Verdict::Reject(_, error) => offender(&error).map_or("rejected".into(), |field| format!("rescue {field}")),
    }
}

fn of_request(status: u16, body: &str) -> String {
    let node = Node::parse("http://h:9200", None).expect("a valid URL");
    let status = StatusCode::from_u16(status).expect("a status");
    match interpret(&node, status, None, body.as_bytes(), 1) {
        Exchanged::Done | Exchanged::Items(_) => "items".into(),
        Exchanged::Divide(rejection) => format!("divide {}", rejection.status),
        Exchanged::Again(setback) if above_limit(&setback.rejection.reason).is_some() => "above limit".into(),
        Exchanged::Again(setback) => format!("{:?}", setback.kind).to_lowercase(),
    }
}

#[test]
fn answers_of_real_servers() {
    for (server, answers) in [
        ("elasticsearch-7.17.28", ELASTICSEARCH_7),
        ("elasticsearch-8.15.0", ELASTICSEARCH_8),
        ("elasticsearch-9.2.0", ELASTICSEARCH_9),
        ("opensearch-3.3.2", OPENSEARCH_3_3),
        ("opensearch-3.8.0", OPENSEARCH_3_8),
    ] {
        let recorded: Value = serde_json::from_str(answers).expect("the recorded answers are JSON");
        let answers = recorded["answers"].as_array().expect("a list of answers");
        assert!(answers.len() > 40, "{server} has {} answers", answers.len());
        for answer in answers {
            let case = answer["case"].as_str().expect("a name");
            let got = match (answer.get("item"), answer["status"].as_u64(), answer["body"].as_str()) {
                (Some(item), ..) => of_item(item),
                (None, Some(status), Some(body)) => of_request(status as u16, body),
                _ => panic!("{server}: {case} has neither item nor body"),
            };
            assert_eq!(got, want(server, case), "{server}: {case}: {answer}");
        }
    }
}
