//! The pipelines that a request can name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::Value;
use crate::library;
use crate::pipeline::{LoadError, Pipeline, Resolve, Settings, text_to_value};

/// Pipelines by id, with their texts. What is simulated is compiled anew, so that it is not among the counts of what runs.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    by_id: BTreeMap<String, Entry>,
    pub(super) settings: Settings,
}

#[derive(Clone, Debug)]
struct Entry {
    name: Arc<str>,
    text: Arc<str>,
}

impl Catalogue {
    /// These pipelines and those that they call; of several with one id the first counts.
    pub fn of<'p>(pipelines: impl IntoIterator<Item = &'p Pipeline>) -> Catalogue {
        let mut catalogue = Catalogue::default();
        for pipeline in pipelines {
            for one in std::iter::once(pipeline).chain(pipeline.called()) {
                let entry = || Entry { name: one.name().into(), text: one.text().into() };
                catalogue.by_id.entry(one.id().to_owned()).or_insert_with(entry);
            }
        }
        catalogue
    }

    /// With settings of the machine that the pipelines run on.
    pub fn with_settings(self, settings: Settings) -> Catalogue {
        Catalogue { settings, ..self }
    }

    /// Adds the ready-made pipelines, but for those whose ids are taken.
    pub fn add_ready_made(&mut self) {
        for name in library::names() {
            let entry = || Entry { name: name.into(), text: library::text(name).unwrap_or_default().into() };
            self.by_id.entry(name.to_owned()).or_insert_with(entry);
        }
    }

    /// Compiles the pipeline of that id.
    pub(super) fn pipeline(&self, id: &str) -> Option<Result<Pipeline, LoadError>> {
        let Entry { name, text } = self.by_id.get(id)?;
        Some(Pipeline::parse_with(name, text, &self.settings, self))
    }

    /// Ids that match, and the pipelines as JSON.
    pub(super) fn matching<'c>(&'c self, pattern: &'c str) -> impl Iterator<Item = (&'c str, Value)> {
        let found = self.by_id.iter().filter(move |(id, _)| is_match(pattern, id));
        // What runs could be read.
        found.map(|(id, entry)| (id.as_str(), text_to_value(&entry.text).unwrap_or(Value::Null)))
    }
}

impl Resolve for Catalogue {
    fn resolve(&self, id: &str) -> Result<Option<(String, String)>, LoadError> {
        let own = self.by_id.get(id).map(|entry| (entry.name.to_string(), entry.text.to_string()));
        Ok(own.or_else(|| library::text(id).map(|text| (id.to_owned(), text.to_owned()))))
    }

    fn all(&self) -> Vec<String> {
        self.by_id.keys().cloned().collect()
    }

    fn may_be_missing(&self) -> bool {
        true
    }
}

/// Whether a name is what a pattern with `*` means. Linear for each star: the last one that was seen takes more.
fn is_match(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(place) => left = &left[place + part.len()..],
            None => return false,
        }
    }
    left.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, expect) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*", "ab", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("a*a", "a", false),
            ("a*b*c", "a-bb-c", true),
            ("a*b*c", "a-cc-b", false),
            ("**", "x", true),
        ] {
            assert_eq!(is_match(pattern, name), expect, "{pattern} {name}");
        }
    }
}
