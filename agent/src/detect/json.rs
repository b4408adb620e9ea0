//! Lines that are JSON objects, and by their keys whose.

use serde_json::{Map, Value};

/// Whose object it is; none for what is no object.
pub(super) fn kind(line: &[u8]) -> Option<&'static str> {
    if line.first() != Some(&b'{') || line.last() != Some(&b'}') {
        return None;
    }
    let object: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let has = |key: &str| object.contains_key(key);
    let is_text = |key: &str| object.get(key).is_some_and(Value::is_string);
    let is_number = |key: &str| object.get(key).is_some_and(Value::is_number);
    // Keys that few have come first.
    Some(if object.get("t").is_some_and(|time| time.get("$date").is_some()) && is_text("s") && is_text("c") {
        "mongodb"
    } else if (has("@t") && (has("@mt") || has("@m"))) || (is_text("Timestamp") && is_text("MessageTemplate")) {
        "json.serilog"
    } else if is_text("log") && is_text("stream") && is_text("time") {
        "docker"
    } else if is_elasticsearch(&object) {
        "elasticsearch"
    } else if has("@timestamp")
        && (has("log.level") || has("ecs.version") || object.get("log").is_some_and(Value::is_object))
    {
        "json.ecs"
    } else if is_number("level") && is_number("pid") && is_text("hostname") && has("time") {
        "json.bunyan"
    } else if is_text("level") && is_go(&object) {
        "json.go"
    } else {
        "json"
    })
}

/// Version 7's own form, and version 8's, which has the names of ECS.
fn is_elasticsearch(object: &Map<String, Value>) -> bool {
    let has = |key: &str| object.contains_key(key);
    (has("component") && has("node.name") && has("timestamp"))
        || object.get("service.name").is_some_and(|name| name == "ES_ECS")
        || object
            .get("event.dataset")
            .is_some_and(|name| name.as_str().is_some_and(|name| name.starts_with("elasticsearch.")))
}

/// zap has `ts` and `msg`; logrus, zerolog and slog have `time`, with marks that others have not.
fn is_go(object: &Map<String, Value>) -> bool {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let has = |key: &str| object.contains_key(key);
    let is_go_file = |place: &str| place.rsplit_once(':').is_some_and(|(file, _)| file.ends_with(".go"));
    (has("ts") && has("msg"))
        || ["caller", "file"].iter().any(|key| text(key).is_some_and(is_go_file))
        || (has("time") && has("msg") && !has("pid"))
}
