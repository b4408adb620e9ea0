//! `docs/config.md`: every key of `sluice.yaml` with type, default, range and meaning, from the schema.

use super::schema::Schema;
use serde_json::Value;

const HEAD: &str = "\
# Keys of sluice.yaml

Every key with its type, default, range and meaning. This page is written by `sluice config keys`, from the types that read the
file, and a test compares the two; [sluice.yaml](sluice.yaml) shows the same keys as one commented file.

- The file is looked for in the working directory and in `/etc/sluice`; `--config FILE` names another. Flags win over keys.
- `sluice check` says what is wrong with a file, `sluice config show` what is in force, `sluice config schema` is for editors.
- An unknown key and a number out of its range are errors. `~` stands for a key that is left out.
- Names that end with `_s` and `_ms` are seconds and milliseconds, those that end with `_bytes_max` bytes.
";

/// The page.
pub fn markdown() -> String {
    let schema = Schema::new();
    let mut page = HEAD.to_owned();
    section(&schema, schema.root(), "", &mut page);
    page
}

/// A table of the keys under `path`, and after it the sections in it.
fn section(schema: &Schema, node: &Value, path: &str, page: &mut String) {
    let Some(properties) = schema.resolve(node).get("properties").and_then(Value::as_object) else { return };
    let title = if path.is_empty() { "The file".to_owned() } else { format!("`{}`", path.replace(".0", "[]")) };
    page.push_str(&format!("\n## {title}\n\n"));
    page.push_str("| key | type | default | range | meaning |\n| --- | --- | --- | --- | --- |\n");
    let mut inner = Vec::new();
    for (key, property) in properties {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let resolved = schema.resolve(property);
        let (meaning, rule) = meaning(property, resolved);
        let is_section = resolved.get("properties").is_some();
        let items = resolved.get("items").filter(|items| schema.resolve(items).get("properties").is_some());
        let default = match (rule, schema.default_of(&path)) {
            (Some(rule), _) => rule,
            _ if is_section || items.is_some() => String::new(),
            (None, Some(default)) => shown(default),
            (None, None) => "~".to_owned(),
        };
        let range = if is_section { None } else { Schema::range(resolved) };
        let row = [format!("`{key}`"), schema.kind(property), default, range.unwrap_or_default(), meaning];
        page.push_str(&format!("| {} |\n", row.map(|cell| cell.replace('|', "\\|")).join(" | ")));
        if is_section {
            inner.push((path, property));
        } else if let Some(items) = items {
            inner.push((format!("{path}.0"), items));
        } else if let Some(choices) = resolved.get("oneOf").and_then(Value::as_array) {
            let choices = choices.iter().filter_map(|choice| choice["properties"].as_object()).flatten();
            inner.extend(choices.map(|(word, choice)| (format!("{path}.{word}"), choice)));
        }
    }
    for (path, node) in inner {
        section(schema, node, &path, page);
    }
}

/// What the comment on the key says, and the default that stands in brackets at its end.
fn meaning(property: &Value, resolved: &Value) -> (String, Option<String>) {
    let text = property.get("description").or_else(|| resolved.get("description")).and_then(Value::as_str);
    let text = text.unwrap_or_default().replace('\n', " ");
    let rule = text.strip_suffix("].").and_then(|text| text.rsplit_once(" ["));
    match rule {
        Some((before, rule)) => (format!("{before}."), Some(rule.to_owned())),
        None => (text, None),
    }
}

fn shown(default: &Value) -> String {
    match default {
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Object(fields) if fields.is_empty() => "none".to_owned(),
        Value::String(text) if text.is_empty() => String::new(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_as_the_types_are() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.md");
        let page = markdown();
        if std::env::var_os("SLUICE_UPDATE").is_some() {
            std::fs::write(path, &page).expect("the page can be written");
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == page,
            "docs/config.md is stale: run this test with SLUICE_UPDATE=1, or `sluice config keys > docs/config.md`"
        );
    }

    #[test]
    fn rows_have_all_that_is_known() {
        let page = markdown();
        for row in [
            "| `linger_ms` | whole number | `5` | 0 to 60000 |",
            "| `from` | `beginning`, `end` | `beginning` |",
            "| `host_name` | text | the machine's name |",
        ] {
            assert!(page.contains(row), "lacks {row}:\n{page}");
        }
        assert!(page.contains("## `agent.inputs[].multiline`") && page.contains("## `worker.output.file`"), "{page}");
    }
}
