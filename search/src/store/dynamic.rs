//! Dynamic templates of a mapping: which type a field gets that no template names, by its name and its first value.

use super::limits::FIELDS_MAX;
use super::mapping::Kind;
use crate::query::ast::Pattern;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Types of values as Elasticsearch's `match_mapping_type` calls them.
const TYPES: [&str; 7] = ["string", "long", "double", "boolean", "date", "object", "*"];

/// One rule; the first that fits counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DynamicTemplate {
    types: Vec<String>,
    not_types: Vec<String>,
    matches: Vec<String>,
    unmatch: Vec<String>,
    path_match: Vec<String>,
    path_unmatch: Vec<String>,
    /// `None`: the type that the value itself says.
    kind: Option<Kind>,
}

impl DynamicTemplate {
    /// `dynamic_templates` of a mapping; what is not known here is refused by its name.
    pub fn parse_all(list: &Value) -> Result<Vec<Self>, String> {
        let rules = match list {
            Value::Null => return Ok(Vec::new()),
            Value::Array(rules) if rules.len() <= FIELDS_MAX => rules,
            _ => return Err("[dynamic_templates] has to be a list".to_owned()),
        };
        let parse = |rule: &Value| match rule.as_object().filter(|rule| rule.len() == 1).and_then(|it| it.iter().next())
        {
            Some((name, rule)) => Self::parse(name, rule),
            None => Err("a dynamic template has to be an object with one name".to_owned()),
        };
        rules.iter().map(parse).collect()
    }

    fn parse(name: &str, rule: &Value) -> Result<Self, String> {
        let wrong = |what: String| Err(format!("dynamic template [{name}]: {what}"));
        let Some(keys) = rule.as_object() else { return wrong("has to be an object".to_owned()) };
        let mut parsed = Self {
            types: Vec::new(),
            not_types: Vec::new(),
            matches: Vec::new(),
            unmatch: Vec::new(),
            path_match: Vec::new(),
            path_unmatch: Vec::new(),
            kind: None,
        };
        for (key, value) in keys {
            let texts = match value {
                Value::String(text) => vec![text.clone()],
                Value::Array(texts) => texts.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect(),
                _ => Vec::new(),
            };
            match key.as_str() {
                "match_mapping_type" => parsed.types = texts,
                "unmatch_mapping_type" => parsed.not_types = texts,
                "match" => parsed.matches = texts,
                "unmatch" => parsed.unmatch = texts,
                "path_match" => parsed.path_match = texts,
                "path_unmatch" => parsed.path_unmatch = texts,
                "match_pattern" if value == "simple" => {}
                "mapping" => {
                    parsed.kind = match value["type"].as_str() {
                        None | Some("{dynamic_type}") => None,
                        Some(kind) => match Kind::of_mapping(kind, value) {
                            Some(kind) => Some(kind),
                            None => return wrong(format!("the type [{kind}] is not supported")),
                        },
                    }
                }
                other => return wrong(format!("[{other}: {value}] is not supported")),
            }
        }
        if let Some(unknown) = parsed.types.iter().chain(&parsed.not_types).find(|name| !TYPES.contains(&name.as_str()))
        {
            return wrong(format!("the mapping type [{unknown}] is not supported"));
        }
        for pattern in
            [&parsed.matches, &parsed.unmatch, &parsed.path_match, &parsed.path_unmatch].into_iter().flatten()
        {
            Pattern::parse(pattern).map_err(|refusal| format!("dynamic template [{name}]: {}", refusal.reason))?;
        }
        Ok(parsed)
    }

    /// Whether the rule is about a field at `path` whose first value is of this type.
    pub fn fits(&self, path: &str, of_type: &str) -> bool {
        let name = path.rsplit_once('.').map_or(path, |(_, name)| name);
        let is_type = |types: &[String]| types.iter().any(|it| it == of_type || it == "*");
        let any = |patterns: &[String], text: &str| {
            patterns.iter().any(|pattern| Pattern::parse(pattern).is_ok_and(|pattern| pattern.matches(text)))
        };
        (self.types.is_empty() || is_type(&self.types))
            && !is_type(&self.not_types)
            && (self.matches.is_empty() || any(&self.matches, name))
            && !any(&self.unmatch, name)
            && (self.path_match.is_empty() || any(&self.path_match, path))
            && !any(&self.path_unmatch, path)
    }

    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_that_fits_counts_and_what_is_unknown_is_named() {
        let rules = DynamicTemplate::parse_all(&json!([
            { "labels": { "path_match": "labels.*", "unmatch": "count*", "mapping": { "type": "keyword" } } },
            { "words": { "match_mapping_type": "string", "match": "*_text", "mapping": { "type": "text" } } },
            { "numbers": { "match_mapping_type": ["long", "double"], "mapping": { "type": "double" } } },
        ]));
        let rules = rules.expect("rules");
        let kind =
            |path: &str, of_type: &str| rules.iter().find(|rule| rule.fits(path, of_type)).and_then(|it| it.kind());
        assert_eq!(kind("labels.port", "long"), Some(Kind::Keyword));
        assert_eq!(kind("labels.count_all", "long"), Some(Kind::Double));
        assert_eq!(kind("a.body_text", "string"), Some(Kind::Text));
        assert_eq!(kind("a.body", "string"), None);
        for (broken, named) in [
            (json!([{ "a": { "match_pattern": "regex", "match": "^a", "mapping": {} } }]), "match_pattern"),
            (json!([{ "a": { "mapping": { "type": "join" } } }]), "join"),
            (json!([{ "a": { "match_mapping_type": "binary", "mapping": {} } }]), "binary"),
            (json!([{ "a": { "match": "a", "runtime": {} } }]), "runtime"),
            (json!({}), "dynamic_templates"),
        ] {
            let refused = DynamicTemplate::parse_all(&broken).expect_err("it is refused");
            assert!(refused.contains(named), "{refused}");
        }
    }
}
