//! `kv`: fields from a text of keys and values such as `a=1 b=2`.

use std::borrow::Cow;

use super::{Flow, Processor, Reason};
use crate::document::{Document, Text, Value};
use crate::java_regex::{JavaRegex, Replacement};
use crate::pipeline::{Options, Refusal, Run};
use crate::template::{Escape, FieldTemplate, Template};

/// What `strip_brackets` takes away.
const BRACKETS: &str = r#"(^[\(\[<"'])|([\]\)>"']$)"#;

/// A key and its value.
type Pair<'t> = (Cow<'t, str>, Cow<'t, str>);

/// Pairs of a text for which there is room at once.
const PAIRS_EXPECTED: usize = 16;

#[derive(Debug)]
struct KeyValue {
    field: FieldTemplate,
    target: Option<Template>,
    field_split: JavaRegex,
    value_split: JavaRegex,
    value_split_text: String,
    include_keys: Option<Vec<String>>,
    exclude_keys: Vec<String>,
    prefix: String,
    trim_key: Option<JavaRegex>,
    trim_value: Option<JavaRegex>,
    brackets: Option<JavaRegex>,
    ignore_missing: bool,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.field("field")?;
    let target = options.optional_template("target_field")?;
    let field_split = options.regex("field_split")?;
    let value_split_text = options.text("value_split")?;
    let value_split = options.regex("value_split")?;
    let include_keys = options.text_or_texts("include_keys")?;
    let exclude_keys = options.text_or_texts("exclude_keys")?.unwrap_or_default();
    let prefix = options.optional_text("prefix")?.unwrap_or_default();
    let trim_key = trimmer(options, "trim_key")?;
    let trim_value = trimmer(options, "trim_value")?;
    let brackets = match options.flag("strip_brackets", false)? {
        true => Some(JavaRegex::compile(BRACKETS, "").map_err(|reason| options.refuse("strip_brackets", reason))?),
        false => None,
    };
    let ignore_missing = options.flag("ignore_missing", false)?;
    Ok(Box::new(KeyValue {
        field,
        target,
        field_split,
        value_split,
        value_split_text,
        include_keys,
        exclude_keys,
        prefix,
        trim_key,
        trim_value,
        brackets,
        ignore_missing,
    }))
}

/// The characters of the option, as many as there are at both ends.
fn trimmer(options: &mut Options<'_>, name: &'static str) -> Result<Option<JavaRegex>, Refusal> {
    let Some(characters) = options.optional_text(name)? else { return Ok(None) };
    JavaRegex::compile(&format!("(^([{characters}]+))|([{characters}]+$)"), "")
        .map(Some)
        .map_err(|reason| options.refuse(name, reason))
}

impl Processor for KeyValue {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let target = self.target.as_ref().map(|target| target.render(document, Escape::Json)).unwrap_or_default();
        let prefix = if target.is_empty() { self.prefix.clone() } else { format!("{target}.{}", self.prefix) };
        let missing = |name: &str| match self.ignore_missing {
            true => Ok(Flow::Next),
            false => Err(Reason::Text(format!("field [{name}] doesn't exist"))),
        };
        let Ok(path) = self.field.path(document) else { return missing("") };
        let name = path.as_str();
        if !document.has_field(&path) {
            return missing(name);
        }
        let Some(text) = document.field_text(&path)? else {
            return match self.ignore_missing {
                true => Ok(Flow::Next),
                false => Err(Reason::Text(format!("field [{name}] is null, cannot extract key-value pairs."))),
            };
        };
        // The document changes while the pairs are parts of the text.
        let text = Text::from(text);
        let mut pairs: Vec<Result<Pair<'_>, Reason>> = Vec::with_capacity(PAIRS_EXPECTED);
        for part in self.field_split.split(&text, 0)? {
            let Some((key, value)) = self.value_split.split_in_two(part)? else {
                // The pairs before it are set all the same.
                let split = &self.value_split_text;
                pairs.push(Err(Reason::Text(format!("field [{name}] does not contain value_split [{split}]"))));
                break;
            };
            let mut key = trim(self.trim_key.as_ref(), key)?;
            let wanted = self.include_keys.as_ref().is_none_or(|keys| keys.iter().any(|wanted| *wanted == key));
            if wanted && !self.exclude_keys.iter().any(|unwanted| *unwanted == key) {
                let value = trim(self.brackets.as_ref(), value)?;
                let value = match &self.trim_value {
                    None => value,
                    Some(pattern) => Cow::Owned(pattern.replace_all(&value, &Replacement::nothing())?),
                };
                if !prefix.is_empty() {
                    key.to_mut().insert_str(0, &prefix);
                }
                pairs.push(Ok((key, value)));
            }
        }
        // Most keys are at the top, and new.
        if prefix.is_empty() {
            document.source_mut().reserve(pairs.len());
        }
        for pair in pairs {
            let (key, value) = pair?;
            super::list::add_value(document, &key, Value::from(&*value))?;
        }
        Ok(Flow::Next)
    }
}

fn trim<'t>(pattern: Option<&JavaRegex>, text: &'t str) -> Result<Cow<'t, str>, Reason> {
    Ok(match pattern {
        None => Cow::Borrowed(text),
        Some(pattern) => Cow::Owned(pattern.replace_all(text, &Replacement::nothing())?),
    })
}
