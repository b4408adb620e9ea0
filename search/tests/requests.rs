//! What requests may ask for beside queries: parameters, mappings, orders.

mod store;

use serde_json::{Value, json};
use store::Store;

#[test]
fn parameters_work_or_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path());
    let lines = [
        json!({ "create": { "_index": "logs-a", "_id": "1" } }),
        json!({ "note": "one", "size": 1 }),
        json!({ "create": { "_index": "logs-b", "_id": "2" } }),
        json!({ "note": "two", "size": 2 }),
        json!({ "create": { "_index": ".secret", "_id": "3" } }),
        json!({ "note": "three", "size": 3 }),
    ];
    let answered = store.bulk("_bulk?refresh=true&filter_path=errors,items.*.status", &lines);
    let status = json!({ "create": { "status": 201 } });
    assert_eq!(answered, json!({ "errors": false, "items": [status, status, status] }));
    let again = store.bulk("_bulk?filter_path=took,items.*.error.type,items.*._id", &lines[..2]);
    assert_eq!(
        again["items"],
        json!([{ "create": { "_id": "1", "error": { "type": "version_conflict_engine_exception" } } }])
    );
    for (path, expect) in [
        ("logs-*/_count", Ok(2)),
        ("*/_count", Ok(2)),
        ("*/_count?expand_wildcards=all", Ok(3)),
        ("*/_count?expand_wildcards=open,hidden", Ok(3)),
        ("logs-*/_count?expand_wildcards=none", Ok(0)),
        ("logs-*/_count?expand_wildcards=closed", Ok(0)),
        ("logs-*/_count?expand_wildcards=ajar", Err(400)),
        ("none-*/_count", Ok(0)),
        ("none-*/_count?allow_no_indices=false", Err(404)),
        ("logs-a,none/_count", Err(404)),
        ("logs-a,none/_count?ignore_unavailable=true", Ok(1)),
        ("logs-a/_count?ignore_unavailable=perhaps", Err(400)),
        ("logs-*/_count?q=note:two", Ok(1)),
        ("logs-*/_count?q=two&df=note&default_operator=and", Ok(1)),
        ("logs-*/_count?df=note", Err(400)),
    ] {
        let (status, answered) = store.get(path);
        match expect {
            Ok(number) => assert_eq!((status, &answered["count"]), (200, &json!(number)), "{path}: {answered}"),
            Err(refused) => assert_eq!(status, refused, "{path}: {answered}"),
        }
    }
    for (path, named) in [
        ("logs-a/_search?scroll=1m", "scroll"),
        ("logs-a/_search?sise=1", "sise"),
        ("logs-a/_search?rest_total_hits_as_int=true", "rest_total_hits_as_int"),
        ("logs-a/_mapping?fields=x", "fields"),
        ("_cat/indices?s=index", "s"),
        ("_cat/indices?h=index,creation.date", "creation.date"),
        ("_cluster/health?level=shards", "level"),
        ("?what", "what"),
    ] {
        let (status, answered) = store.get(path);
        assert_eq!(status, 400, "{path}: {answered}");
        assert!(
            answered["error"]["reason"].as_str().is_some_and(|it| it.contains(&format!("[{named}]"))),
            "{answered}"
        );
    }
    for path in ["_bulk?pipeline=parse", "_bulk?refresh=soon", "_bulk?require_alias=true", "logs-a/_doc?op_type=update"]
    {
        assert_eq!(store.post(path, "{\"create\":{\"_index\":\"logs-a\"}}\n{}\n").0, 400, "{path}");
    }
    assert_eq!(store.get("_cat/indices?h=index,docs.count").1, "logs-a 1\nlogs-b 1\n");
    let shown = store.get("logs-a/_search?_source_includes=size&filter_path=hits.hits._source").1;
    assert_eq!(shown, json!({ "hits": { "hits": [{ "_source": { "size": 1 } }] } }));
    assert!(
        store.client.get(store.url("?pretty")).send().is_ok_and(|it| it.text().is_ok_and(|it| it.contains("\n  ")))
    );
    let header = json!({ "index": ["logs-a", "none"], "ignore_unavailable": true });
    let (_, several) =
        store.post("_msearch", format!("{header}\n{{}}\n{{\"index\":\"logs-a\",\"scroll\":\"1m\"}}\n{{}}\n"));
    assert_eq!(several["responses"][0]["hits"]["total"]["value"], 1, "{several}");
    assert_eq!(several["responses"][1]["status"], 400, "{several}");
    for body in [json!({ "version": true }), json!({ "track_scores": true }), json!({ "stored_fields": ["a"] })] {
        assert_eq!(store.post("logs-a/_search", body.to_string()).0, 400, "{body}");
    }
}

/// What the page asks for to have a total order: files have offsets, other documents do not.
#[test]
fn a_number_stands_for_missing_values() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path());
    let documents = [json!({ "n": 5 }), json!({ "x": 1 }), json!({ "n": -5 }), json!({ "n": 1 })];
    for (number, document) in documents.iter().enumerate() {
        let lines = [json!({ "create": { "_id": number.to_string() } }), document.clone()];
        // Segments of their own: one of them has no such field.
        store.bulk("a/_bulk?refresh=true", &lines);
    }
    let sorted = |order: &str, after: Value| {
        let mut body = json!({ "sort": [{ "n": { "order": order, "missing": 0, "unmapped_type": "long" } }] });
        if !after.is_null() {
            body["search_after"] = json!([after]);
        }
        store.ids("a", &body)
    };
    assert_eq!(sorted("asc", Value::Null), ["2", "1", "3", "0"]);
    assert_eq!(sorted("desc", Value::Null), ["0", "3", "1", "2"]);
    assert_eq!(sorted("asc", json!(0)), ["3", "0"]);
    assert_eq!(sorted("desc", json!(1)), ["1", "2"]);
    let (_, found) = store.post("a/_search", json!({ "sort": [{ "n": { "missing": 0 } }] }).to_string());
    assert_eq!(found["hits"]["hits"][1]["sort"], json!([0]));
}

#[test]
fn dynamic_templates_give_types() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path());
    let template = |rules: Value| {
        json!({ "index_patterns": ["apps-*"], "priority": 500, "template": { "mappings": {
            "date_detection": false, "dynamic_templates": rules } } })
    };
    let rules = json!([
        { "labels": { "path_match": "labels.*", "mapping": { "type": "keyword" } } },
        { "texts": { "match": "*_text", "match_mapping_type": "string", "mapping": { "type": "text" } } },
    ]);
    assert_eq!(store.put("_index_template/apps", &template(rules)).0, 200);
    let unknown = json!([{ "texts": { "match_pattern": "regex", "match": "^a", "mapping": { "type": "text" } } }]);
    let (status, answered) = store.put("_index_template/apps-2", &template(unknown));
    assert_eq!(status, 400);
    assert!(answered["error"]["reason"].as_str().is_some_and(|reason| reason.contains("match_pattern")), "{answered}");
    let strict = json!({ "index_patterns": ["x"], "template": { "mappings": { "dynamic": "strict" } } });
    assert_eq!(store.put("_index_template/strict", &strict).0, 400);
    let lines =
        [json!({ "create": {} }), json!({ "labels": { "port": 80 }, "body_text": "Two Words", "other": "Two Words" })];
    store.bulk("apps-x/_bulk?refresh=true", &lines);
    let fields = store.get("apps-x/_field_caps?fields=*").1;
    for (field, kind) in [("labels.port", "keyword"), ("body_text", "text"), ("other", "keyword")] {
        assert!(fields["fields"][field][kind].is_object(), "{field}: {fields:#}");
    }
    assert_eq!(store.ids("apps-x", &json!({ "query": { "match": { "body_text": "words" } } })).len(), 1);
    assert_eq!(store.ids("apps-x", &json!({ "query": { "term": { "labels.port": "80" } } })).len(), 1);
}
