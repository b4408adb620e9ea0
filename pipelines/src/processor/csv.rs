//! `csv`: fields from one line of separated values.

use super::text::text_of;
use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Value};
use crate::pipeline::{Options, Refusal, Run};

#[derive(Debug)]
struct Csv {
    field: FieldPath,
    targets: Vec<FieldPath>,
    separator: char,
    quote: char,
    trim: bool,
    empty_value: Option<Value>,
    ignore_missing: bool,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.path("field")?;
    let targets = options
        .texts("target_fields")?
        .iter()
        .map(|target| FieldPath::parse(target).map_err(|error| options.refuse("target_fields", error)))
        .collect::<Result<Vec<_>, _>>()?;
    if targets.is_empty() {
        return Err(options.refuse("target_fields", "must name at least one field"));
    }
    let separator = character(options, "separator", ',')?;
    let quote = character(options, "quote", '"')?;
    let trim = options.flag("trim", false)?;
    let empty_value = options.value("empty_value").filter(|value| *value != Value::Null);
    let ignore_missing = options.flag("ignore_missing", false)?;
    Ok(Box::new(Csv { field, targets, separator, quote, trim, empty_value, ignore_missing }))
}

fn character(options: &mut Options<'_>, name: &'static str, default: char) -> Result<char, Refusal> {
    let Some(text) = options.optional_text(name)? else { return Ok(default) };
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(c),
        _ => Err(options.refuse(name, format!("has to be one character; got {text:?}"))),
    }
}

impl Processor for Csv {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let Some(line) = text_of(document, &self.field, self.ignore_missing, "cannot process it.")? else {
            return Ok(Flow::Next);
        };
        let line: Vec<char> = line.chars().collect();
        let mut values = Values { csv: self, values: Vec::new() };
        let result = values.read(&line);
        // Values before a wrong one are set all the same.
        for (target, value) in self.targets.iter().zip(values.values) {
            if let Some(value) = value {
                document.set_field(target, value)?;
            }
        }
        result.map(|()| Flow::Next)
    }
}

/// The values of a line as they are read.
struct Values<'a> {
    csv: &'a Csv,
    values: Vec<Option<Value>>,
}

impl Values<'_> {
    /// Adds a value, and says whether no more are wanted.
    fn add(&mut self, text: String) -> bool {
        let value = if text.is_empty() { self.csv.empty_value.clone() } else { Some(Value::from(text)) };
        self.values.push(value);
        self.values.len() == self.csv.targets.len()
    }

    fn read(&mut self, line: &[char]) -> Result<(), Reason> {
        let mut index = 0;
        loop {
            // At the beginning of a value.
            let mut start = index;
            let quoted = loop {
                match line.get(index) {
                    // Blanks and nothing else at the end are no value.
                    None => return Ok(()),
                    Some(c) if *c == self.csv.quote => break true,
                    Some(c) if *c == self.csv.separator => {
                        if self.add(String::new()) {
                            return Ok(());
                        }
                        index += 1;
                        // Elasticsearch moves on by one here also when blanks stood before the separator, so that
                        // they and the separator get into the next value.
                        start += 1;
                    }
                    Some(' ' | '\t') => {
                        index += 1;
                        if self.csv.trim {
                            start = index;
                        }
                    }
                    Some(_) => break false,
                }
            };
            let done = if quoted { self.quoted(line, &mut index)? } else { self.plain(line, start, &mut index)? };
            if done {
                return Ok(());
            }
        }
    }

    /// Reads up to behind the separator; true when it was the last value.
    fn plain(&mut self, line: &[char], start: usize, index: &mut usize) -> Result<bool, Reason> {
        let mut end = *index;
        while let Some(c) = line.get(*index) {
            match c {
                '\n' | '\r' => return Err(illegal(*index)),
                c if *c == self.csv.quote => return Err(illegal(*index)),
                c if *c == self.csv.separator => {
                    *index += 1;
                    return Ok(self.add(line[start..end].iter().collect()));
                }
                _ => {}
            }
            *index += 1;
            if !(self.csv.trim && matches!(c, ' ' | '\t')) {
                end = *index;
            }
        }
        // Elasticsearch trims no blanks at the very end.
        self.add(line[start..].iter().collect());
        Ok(true)
    }

    fn quoted(&mut self, line: &[char], index: &mut usize) -> Result<bool, Reason> {
        let mut text = String::new();
        *index += 1;
        loop {
            match line.get(*index) {
                None => return Err(Reason::Text("Unmatched quote".to_owned())),
                Some(c) if *c != self.csv.quote => text.push(*c),
                Some(quote) if line.get(*index + 1) == Some(quote) => {
                    text.push(*quote);
                    *index += 1;
                }
                Some(_) => break,
            }
            *index += 1;
        }
        *index += 1;
        // What follows decides whether the value counts.
        let mut text = Some(text);
        loop {
            let next = line.get(*index);
            let ends = next.is_none_or(|c| *c == self.csv.separator || matches!(c, ' ' | '\t'));
            if ends
                && let Some(text) = text.take()
                && self.add(text)
            {
                return Ok(true);
            }
            match next {
                None => return Ok(true),
                Some(c) if *c == self.csv.separator => {
                    *index += 1;
                    return Ok(false);
                }
                Some(' ' | '\t') => *index += 1,
                Some(c) => return Err(Reason::Text(format!("character '{c}' after quoted field at {index}"))),
            }
        }
    }
}

fn illegal(index: usize) -> Reason {
    Reason::Text(format!("Illegal character inside unquoted field at {index}"))
}
