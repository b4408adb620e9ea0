//! The lifecycle policy: Elasticsearch's (ILM) or OpenSearch's (ISM), whichever the server has.

use super::options::Options;
use serde_json::{Value, json};

/// A data stream begins a new index after so many days, so that retention can delete the old one ...
const ROLLOVER_DAYS: u32 = 30;
/// ... or with shards of the size that Elastic recommends at most.
const ROLLOVER_SHARD: &str = "50gb";
/// Shards of new indices come back first when a node restarts.
const HOT_PRIORITY: u32 = 100;

/// Days after which an index may go: since its creation, or since the roll-over of a data stream's. Retention counts from an
/// index's last line.
fn delete_after_days(options: &Options) -> Option<u32> {
    let days = options.retention?.days;
    Some(if options.data_stream { days } else { days + options.span_days.unwrap_or_default() })
}

/// The `policy` of ILM, with the values that the server would add, so that what it gives back is the same.
pub(super) fn ilm(options: &Options) -> Value {
    let mut hot = json!({ "set_priority": { "priority": HOT_PRIORITY } });
    if options.data_stream {
        hot["rollover"] = json!({ "max_age": format!("{ROLLOVER_DAYS}d"), "max_primary_shard_size": ROLLOVER_SHARD });
    }
    let mut phases = json!({ "hot": { "min_age": "0ms", "actions": hot } });
    if let Some(days) = delete_after_days(options) {
        phases["delete"] = json!({
            "min_age": format!("{days}d"), "actions": { "delete": { "delete_searchable_snapshot": true } },
        });
    }
    json!({ "phases": phases })
}

/// The `policy` of ISM. It attaches itself to new indices by its own pattern.
pub(super) fn ism(options: &Options) -> Value {
    let mut actions = Vec::new();
    if options.data_stream {
        actions.push(json!({ "rollover": {
            "min_index_age": format!("{ROLLOVER_DAYS}d"), "min_primary_shard_size": ROLLOVER_SHARD,
        }}));
    }
    let mut hot = json!({ "name": "hot", "actions": actions, "transitions": [] });
    let mut states = Vec::new();
    if let Some(days) = delete_after_days(options) {
        let since = if options.data_stream { "min_rollover_age" } else { "min_index_age" };
        hot["transitions"] = json!([{ "state_name": "delete", "conditions": { since: format!("{days}d") } }]);
        states.push(json!({ "name": "delete", "actions": [{ "delete": {} }], "transitions": [] }));
    }
    states.insert(0, hot);
    json!({
        "default_state": "hot",
        "states": states,
        "ism_template": [{ "index_patterns": [options.pattern()], "priority": HOT_PRIORITY }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::Retention;

    #[test]
    fn nothing_is_deleted_unless_asked() {
        let mut options = Options::for_index("sluice-<dataset>-<yyyy.MM>").expect("a pattern");
        assert!(!ilm(&options).to_string().contains("delete"));
        assert!(!ism(&options).to_string().contains("delete"));
        options.retention = Some(Retention { days: 30 });
        assert_eq!(ilm(&options)["phases"]["delete"]["min_age"], "62d");
        assert_eq!(ism(&options)["states"][0]["transitions"][0]["conditions"]["min_index_age"], "62d");
        options.data_stream = true;
        assert_eq!(ilm(&options)["phases"]["delete"]["min_age"], "30d");
        assert_eq!(ilm(&options)["phases"]["hot"]["actions"]["rollover"]["max_age"], "30d");
        assert_eq!(ism(&options)["states"][0]["transitions"][0]["conditions"]["min_rollover_age"], "30d");
        assert_eq!(ism(&options)["states"][1]["name"], "delete");
    }
}
