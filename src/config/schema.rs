//! The JSON Schema of `sluice.yaml`, made from the types that read it; ranges and `docs/config.md` come from here too.

use super::effective;
use super::file::ConfigFile;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::cell::OnceCell;

/// The schema, and the defaults of all keys.
pub struct Schema {
    whole: Value,
    /// Made when the first of them is asked for: to read a config that is right takes none.
    defaults: OnceCell<Value>,
}

impl Schema {
    pub fn new() -> Self {
        let generator = SchemaSettings::draft2020_12().into_generator();
        let whole = generator.into_root_schema_for::<ConfigFile>().to_value();
        Self { whole, defaults: OnceCell::new() }
    }

    pub fn root(&self) -> &Value {
        &self.whole
    }

    /// What a node means: through `$ref`, and through the choice of null that makes a section optional.
    pub fn resolve<'a>(&'a self, node: &'a Value) -> &'a Value {
        if let Some(name) = node.get("$ref").and_then(Value::as_str) {
            let name = name.strip_prefix('#').unwrap_or(name);
            return self.whole.pointer(name).map_or(node, |target| self.resolve(target));
        }
        let choices = node.get("anyOf").and_then(Value::as_array);
        let real = choices.and_then(|choices| {
            let mut real = choices.iter().filter(|choice| choice.get("type").and_then(Value::as_str) != Some("null"));
            real.next().filter(|_| real.next().is_none())
        });
        real.map_or(node, |real| self.resolve(real))
    }

    /// The default of the key under `path`, where it is a value and not a rule.
    pub fn default_of(&self, path: &str) -> Option<&Value> {
        let defaults = || serde_json::to_value(effective::defaults()).expect("a config can be written");
        let mut value = self.defaults.get_or_init(defaults);
        for key in path.split('.') {
            value = match key.parse::<usize>() {
                Ok(_) => value.get(0)?,
                Err(_) => value.get(key)?,
            };
        }
        (!value.is_null()).then_some(value)
    }

    /// The range of a number in words.
    pub fn range(node: &Value) -> Option<String> {
        let bound = |name: &str| node.get(name).and_then(Value::as_number).map(ToString::to_string);
        match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) => Some(format!("{least} to {most}")),
            (Some(least), None) => Some(format!("at least {least}")),
            (None, Some(most)) => Some(format!("at most {most}")),
            (None, None) => None,
        }
    }

    /// The type of a key in words.
    pub fn kind(&self, node: &Value) -> String {
        let node = self.resolve(node);
        if let Some(words) = node.get("enum").and_then(Value::as_array) {
            let words: Vec<String> =
                words.iter().filter_map(|word| word.as_str()).map(|word| format!("`{word}`")).collect();
            return words.join(", ");
        }
        if let Some(choices) = node.get("oneOf").or_else(|| node.get("anyOf")).and_then(Value::as_array) {
            let mut kinds: Vec<String> = Vec::new();
            for choice in choices {
                let kind = match (choice.get("const").and_then(Value::as_str), choice["properties"].as_object()) {
                    (Some(word), _) => format!("`{word}`"),
                    (None, Some(fields)) => format!("`{}`", fields.keys().next().map_or("", String::as_str)),
                    (None, None) if choice["type"] == "null" => continue,
                    (None, None) => self.kind(choice),
                };
                kinds.push(kind);
            }
            return kinds.join(", ");
        }
        let names: Vec<&str> = match &node["type"] {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
            _ => vec![],
        };
        match names.as_slice() {
            ["array"] => format!("list of {}", self.kind(&node["items"])),
            ["object"] if node.get("additionalProperties").is_some_and(Value::is_object) => {
                format!("map to {}", self.kind(&node["additionalProperties"]))
            }
            ["object"] => "section".to_owned(),
            ["integer", "string"] => "size, as in 20GiB".to_owned(),
            ["integer"] => "whole number".to_owned(),
            ["boolean"] => "true or false".to_owned(),
            ["string"] => "text".to_owned(),
            names => names.join(" or "),
        }
    }

    /// The schema with the default of each key, for editors.
    pub fn for_editors(&self) -> Value {
        let mut whole = self.whole.clone();
        whole["title"] = json!("Sluice's sluice.yaml");
        self.add_defaults(&mut whole, "", &self.whole.clone());
        whole
    }

    /// Defaults stand beside the properties; a section is visited at the place of its definition.
    fn add_defaults(&self, whole: &mut Value, path: &str, node: &Value) {
        let Some(properties) = self.resolve(node).get("properties").and_then(Value::as_object).cloned() else { return };
        let at = match node.get("$ref").or_else(|| first_ref(node)).and_then(Value::as_str) {
            Some(name) => name.trim_start_matches('#').to_owned(),
            None => String::new(),
        };
        for (key, property) in &properties {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let inner = self.resolve(property);
            if let Some(target) = whole.pointer_mut(&format!("{at}/properties/{key}")).and_then(Value::as_object_mut) {
                target.remove("default");
                if inner.get("properties").is_none()
                    && let Some(default) = self.default_of(&path).filter(|_| path != "host_name")
                {
                    target.insert("default".to_owned(), default.clone());
                }
            }
            self.add_defaults(whole, &path, property);
            if let Some(items) = inner.get("items") {
                self.add_defaults(whole, &format!("{path}.0"), items);
            }
        }
    }
}

fn first_ref(node: &Value) -> Option<&Value> {
    node.get("anyOf")?.as_array()?.iter().find_map(|choice| choice.get("$ref"))
}

/// What the key `name` has to be: the one in the section `top` of the file, or wherever it stands.
pub fn form(name: &str, top: &str) -> Option<String> {
    let schema = Schema::new();
    let section = schema.root()["properties"].get(top);
    let in_section = section.and_then(|section| find(&schema, section, top, name));
    let (path, property) = in_section.or_else(|| find(&schema, schema.root(), "", name))?;
    let kind = schema.kind(&property);
    let range = Schema::range(schema.resolve(&property)).map_or_else(String::new, |range| format!(", {range}"));
    // Of a section only the keys in it say something.
    let is_short = |default: &&Value| {
        !default.is_object() && !default.as_array().is_some_and(|items| items.iter().any(Value::is_object))
    };
    let default = schema.default_of(&path).filter(is_short);
    let example = default.map_or_else(String::new, |default| format!("; for example: {name}: {default}"));
    Some(format!("{path} is a {kind}{range}{example}"))
}

/// The path of the first key that is called `name`.
pub fn path_of(name: &str) -> Option<String> {
    let schema = Schema::new();
    find(&schema, schema.root(), "", name).map(|(path, _)| path)
}

fn find(schema: &Schema, node: &Value, path: &str, name: &str) -> Option<(String, Value)> {
    let node = schema.resolve(node);
    let properties: &Map<String, Value> = match node.get("properties").and_then(Value::as_object) {
        Some(properties) => properties,
        None => return node.get("items").and_then(|items| find(schema, items, path, name)),
    };
    let of = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    if let Some(found) = properties.get(name) {
        return Some((of(name), found.clone()));
    }
    properties.iter().find_map(|(key, inner)| find(schema, inner, &of(key), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_meaning_and_the_schema_knows_its_default() {
        let schema = Schema::new().for_editors();
        let properties = schema["$defs"].as_object().expect("sections are definitions");
        let sections =
            properties.iter().filter_map(|(name, section)| Some((name, section.get("properties")?.as_object()?)));
        for (section, keys) in sections {
            for (key, property) in keys {
                assert!(property.get("description").is_some(), "{section}.{key} has no meaning: write a comment on it");
            }
        }
        let agent = &schema["$defs"]["AgentSection"]["properties"];
        assert_eq!(agent["linger_ms"]["default"], 5);
        assert_eq!(agent["cpu_share_max"]["minimum"], 1);
        assert_eq!(agent["from"]["default"], "beginning");
        assert_eq!(schema["additionalProperties"], false);
    }

    #[test]
    fn forms_are_told() {
        assert_eq!(
            form("linger_ms", "agent").as_deref(),
            Some("agent.linger_ms is a whole number, 0 to 60000; for example: linger_ms: 5")
        );
        let es = form("linger_ms", "worker").expect("it is there");
        assert!(es.starts_with("worker.elasticsearch.linger_ms is"), "{es}");
        assert_eq!(form("nothing_like_it", "agent"), None);
    }
}
