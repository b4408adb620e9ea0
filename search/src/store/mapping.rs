//! The fields of an index: what an index template says of them, and what documents brought.

use super::dynamic::DynamicTemplate;
use super::limits::{FIELDS_MAX, PATH_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a mapping says a field holds, by the names of Elasticsearch's types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Milliseconds since 1970.
    Date,
    /// Compared as a whole.
    Keyword,
    /// Words of it are searched for.
    Text,
    Long,
    Double,
    Boolean,
    Ip,
    /// A point on the map: kept, and known to `exists`.
    Place,
    /// Kept, never searched.
    Stored,
    /// An object, all of whose values are keywords, under its own name too.
    Flat,
}

/// The types of values that documents had in a field, as bits. Several, when a field's type changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seen(u8);

impl Seen {
    /// A string that is no address.
    pub const KEYWORD: Self = Self(1);
    pub const TEXT: Self = Self(2);
    pub const LONG: Self = Self(4);
    pub const DOUBLE: Self = Self(8);
    pub const BOOLEAN: Self = Self(16);
    pub const DATE: Self = Self(32);
    pub const IP: Self = Self(64);
    pub const PLACE: Self = Self(128);

    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A field of an index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldEntry {
    /// From an index template or a mapping; otherwise values speak for themselves.
    pub declared: Option<Kind>,
    pub seen: Seen,
}

impl FieldEntry {
    /// The type under which clients see the field.
    pub fn kind(&self) -> Kind {
        self.declared.unwrap_or(match self.seen {
            seen if seen.has(Seen::TEXT) => Kind::Text,
            seen if seen.has(Seen::KEYWORD) => Kind::Keyword,
            seen if seen.has(Seen::DATE) => Kind::Date,
            seen if seen.has(Seen::IP) => Kind::Ip,
            seen if seen.has(Seen::DOUBLE) => Kind::Double,
            seen if seen.has(Seen::LONG) => Kind::Long,
            seen if seen.has(Seen::BOOLEAN) => Kind::Boolean,
            _ => Kind::Keyword,
        })
    }
}

impl Kind {
    /// The name that Elasticsearch gives the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Keyword | Self::Stored => "keyword",
            Self::Text => "text",
            Self::Long => "long",
            Self::Double => "double",
            Self::Boolean => "boolean",
            Self::Ip => "ip",
            Self::Place => "geo_point",
            Self::Flat => "flattened",
        }
    }

    /// The kind of a field's mapping with this `type`.
    pub fn of_mapping(kind: &str, field: &serde_json::Value) -> Option<Self> {
        let known = Self::of_type(kind)?;
        let is_stored = known == Self::Keyword && field["index"] == false && field["doc_values"] == false;
        Some(if is_stored { Self::Stored } else { known })
    }

    /// The kind of a `type` in a mapping; `None`: a type that is not known here.
    pub fn of_type(name: &str) -> Option<Self> {
        Some(match name {
            "date" | "date_nanos" => Self::Date,
            "keyword" | "constant_keyword" | "wildcard" | "version" => Self::Keyword,
            "text" | "match_only_text" | "search_as_you_type" => Self::Text,
            "long" | "integer" | "short" | "byte" | "unsigned_long" => Self::Long,
            "double" | "float" | "half_float" | "scaled_float" => Self::Double,
            "boolean" => Self::Boolean,
            "ip" => Self::Ip,
            "geo_point" => Self::Place,
            "flattened" | "flat_object" => Self::Flat,
            _ => return None,
        })
    }
}

/// The fields of an index by their paths.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    pub fields: BTreeMap<String, FieldEntry>,
    /// For fields that are not there yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dynamic: Vec<DynamicTemplate>,
}

/// Fields that have their type before any document does, where no template says otherwise: the texts, times and places that
/// our own index template names. Every other value speaks for itself.
const DECLARED: &[(&str, Kind)] = &[
    ("@timestamp", Kind::Date),
    ("message", Kind::Text),
    ("log.original", Kind::Text),
    ("error.message", Kind::Text),
    ("error.stack_trace", Kind::Text),
    ("event.original", Kind::Stored),
    ("event.created", Kind::Date),
    ("event.ingested", Kind::Date),
    ("event.start", Kind::Date),
    ("event.end", Kind::Date),
    ("host.ip", Kind::Ip),
    ("source.ip", Kind::Ip),
    ("client.ip", Kind::Ip),
    ("destination.ip", Kind::Ip),
    ("server.ip", Kind::Ip),
    ("source.geo.location", Kind::Place),
    ("journald", Kind::Flat),
    ("_malformed", Kind::Flat),
];

impl Mapping {
    /// The mapping of an index that no template speaks of.
    pub fn default_fields() -> Self {
        let entry = |kind| FieldEntry { declared: Some(kind), seen: Seen::default() };
        let fields = DECLARED.iter().map(|(path, kind)| ((*path).to_owned(), entry(*kind))).collect();
        Self { fields, dynamic: Vec::new() }
    }

    pub fn get(&self, path: &str) -> Option<&FieldEntry> {
        self.fields.get(path)
    }

    /// The field that a client means by `path`: itself, or `foo` by `foo.keyword`, which Elasticsearch's own dynamic mapping
    /// adds to texts.
    pub fn resolve<'a>(&self, path: &'a str) -> Option<(&'a str, &FieldEntry)> {
        if let Some(entry) = self.fields.get(path) {
            return Some((path, entry));
        }
        let parent = path.strip_suffix(".keyword")?;
        self.fields.get(parent).filter(|entry| entry.kind() == Kind::Keyword).map(|entry| (parent, entry))
    }

    /// Takes down that a document has `seen` in `path`; `false`: the index has all the fields that it may have.
    pub fn note(&mut self, path: &str, seen: Seen) -> bool {
        if let Some(entry) = self.fields.get_mut(path) {
            entry.seen = entry.seen.with(seen);
            return true;
        }
        if self.fields.len() >= FIELDS_MAX || path.len() > PATH_BYTES_MAX {
            return false;
        }
        self.fields.insert(path.to_owned(), FieldEntry { declared: None, seen });
        true
    }

    /// Fields that a template or a client declares; what is declared already keeps its type.
    pub fn declare(&mut self, path: &str, kind: Kind) {
        if self.fields.len() < FIELDS_MAX || self.fields.contains_key(path) {
            self.fields.entry(path.to_owned()).or_default().declared.get_or_insert(kind);
        }
    }

    /// The type that a dynamic template gives the field that comes with its first value; the field is declared then.
    /// `types` are the names that its type may have.
    pub fn declare_dynamic(&mut self, path: &str, types: &[&str]) -> Option<Kind> {
        let fits = |rule: &&DynamicTemplate| types.iter().any(|name| rule.fits(path, name));
        let kind = self.dynamic.iter().find(fits)?.kind()?;
        if path.len() <= PATH_BYTES_MAX {
            self.declare(path, kind);
        }
        self.fields.get(path)?.declared
    }

    /// The fields of an Elasticsearch mapping (`{"properties": {..}}`). What would be ignored is refused by its name.
    pub fn of_properties(mappings: &serde_json::Value) -> Result<Vec<(String, Kind)>, String> {
        for (name, value) in mappings.as_object().into_iter().flatten() {
            match (name.as_str(), value) {
                ("properties" | "dynamic_templates" | "_meta" | "_data_stream_timestamp", _) => {}
                ("dynamic", serde_json::Value::Bool(true)) => {}
                ("dynamic", value) if value == "true" => {}
                // A text that looks like a time is found as a text and as a time, whatever is said here.
                ("date_detection", serde_json::Value::Bool(_)) => {}
                ("numeric_detection", serde_json::Value::Bool(false)) => {}
                ("_source", value) if value["enabled"] != false && value.get("excludes").is_none() => {}
                _ => return Err(format!("[{name}: {value}] of a mapping is not supported")),
            }
        }
        let mut found = Vec::new();
        collect(&mappings["properties"], "", 0, &mut found)?;
        Ok(found)
    }

    /// The mapping in Elasticsearch's form.
    pub fn to_properties(&self) -> serde_json::Value {
        let mut root = serde_json::Map::new();
        for (path, entry) in &self.fields {
            let mut place = &mut root;
            let (parents, name) = path.rsplit_once('.').map_or((None, path.as_str()), |(a, b)| (Some(a), b));
            for parent in parents.into_iter().flat_map(|parents| parents.split('.')) {
                let inner = place.entry(parent).or_insert_with(|| serde_json::json!({}));
                let inner = inner.as_object_mut().expect("fields are objects");
                let properties = inner.entry("properties").or_insert_with(|| serde_json::json!({}));
                place = properties.as_object_mut().expect("properties are an object");
            }
            let field = place.entry(name).or_insert_with(|| serde_json::json!({}));
            field["type"] = entry.kind().name().into();
        }
        serde_json::Value::Object(root)
    }
}

fn collect(
    properties: &serde_json::Value,
    above: &str,
    depth: usize,
    found: &mut Vec<(String, Kind)>,
) -> Result<(), String> {
    if depth > super::limits::DEPTH_MAX {
        return Err(format!("Limit of mapping depth [{}] has been exceeded", super::limits::DEPTH_MAX));
    }
    for (name, field) in properties.as_object().into_iter().flatten() {
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match field["type"].as_str() {
            None | Some("object" | "nested") => collect(&field["properties"], &path, depth + 1, found)?,
            Some(kind) => {
                let known = Kind::of_mapping(kind, field).ok_or_else(|| {
                    format!("No handler for type [{kind}] declared on field [{name}] (not supported)")
                })?;
                found.push((path, known));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_and_writes_elasticsearchs_form() {
        let given = json!({ "properties": {
            "message": { "type": "match_only_text" },
            "log": { "properties": { "level": { "type": "keyword" } } },
            "event": { "properties": { "original": { "type": "keyword", "index": false, "doc_values": false } } },
        } });
        let fields = Mapping::of_properties(&given).expect("known types");
        assert!(fields.contains(&("event.original".into(), Kind::Stored)));
        let mut mapping = Mapping::default();
        fields.iter().for_each(|(path, kind)| mapping.declare(path, *kind));
        let shown = mapping.to_properties();
        assert_eq!(shown["log"]["properties"]["level"]["type"], "keyword");
        assert_eq!(shown["message"]["type"], "text");
        assert!(Mapping::of_properties(&json!({ "properties": { "a": { "type": "join" } } })).is_err());
    }

    #[test]
    fn fields_are_bounded_and_types_add_up() {
        let mut mapping = Mapping::default();
        assert!(mapping.note("a", Seen::LONG));
        assert_eq!(mapping.get("a").map(FieldEntry::kind), Some(Kind::Long));
        assert!(mapping.note("a", Seen::KEYWORD));
        assert_eq!(mapping.get("a").map(FieldEntry::kind), Some(Kind::Keyword));
        assert_eq!(mapping.resolve("a.keyword").map(|(path, _)| path), Some("a"));
        for number in 0..2 * FIELDS_MAX {
            mapping.note(&format!("field{number}"), Seen::LONG);
        }
        assert_eq!(mapping.fields.len(), FIELDS_MAX);
        assert!(!mapping.note("another", Seen::LONG));
        // A field that is an object as well.
        mapping.note("field1.inner", Seen::LONG);
        mapping.to_properties();
    }
}
