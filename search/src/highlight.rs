//! `highlight` of a request: which words of a hit's fields the query meant.

use crate::query::ast::{Pattern, Query};
use crate::query::dsl::{self, Reader};
use crate::query::{FieldNames, Refusal};
use crate::text::{StandardTokenizer, words};
use serde_json::{Map, Value, json};
use std::ops::Range;
use tantivy::tokenizer::{TokenStream, Tokenizer};

/// Longest sign before or after a word.
const TAG_BYTES_MAX: usize = 200;
/// Fields, or patterns of them, in a request.
const FIELDS_MAX: usize = 100;
/// Words that are marked in one field of a hit.
const MARKS_MAX: usize = 10_000;

/// What a request asks for.
#[derive(Debug, Clone)]
pub struct Highlight {
    fields: Vec<(Pattern, Options)>,
}

#[derive(Debug, Clone)]
struct Options {
    pre: String,
    post: String,
    /// Characters of a fragment, about.
    fragment_size: usize,
    /// 0: the whole value.
    fragments: usize,
    require_field_match: bool,
    /// Instead of the request's query.
    query: Option<Query>,
}

/// How values of a field are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Word by word.
    Words,
    Whole,
}

impl Highlight {
    pub fn parse(value: &Value, names: &dyn FieldNames) -> Result<Self, Refusal> {
        let reader = Reader { name: "highlight" };
        let mut common = Options {
            pre: "<em>".to_owned(),
            post: "</em>".to_owned(),
            fragment_size: 100,
            fragments: 5,
            require_field_match: true,
            query: None,
        };
        let object = reader.object(value)?;
        for (key, value) in object.iter().filter(|(key, _)| *key != "fields") {
            common.set(reader, key, value, names)?;
        }
        let fields = object.get("fields").ok_or_else(|| Refusal::argument("[highlight] requires [fields]"))?;
        let mut found = Vec::new();
        let listed = match fields {
            Value::Array(several) => several.iter().map(|one| reader.field(one)).collect::<Result<Vec<_>, _>>()?,
            one => reader.object(one)?.iter().map(|(name, options)| (name.as_str(), options)).collect(),
        };
        if listed.len() > FIELDS_MAX {
            return Err(Refusal::argument(format!("[highlight] has more than [{FIELDS_MAX}] fields")));
        }
        for (name, given) in listed {
            let mut options = common.clone();
            for (key, value) in reader.object(given)? {
                options.set(reader, key, value, names)?;
            }
            found.push((Pattern::parse(name)?, options));
        }
        Ok(Self { fields: found })
    }

    /// Fragments by field, for those that have marks; `None`: no field has. `comparison` knows the fields' types.
    pub fn of(&self, query: &Query, source: &Value, comparison: &dyn Fn(&str) -> Option<Comparison>) -> Option<Value> {
        let mut texts = Vec::new();
        flatten(source, "", &mut texts);
        let mut out = Map::new();
        for (pattern, options) in &self.fields {
            for (path, text) in texts.iter().filter(|(path, _)| pattern.matches(path)) {
                let Some(comparison) = comparison(path) else { continue };
                let mut meant = Vec::new();
                let of = options.require_field_match.then_some(path.as_str());
                collect(options.query.as_ref().unwrap_or(query), of, comparison, &mut meant);
                let marks = marks(text, &meant, comparison);
                if !marks.is_empty()
                    && let Some(list) = out.entry(path.clone()).or_insert_with(|| json!([])).as_array_mut()
                {
                    list.extend(options.fragments(text, &marks).into_iter().map(Value::String));
                }
            }
        }
        (!out.is_empty()).then_some(Value::Object(out))
    }
}

impl Options {
    fn set(&mut self, reader: Reader<'_>, key: &str, value: &Value, names: &dyn FieldNames) -> Result<(), Refusal> {
        let tag = |value: &Value| {
            let text = reader.text(key, value.get(0).unwrap_or(value))?;
            match text.len() > TAG_BYTES_MAX {
                true => Err(Refusal::argument(format!("[{key}] is longer than {TAG_BYTES_MAX} bytes"))),
                false => Ok(text),
            }
        };
        match key {
            "pre_tags" => self.pre = tag(value)?,
            "post_tags" => self.post = tag(value)?,
            "fragment_size" => self.fragment_size = reader.count(key, value, u64::from(u32::MAX))? as usize,
            "number_of_fragments" => self.fragments = reader.count(key, value, 1000)? as usize,
            "require_field_match" => self.require_field_match = reader.boolean(key, value)?,
            "highlight_query" => self.query = Some(dsl::parse(value, names)?),
            "type" => reader.only(key, value, &["unified", "plain"])?,
            "order" => reader.only(key, value, &["none"])?,
            "encoder" => reader.only(key, value, &["default"])?,
            _ => {
                return Err(Refusal::new("x_content_parse_exception", format!("[highlight] unknown field [{key}]")));
            }
        }
        Ok(())
    }

    /// The text in pieces around its marks, each as long as asked for, or a little more.
    fn fragments(&self, text: &str, marks: &[Range<usize>]) -> Vec<String> {
        if self.fragments == 0 || text.len() <= self.fragment_size {
            return vec![self.marked(text, 0..text.len(), marks)];
        }
        let mut out = Vec::new();
        let mut rest = marks;
        while let Some(first) = rest.first() {
            if out.len() == self.fragments {
                break;
            }
            // A third of the fragment stands before its first mark.
            let begin = boundary(text, first.start.saturating_sub(self.fragment_size / 3), false);
            let end = boundary(text, begin.saturating_add(self.fragment_size).max(first.end), true);
            let count = rest.iter().take_while(|mark| mark.end <= end).count();
            out.push(self.marked(text, begin..end, &rest[..count]));
            rest = &rest[count.max(1)..];
        }
        out
    }

    fn marked(&self, text: &str, range: Range<usize>, marks: &[Range<usize>]) -> String {
        let mut out = String::new();
        let mut at = range.start;
        for mark in marks {
            out.push_str(&text[at.min(mark.start)..mark.start]);
            out.push_str(&self.pre);
            out.push_str(&text[mark.clone()]);
            out.push_str(&self.post);
            at = mark.end;
        }
        out.push_str(&text[at..range.end.max(at)]);
        out
    }
}

/// The next white space from `at` on (`up`), or behind the one before it.
fn boundary(text: &str, at: usize, up: bool) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    match up {
        true => text[at..].find(char::is_whitespace).map_or(text.len(), |more| at + more),
        false => text[..at].rfind(char::is_whitespace).map_or(0, |before| boundary_after(text, before)),
    }
}

fn boundary_after(text: &str, at: usize) -> usize {
    at + text[at..].chars().next().map_or(0, char::len_utf8)
}

/// A word or value that the query means.
enum Meant {
    Exact(String),
    Pattern(crate::query::pattern::PatternAutomaton),
}

/// What `query` means of `field`; `None`: of any field.
fn collect(query: &Query, field: Option<&str>, comparison: Comparison, out: &mut Vec<Meant>) {
    let is_meant = |other: &str| field.is_none_or(|field| field == other);
    let text = |value: &str, out: &mut Vec<Meant>| match comparison {
        Comparison::Words => out.extend(words(value).map(Meant::Exact)),
        Comparison::Whole => out.push(Meant::Exact(value.to_owned())),
    };
    match query {
        Query::Term { field, value, case_insensitive } if is_meant(field) => match case_insensitive {
            true => {
                out.extend(Pattern::exactly(&value.to_string()).map(|pattern| Meant::Pattern(pattern.automaton(true))))
            }
            false => out.push(Meant::Exact(value.to_string())),
        },
        Query::Terms { field, values } if is_meant(field) => {
            out.extend(values.iter().map(|value| Meant::Exact(value.to_string())));
        }
        Query::Match { field, text: value, .. } if is_meant(field) => text(&value.to_string(), out),
        Query::Phrase { field, text: value, .. } if is_meant(field) => text(value, out),
        Query::Prefix { field, value, case_insensitive } if is_meant(field) => {
            out.extend(Pattern::beginning(value).map(|pattern| Meant::Pattern(pattern.automaton(*case_insensitive))));
        }
        Query::Wildcard { field, pattern, case_insensitive } if is_meant(field) => {
            out.push(Meant::Pattern(pattern.automaton(*case_insensitive)));
        }
        Query::Bool(bool) => {
            let asked = bool.must.iter().chain(&bool.filter).chain(&bool.should);
            asked.for_each(|query| collect(query, field, comparison, out));
        }
        Query::AnyOf(queries) => queries.iter().for_each(|query| collect(query, field, comparison, out)),
        Query::ConstantScore(query) | Query::Boosted(query, _) | Query::Lenient(query) => {
            collect(query, field, comparison, out);
        }
        _ => {}
    }
}

/// Where in `text` something is that is meant, ascending.
fn marks(text: &str, meant: &[Meant], comparison: Comparison) -> Vec<Range<usize>> {
    let is_meant = |word: &str| {
        meant.iter().any(|meant| match meant {
            Meant::Exact(exact) => exact == word,
            Meant::Pattern(pattern) => pattern.matches(word),
        })
    };
    if comparison == Comparison::Whole {
        return is_meant(text).then_some(0..text.len()).into_iter().collect();
    }
    let mut marks = Vec::new();
    if meant.is_empty() {
        return marks;
    }
    let mut tokenizer = StandardTokenizer::default();
    let mut stream = tokenizer.token_stream(text);
    while stream.advance() && marks.len() < MARKS_MAX {
        let token = stream.token();
        if is_meant(&token.text) {
            marks.push(token.offset_from..token.offset_to);
        }
    }
    marks
}

/// All texts of a document with their paths.
fn flatten(value: &Value, path: &str, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(value, &path, out);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| flatten(value, path, out)),
        Value::String(text) => out.push((path.to_owned(), text.clone())),
        Value::Number(number) => out.push((path.to_owned(), number.to_string())),
        Value::Bool(_) | Value::Null => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoNames;

    impl FieldNames for NoNames {
        fn matching(&self, _: &Pattern) -> Vec<String> {
            vec!["message".to_owned(), "host.name".to_owned()]
        }
    }

    fn check(highlight: Value, query: &str, expect: Value) {
        let source = json!({ "message": "Connection refused: the Database said <no>", "host": { "name": "web-1" } });
        let query = dsl::parse(&json!({ "query_string": { "query": query } }), &NoNames).expect("a query");
        let highlight = Highlight::parse(&highlight, &NoNames).expect("a highlight");
        let comparison = |path: &str| Some(if path == "message" { Comparison::Words } else { Comparison::Whole });
        assert_eq!(highlight.of(&query, &source, &comparison).unwrap_or(Value::Null), expect, "{query:?}");
    }

    #[test]
    fn marks_what_was_meant() {
        let all = || json!({ "fields": { "*": {} }, "pre_tags": ["["], "post_tags": ["]"] });
        check(all(), "database OR conn*", json!({ "message": ["[Connection] refused: the [Database] said <no>"] }));
        check(all(), "host.name:web-1 AND NOT refused", json!({ "host.name": ["[web-1]"] }));
        check(all(), "nothing", Value::Null);
        check(
            json!({ "fields": { "message": { "fragment_size": 12, "number_of_fragments": 1 } } }),
            "message:database",
            json!({ "message": ["the <em>Database</em>"] }),
        );
        check(
            json!({ "fields": { "host.*": { "require_field_match": false } } }),
            "message:\"web-1\"",
            json!({ "host.name": ["<em>web-1</em>"] }),
        );
    }

    #[test]
    fn unknown_parts_are_refused() {
        let refused = Highlight::parse(&json!({ "fields": { "a": { "colour": 1 } } }), &NoNames);
        assert_eq!(refused.map_err(|error| error.reason).err(), Some("[highlight] unknown field [colour]".to_owned()));
        assert!(Highlight::parse(&json!({}), &NoNames).is_err());
    }
}
