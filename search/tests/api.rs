//! The embedded store by its HTTP API, as clients meet it.

mod store;

use serde_json::{Value, json};
use store::Store;

fn statuses(bulk: &Value) -> Vec<u64> {
    let items = bulk["items"].as_array().expect("items").iter();
    items
        .map(|item| item.as_object().and_then(|item| item.values().next()?["status"].as_u64()).expect("a status"))
        .collect()
}

fn examples(store: &Store) {
    let lines: Vec<Value> = (0..20)
        .flat_map(|number| {
            let document = json!({
                "@timestamp": format!("2025-11-{:02}T10:00:{number:02}.500Z", 10 + number % 3),
                "message": format!("GET /cart/{number} took {}ms, it's done", number * 3),
                "http": { "response": { "status_code": if number % 4 == 0 { 500 } else { 200 } } },
                "log.level": if number % 4 == 0 { "error" } else { "info" },
                "source": { "ip": format!("10.0.{}.{number}", number % 2) },
                "slow": number % 5 == 0,
                "ratio": f64::from(number) / 2.0,
            });
            [json!({ "create": { "_id": format!("d{number:02}") } }), document]
        })
        .collect();
    let done = store.bulk("logs-a/_bulk?refresh=true", &lines);
    assert_eq!(done["errors"], false, "{done:#}");
}

#[test]
fn documents_are_found_by_every_kind_of_value() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path());
    examples(&store);
    let check = |query: Value, expect: usize| {
        let (status, found) = store.post("logs-*/_count", json!({ "query": query }).to_string());
        assert_eq!((status, &found["count"]), (200, &json!(expect)), "{query}: {found}");
    };
    check(json!({ "match_all": {} }), 20);
    check(json!({ "term": { "log.level": "error" } }), 5);
    check(json!({ "term": { "log.level.keyword": "error" } }), 5);
    check(json!({ "terms": { "http.response.status_code": [500, 404] } }), 5);
    check(json!({ "term": { "http.response.status_code": "200" } }), 15);
    check(json!({ "match": { "message": "CART" } }), 20);
    check(json!({ "match": { "message": { "query": "cart 7", "operator": "and" } } }), 1);
    check(json!({ "match_phrase": { "message": "it's done" } }), 20);
    check(json!({ "match_phrase": { "message": "done it's" } }), 0);
    check(json!({ "range": { "@timestamp": { "gte": "2025-11-11", "lt": "2025-11-12" } } }), 7);
    check(json!({ "range": { "ratio": { "gt": 1.0, "lte": 2.5 } } }), 3);
    check(json!({ "term": { "source.ip": "10.0.1.0/24" } }), 10);
    check(json!({ "term": { "source.ip": "10.0.1.3" } }), 1);
    check(json!({ "term": { "slow": true } }), 4);
    check(json!({ "exists": { "field": "http" } }), 20);
    check(json!({ "exists": { "field": "message" } }), 20);
    check(json!({ "exists": { "field": "nothing" } }), 0);
    check(json!({ "prefix": { "log.level": "err" } }), 5);
    check(json!({ "wildcard": { "log.level": "*nf?" } }), 15);
    check(json!({ "ids": { "values": ["d03", "d04", "other"] } }), 2);
    check(json!({ "query_string": { "query": "log.level:error AND http.response.status_code:[500 TO 599]" } }), 5);
    check(json!({ "bool": { "must_not": { "term": { "log.level": "error" } } } }), 15);
    check(json!({ "bool": { "should": [{ "term": { "log.level": "error" } }, { "term": { "slow": true } }] } }), 8);
    let (status, refused) = store.post("_search", json!({ "query": { "fuzzy": { "a": "b" } } }).to_string());
    assert_eq!((status, refused["error"]["root_cause"][0]["type"].is_string()), (400, true), "{refused}");
    let (status, refused) = store.post("_search", r#"{"collapse": {"field": "a"}}"#);
    assert!(
        status == 400 && refused["error"]["reason"].as_str().is_some_and(|why| why.contains("collapse")),
        "{refused}"
    );
}

#[test]
fn hits_are_sorted_and_paged() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path());
    examples(&store);
    let sort = json!([{ "http.response.status_code": "desc" }, { "@timestamp": "desc" }, "_doc"]);
    let all = store.ids("logs-a", &json!({ "sort": sort, "size": 20 }));
    assert_eq!(all.len(), 20);
    // By status, then by day and second.
    assert_eq!(all[..5], ["d08", "d16", "d04", "d12", "d00"].map(str::to_owned)[..]);
    let mut paged = Vec::new();
    let mut after = Value::Null;
    loop {
        let (_, page) =
            store.post("logs-a/_search", json!({ "sort": sort, "size": 3, "search_after": after }).to_string());
        let hits = page["hits"]["hits"].as_array().expect("hits");
        let Some(last) = hits.last() else { break };
        after = last["sort"].clone();
        paged.extend(hits.iter().map(|hit| hit["_id"].as_str().expect("an id").to_owned()));
    }
    assert_eq!(paged, all);
    let by_text = store.ids("logs-a", &json!({ "sort": [{ "log.level": "asc" }, "_doc"], "from": 4, "size": 2 }));
    assert_eq!(by_text, ["d16", "d01"]);
    let (_, found) = store.post(
        "logs-a/_search",
        json!({ "size": 1, "track_total_hits": 5, "_source": ["http"], "sort": ["missing", "@timestamp"] }).to_string(),
    );
    assert_eq!(found["hits"]["total"], json!({ "value": 5, "relation": "gte" }));
    let first = &found["hits"]["hits"][0];
    assert_eq!(first["_source"], json!({ "http": { "response": { "status_code": 500 } } }));
    assert_eq!(first["sort"], json!([null, 1_762_768_800_500_i64]));
}

#[test]
fn ids_are_unique_in_an_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let item = |operation: &str, id: &str, day: u32| {
        [
            json!({ operation: { "_index": "a", "_id": id } }),
            json!({ "@timestamp": format!("2025-11-{day}T00:00:00Z"), "day": day }),
        ]
    };
    let found = |store: &Store| {
        let (_, found) = store.post("a/_search", json!({ "sort": ["day"] }).to_string());
        let hits = found["hits"]["hits"].as_array().expect("hits").iter();
        hits.map(|hit| (hit["_id"].as_str().expect("an id").to_owned(), hit["_source"]["day"].clone()))
            .collect::<Vec<_>>()
    };
    {
        let store = Store::open(folder.path());
        let lines = [item("create", "x", 10), item("create", "x", 11), item("index", "y", 12)].concat();
        assert_eq!(statuses(&store.bulk("_bulk?refresh=true", &lines)), [201, 409, 201]);
        // The same id on another day is the same document, before and after a restart.
        assert_eq!(
            statuses(&store.bulk("_bulk", &[item("create", "x", 13), item("index", "y", 14)].concat())),
            [409, 200]
        );
        store.post("a/_refresh", "");
        assert_eq!(found(&store), [("x".to_owned(), json!(10)), ("y".to_owned(), json!(14))]);
    }
    let store = Store::open(folder.path());
    let lines =
        [item("create", "x", 15), item("create", "y", 16), item("index", "x", 17), item("create", "z", 18)].concat();
    assert_eq!(statuses(&store.bulk("_bulk?refresh=wait_for", &lines)), [409, 409, 200, 201]);
    let expect = [("y", 14), ("x", 17), ("z", 18)].map(|(id, day)| (id.to_owned(), json!(day)));
    assert_eq!(found(&store), expect);
}

#[test]
fn documents_of_many_days_come_in_any_order() {
    const DOCUMENTS: u32 = 2000;
    const DAYS: u32 = 12;
    let folder = tempfile::tempdir().expect("a folder");
    let item = |operation: &str, number: u32, day: u32| {
        [
            json!({ operation: { "_index": "a", "_id": number.to_string() } }),
            json!({ "@timestamp": format!("2025-11-{}T00:00:00Z", 10 + day % DAYS), "moved": operation == "index" }),
        ]
    };
    let check = |store: &Store| {
        let aggregations = json!({ "days": { "date_histogram": { "field": "@timestamp", "fixed_interval": "1d" } } });
        let (_, found) =
            store.post("a/_search", json!({ "size": 0, "track_total_hits": true, "aggs": aggregations }).to_string());
        assert_eq!(found["hits"]["total"]["value"], DOCUMENTS, "{found:#}");
        let days = found["aggregations"]["days"]["buckets"].as_array().expect("buckets");
        assert_eq!(days.len(), DAYS as usize, "{found:#}");
        let (_, found) = store.post("a/_count", json!({ "query": { "term": { "moved": true } } }).to_string());
        assert_eq!(found["count"], DOCUMENTS / 10);
    };
    {
        let store = Store::open(folder.path());
        // Each is of another day than the one before, so that more partitions than writers take turns.
        let lines: Vec<Value> = (0..DOCUMENTS).flat_map(|number| item("create", number, number)).collect();
        assert!(statuses(&store.bulk("_bulk", &lines)).iter().all(|status| *status == 201));
        // Some of them move to a day of their own choice, before and after they are in a segment.
        let moves = |from: u32| (from..DOCUMENTS).step_by(20).flat_map(|number| item("index", number, number + 5));
        assert!(
            statuses(&store.bulk("_bulk?refresh=true", &moves(0).collect::<Vec<_>>()))
                .iter()
                .all(|status| *status == 200)
        );
        assert!(
            statuses(&store.bulk("_bulk?refresh=true", &moves(10).collect::<Vec<_>>()))
                .iter()
                .all(|status| *status == 200)
        );
        check(&store);
    }
    check(&Store::open(folder.path()));
}

#[test]
fn broken_input_costs_what_is_broken() {
    // What is beside the store is the test's own, too.
    let above = tempfile::tempdir().expect("a folder");
    let folder = above.path().join("store");
    let store = Store::open(&folder);
    // A broken document is its own fault; a broken line of actions is the whole request's.
    let body = "{\"create\":{\"_index\":\"a\"}}\n{\"broken\":\n{\"create\":{\"_index\":\"a\"}}\n{\"whole\":1}\n{\"create\":{\"_index\":\"../x\"}}\n{}\n{\"update\":{\"_index\":\"a\",\"_id\":\"1\"}}\n{}\n";
    let (status, answered) = store.post("_bulk?refresh=true", body);
    assert_eq!((status, statuses(&answered)), (200, vec![400, 201, 400, 400]), "{answered:#}");
    assert_eq!(answered["items"][2]["create"]["error"]["type"], "invalid_index_name_exception");
    assert!(!folder.join("x").exists() && !above.path().join("x").exists());
    for broken in
        ["", "{\"create\":{}}\n{}", "{\"create\":{}}\n{}\n", "[]\n{}\n", "{\"create\":{\"_index\":\"a\"}}\n", "\u{1}\n"]
    {
        let (status, answered) = store.post("_bulk", broken.to_owned());
        assert_eq!(status, 400, "{broken:?}: {answered}");
        assert!(answered["error"]["type"].is_string() && answered["status"] == 400, "{answered}");
    }
    let long = "x".repeat(600);
    let (status, _) = store.post("_bulk", format!("{{\"create\":{{\"_index\":\"a\",\"_id\":\"{long}\"}}}}\n{{}}\n"));
    assert_eq!(status, 400);
    // A document nested deeper than any parser should follow, and one with more fields than an index may have.
    let deep = format!("{}1{}", "{\"a\":".repeat(1000), "}".repeat(1000));
    let wide: Value =
        (0..50_000).map(|number| (format!("field{number}"), json!(number))).collect::<serde_json::Map<_, _>>().into();
    let body = format!(
        "{{\"create\":{{\"_index\":\"a\"}}}}\n{deep}\n{{\"create\":{{\"_index\":\"a\",\"_id\":\"wide\"}}}}\n{wide}\n"
    );
    let (_, answered) = store.post("_bulk?refresh=true", body);
    assert_eq!(statuses(&answered), [400, 201], "{answered:#}");
    let (_, caps) = store.get("a/_field_caps?fields=*");
    assert_eq!(caps["fields"].as_object().map(serde_json::Map::len), Some(2000));
    assert_eq!(store.ids("a", &json!({ "query": { "ids": { "values": ["wide"] } } })), ["wide"]);
    let huge = vec![b' '; 100 << 20];
    let (status, answered) = store.post("_bulk", huge);
    assert_eq!((status, &answered["error"]["type"]), (413, &json!("content_too_long_exception")));
    for (path, status) in [("%2e%2e%2fx/_search", 400), ("missing/_search", 404), ("_sql", 400)] {
        assert_eq!(store.get(path).0, status, "{path}");
    }
    assert_eq!(store.get("a/_count").1["count"], 2);
    let strange = store.client.get(store.url("")).header("host", "evil.example").send().expect("an answer");
    assert_eq!(strange.status(), 403);
}

#[test]
fn clients_find_what_they_look_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path());
    assert_eq!(store.get("").1["version"]["number"], "9.2.0");
    let page = store.client.get(store.url("")).header("accept", "text/html,*/*").send().expect("an answer");
    assert!(page.headers()["content-type"].to_str().is_ok_and(|kind| kind.starts_with("text/html")));
    assert_eq!(store.get("_cluster/health?wait_for_status=yellow").1["status"], "green");
    let nodes = store.get("_nodes/http").1;
    assert_eq!(nodes["nodes"]["sluice"]["http"]["max_content_length_in_bytes"], 32 << 20);
    let template = json!({ "index_patterns": ["metrics-*"], "priority": 300, "template": { "mappings": { "properties": {
        "note": { "type": "text" }, "value": { "type": "double" } } } } });
    assert_eq!(store.put("_index_template/metrics", &template).0, 200);
    assert_eq!(store.get("_index_template/metrics").1["index_templates"][0]["index_template"], template);
    assert_eq!(store.get("_index_template/other").0, 404);
    let policy = json!({ "policy": { "phases": { "delete": { "min_age": "30d", "actions": { "delete": {} } } } } });
    assert_eq!(store.put("_ilm/policy/logs", &policy).0, 200);
    assert_eq!(store.get("_ilm/policy/logs").1["logs"]["policy"], policy["policy"]);
    let lines =
        [json!({ "create": {} }), json!({ "note": "one two", "value": 3, "unit": "ms", "at": "2025-11-28T10:00:00Z" })];
    store.bulk("metrics-x/_bulk?refresh=true", &lines);
    let (_, mapping) = store.get("metrics-x/_mapping");
    let properties = &mapping["metrics-x"]["mappings"]["properties"];
    assert_eq!((&properties["note"]["type"], &properties["unit"]["type"]), (&json!("text"), &json!("keyword")));
    let caps = store.get("metrics-*/_field_caps?fields=val*,@timestamp").1;
    assert_eq!(caps["fields"]["value"]["double"]["aggregatable"], true);
    assert!(caps["fields"]["@timestamp"]["date"].is_object());
    assert_eq!(store.ids("metrics-x", &json!({ "query": { "match": { "note": "TWO" } } })).len(), 1);
    assert_eq!(store.ids("metrics-x", &json!({ "query": { "range": { "at": { "gte": "2025-11-28" } } } })).len(), 1);
    let body = "{\"index\":\"metrics-x\"}\n{\"size\":0}\n{\"index\":\"missing\"}\n{}\n";
    let (_, several) = store.post("_msearch", body);
    assert_eq!(several["responses"][0]["hits"]["total"]["value"], 1);
    assert_eq!(several["responses"][1]["status"], 404);
    let (_, rows) = store.get("_cat/indices?format=json");
    assert_eq!(rows[0]["docs.count"], "1");
    // Packed, as sinks send it.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let line = "{\"create\":{\"_id\":\"packed\"}}\n{\"note\":\"three\",\"at\":\"2025-11-29T00:00:00Z\"}\n";
    std::io::Write::write_all(&mut packed, line.as_bytes()).expect("memory takes it");
    let request = store.client.post(store.url("metrics-x/_bulk?refresh=true"));
    let request = request.header("content-type", "application/x-ndjson").header("content-encoding", "gzip");
    let answer = request.body(packed.finish().expect("memory takes it")).send().expect("an answer");
    assert_eq!(answer.status(), 200);
    let millis = json!({ "gte": 1_764_374_400_000_i64, "format": "epoch_millis" });
    assert_eq!(store.ids("metrics-x", &json!({ "query": { "range": { "at": millis } } })), ["packed"]);
    let gone = store.client.delete(store.url("metrics-x")).send().expect("an answer");
    assert_eq!(gone.status(), 200);
    assert_eq!(store.get("metrics-x/_count").0, 404);
}
