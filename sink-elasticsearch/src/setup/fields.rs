//! The fields that have a mapping of their own, named as in the Elastic Common Schema (ECS 8.17).

use super::features::Features;
use serde_json::{Map, Value, json};

/// Characters of a keyword that are indexed; a longer text stays in the document, and is found in no search for the field.
pub(super) const KEYWORD_CHARACTERS_MAX: u32 = 1024;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Date,
    /// Compared as a whole.
    Keyword,
    /// Words of it are searched for.
    Text,
    Long,
    Ip,
    Place,
    /// Shown, never searched.
    Stored,
    /// An object with any number of keys, all in one field, so that they are not counted against the limit of fields and
    /// two of them cannot contradict each other.
    Flat,
}
use Kind::{Date, Flat, Ip, Keyword, Long, Place, Stored, Text};

/// The fields of our pipelines, and those of ECS that pipelines for logs set most. A string that is not named here
/// becomes a keyword.
pub(super) const FIELDS: &[(&str, Kind)] = &[
    ("@timestamp", Date),
    ("message", Text),
    ("tags", Keyword),
    ("ecs.version", Keyword),
    ("host.name", Keyword),
    ("host.hostname", Keyword),
    ("host.id", Keyword),
    ("host.ip", Ip),
    ("log.level", Keyword),
    ("log.file.path", Keyword),
    ("log.offset", Long),
    ("log.original", Text),
    ("log.origin.file.line", Long),
    ("log.syslog.priority", Long),
    ("log.syslog.facility.code", Long),
    ("log.syslog.severity.code", Long),
    ("log.syslog.appname", Keyword),
    ("event.dataset", Keyword),
    ("event.action", Keyword),
    ("event.code", Keyword),
    ("event.created", Date),
    ("event.ingested", Date),
    ("event.start", Date),
    ("event.end", Date),
    ("event.duration", Long),
    ("event.original", Stored),
    ("error.message", Text),
    ("error.type", Keyword),
    ("error.stack_trace", Text),
    ("http.version", Keyword),
    ("http.request.method", Keyword),
    ("http.request.referrer", Keyword),
    ("http.request.bytes", Long),
    ("http.request.body.bytes", Long),
    ("http.response.status_code", Long),
    ("http.response.bytes", Long),
    ("http.response.body.bytes", Long),
    ("url.original", Keyword),
    ("url.domain", Keyword),
    ("url.path", Keyword),
    ("url.query", Keyword),
    ("url.port", Long),
    ("source.address", Keyword),
    ("source.ip", Ip),
    ("source.port", Long),
    ("source.geo.location", Place),
    ("source.geo.country_iso_code", Keyword),
    ("client.ip", Ip),
    ("client.port", Long),
    ("destination.ip", Ip),
    ("destination.port", Long),
    ("server.ip", Ip),
    ("user.name", Keyword),
    ("user_agent.original", Keyword),
    ("user_agent.name", Keyword),
    ("user_agent.version", Keyword),
    ("user_agent.os.name", Keyword),
    ("user_agent.device.name", Keyword),
    ("process.name", Keyword),
    ("process.pid", Long),
    ("process.command_line", Keyword),
    ("service.name", Keyword),
    ("trace.id", Keyword),
    ("span.id", Keyword),
    ("transaction.id", Keyword),
    // Programs put any keys of theirs into journal entries.
    ("journald", Flat),
    // Where the sink puts what the mapping refuses.
    ("_malformed", Flat),
];

impl Kind {
    /// The mapping on a server with `features`; `None`: it is left to the dynamic templates.
    fn mapping(self, features: &Features) -> Option<Value> {
        Some(match self {
            Date => json!({ "type": "date" }),
            Keyword => keyword(),
            Text if features.match_only_text => json!({ "type": "match_only_text" }),
            Text => json!({ "type": "text" }),
            Long => json!({ "type": "long" }),
            Ip => json!({ "type": "ip" }),
            Place => json!({ "type": "geo_point" }),
            Stored => json!({ "type": "keyword", "index": false, "doc_values": false }),
            Flat => match features.flat? {
                // Elasticsearch leaves out what is longer; OpenSearch has no such parameter.
                "flattened" => json!({ "type": "flattened", "ignore_above": KEYWORD_CHARACTERS_MAX }),
                flat => json!({ "type": flat }),
            },
        })
    }
}

pub(super) fn keyword() -> Value {
    json!({ "type": "keyword", "ignore_above": KEYWORD_CHARACTERS_MAX })
}

/// The `properties` of a mapping with all of [`FIELDS`].
pub(super) fn properties(features: &Features) -> Value {
    let mut root = Map::new();
    for (path, kind) in FIELDS {
        let Some(mapping) = kind.mapping(features) else { continue };
        let (parents, name) = path.rsplit_once('.').map_or(("", *path), |(parents, name)| (parents, name));
        let mut place = &mut root;
        for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
            let inner = place.entry(parent).or_insert_with(|| json!({ "properties": {} }));
            place = inner["properties"].as_object_mut().expect("no field of the table lies in one that is no object");
        }
        place.insert(name.to_owned(), mapping);
    }
    Value::Object(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_field_is_named_once_and_none_lies_in_another() {
        let names: HashSet<&str> = FIELDS.iter().map(|(path, _)| *path).collect();
        assert_eq!(names.len(), FIELDS.len());
        for (path, _) in FIELDS {
            for (end, _) in path.match_indices('.') {
                assert!(!names.contains(&path[..end]), "{path} lies in a field");
            }
        }
    }

    #[test]
    fn properties_are_nested() {
        let with = |match_only_text, flat| properties(&Features { match_only_text, flat, ..Features::default() });
        let new = with(true, Some("flattened"));
        assert_eq!(new["log"]["properties"]["file"]["properties"]["path"]["type"], "keyword");
        assert_eq!(new["message"]["type"], "match_only_text");
        assert_eq!(new["_malformed"], json!({ "type": "flattened", "ignore_above": 1024 }));
        assert_eq!(with(true, Some("flat_object"))["_malformed"], json!({ "type": "flat_object" }));
        let old = with(false, None);
        assert_eq!((&old["message"]["type"], old.get("_malformed")), (&json!("text"), None));
    }
}
