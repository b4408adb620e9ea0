//! Index templates: which types new indices get. Lifecycle policies are taken, kept and shown; retention is the store's own.

use super::dynamic::DynamicTemplate;
use super::mapping::{Kind, Mapping};
use super::name;
use crate::query::Refusal;
use serde_json::{Map, Value};

/// Index templates, component templates and policies together: a client cannot fill memory with them.
const DEFINITIONS_MAX: usize = 500;

/// Everything that was put by name, as it came.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Definitions {
    pub index_templates: Map<String, Value>,
    pub component_templates: Map<String, Value>,
    pub policies: Map<String, Value>,
}

impl Definitions {
    /// Whether one more has room.
    pub fn check_room(&self) -> Result<(), Refusal> {
        let number = self.index_templates.len() + self.component_templates.len() + self.policies.len();
        match number < DEFINITIONS_MAX {
            true => Ok(()),
            false => Err(Refusal::argument(format!("there are {DEFINITIONS_MAX} templates and policies already"))),
        }
    }

    /// Refuses a template whose types are not known here.
    pub fn check_template(body: &Value) -> Result<(), Refusal> {
        let patterns = patterns(body);
        if patterns.is_empty() {
            return Err(Refusal::argument("index_template: [index_patterns] is missing"));
        }
        Self::check_mappings(&body["template"]["mappings"])
    }

    /// Refuses mappings with what is not known here.
    pub fn check_mappings(mappings: &Value) -> Result<(), Refusal> {
        let rules = DynamicTemplate::parse_all(&mappings["dynamic_templates"]);
        let checked = rules.and_then(|_| Mapping::of_properties(mappings));
        checked.map(drop).map_err(|reason| Refusal::new("mapper_parsing_exception", reason))
    }

    /// The mapping that a new index gets: of the template with the highest priority, above what is declared by default.
    pub fn mapping_for(&self, index: &str) -> Mapping {
        let fitting = self.index_templates.values().filter(|body| name::any_means(&patterns(body), index));
        let best = fitting.max_by_key(|body| body["priority"].as_u64().unwrap_or(0));
        let mut mapping = Mapping::default();
        let mut declare = |body: &Value| {
            let fields: Vec<(String, Kind)> = Mapping::of_properties(&body["template"]["mappings"]).unwrap_or_default();
            fields.iter().for_each(|(path, kind)| mapping.declare(path, *kind));
            let rules = DynamicTemplate::parse_all(&body["template"]["mappings"]["dynamic_templates"]);
            mapping.dynamic.extend(rules.unwrap_or_default());
        };
        if let Some(best) = best {
            declare(best);
            let components = best["composed_of"].as_array().into_iter().flatten().rev();
            components.filter_map(|one| self.component_templates.get(one.as_str()?)).for_each(declare);
        }
        for (path, entry) in Mapping::default_fields().fields {
            // What a template leaves to dynamic mapping stays so where a text has fields below it.
            let is_parent = mapping.fields.keys().any(|known| known.starts_with(&format!("{path}.")));
            if let (Some(kind), false) = (entry.declared, is_parent) {
                mapping.declare(&path, kind);
            }
        }
        mapping
    }
}

fn patterns(body: &Value) -> Vec<String> {
    match &body["index_patterns"] {
        Value::String(pattern) => vec![pattern.clone()],
        Value::Array(patterns) => patterns.iter().filter_map(|pattern| pattern.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_template_with_the_highest_priority_counts() {
        let template = |priority, kind| {
            json!({ "index_patterns": ["logs-*"], "priority": priority,
                    "template": { "mappings": { "properties": { "message": { "type": kind } } } } })
        };
        let mut definitions = Definitions::default();
        definitions.index_templates.insert("a".into(), template(1, "text"));
        definitions.index_templates.insert("b".into(), template(2, "keyword"));
        let kind = |index: &str, path: &str| definitions.mapping_for(index).get(path).and_then(|field| field.declared);
        assert_eq!(kind("logs-x", "message"), Some(Kind::Keyword));
        assert_eq!(kind("other", "message"), Some(Kind::Text));
        assert_eq!(kind("logs-x", "@timestamp"), Some(Kind::Date));
        assert!(Definitions::check_template(&template(1, "join")).is_err());
    }
}
