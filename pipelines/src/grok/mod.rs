//! Grok: named patterns over a line, with Ruby's regular expressions underneath and linear time wherever it can be had.

mod assertion;
mod class;
mod definitions;
mod print;
mod reader;
mod syntax;

use thiserror::Error;

pub(crate) use definitions::{Compatibility, Definitions};
use print::Printed;
pub(crate) use syntax::SyntaxError;
use syntax::{Node, Parser};

/// How many steps the backtracking engine may take for one line: about a second, where Elasticsearch gives up too.
const BACKTRACK_STEPS_MAX: usize = 1_000_000;
/// Largest compiled program of one processor's patterns.
const PROGRAM_BYTES_MAX: usize = 64 << 20;

/// The compiled patterns of one processor.
#[derive(Debug)]
pub(crate) struct Grok {
    fields: Vec<Field>,
    engine: Engine,
    /// Pattern groups that tell which pattern matched, by their pattern's index.
    alternatives: Vec<usize>,
}

/// One named part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    /// Captures with the same full name are one field, and the first that took part gives its value.
    captures: Vec<usize>,
    name: String,
    kind: ValueKind,
}

/// The type behind a field's name, as in `%{NUMBER:took:int}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    String,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
}

#[derive(Debug)]
enum Engine {
    /// Linear in the line. `fallback` answers for lines whose match fails a check; it is there when there are checks.
    Linear {
        regex: regex::Regex,
        groups: Vec<usize>,
        checks: Vec<(usize, assertion::Assertion)>,
        fallback: Option<Backtracking>,
    },
    Backtracking(Backtracking),
}

#[derive(Debug)]
struct Backtracking {
    regex: fancy_regex::Regex,
    groups: Vec<usize>,
}

/// Why patterns cannot be compiled.
#[derive(Debug, Error)]
pub(crate) enum GrokError {
    #[error("pattern {pattern:?}: {error}")]
    Syntax { pattern: String, error: SyntaxError },
    #[error("pattern cannot be compiled: {0}")]
    Engine(String),
}

/// The engine gave up on a line.
#[derive(Debug, Error)]
#[error("grok pattern matching was interrupted: {0}")]
pub(crate) struct Interrupted(String);

/// What a pattern found in a line.
#[derive(Debug)]
pub(crate) struct Match<'g, 'l> {
    grok: &'g Grok,
    /// For each capture its text.
    captures: Vec<Option<&'l str>>,
}

impl Grok {
    /// Compiles patterns of which the first that matches counts. As in Elasticsearch they become one expression, so
    /// that a later pattern wins where it matches further to the left.
    pub fn compile(patterns: &[String], definitions: &Definitions) -> Result<Grok, GrokError> {
        let mut parser = Parser::new(definitions);
        let mut nodes = Vec::new();
        let mut alternatives = Vec::new();
        for pattern in patterns {
            // The group around each pattern comes first, since captures count in the order of their opening.
            let index = parser.captures.len();
            parser.captures.push(String::new());
            let node = parser.parse(pattern).map_err(|error| GrokError::Syntax { pattern: pattern.clone(), error })?;
            nodes.push(Node::Capture(index, Box::new(node)));
            alternatives.push(index);
        }
        let names = parser.captures;
        let node = Node::Alternatives(nodes);
        let engine = match print::for_regex(&node, names.len()) {
            Some(printed) => linear(printed, &node, names.len())?,
            None => Engine::Backtracking(backtracking(&node, names.len())?),
        };
        Ok(Grok { fields: fields(&names), engine, alternatives })
    }

    /// Whether every line takes linear time.
    #[cfg(test)]
    pub fn is_linear(&self) -> bool {
        matches!(self.engine, Engine::Linear { .. })
    }

    /// Searches a line.
    pub fn find<'g, 'l>(&'g self, line: &'l str) -> Result<Option<Match<'g, 'l>>, Interrupted> {
        let captures = match &self.engine {
            Engine::Linear { regex, groups, checks, fallback } => {
                let Some(captures) = regex.captures(line) else { return Ok(None) };
                let holds = checks.iter().all(|(group, assertion)| {
                    captures.get(*group).is_none_or(|place| assertion.holds(line, place.start()))
                });
                match fallback {
                    Some(fallback) if !holds => fallback.find(line)?,
                    _ => Some(groups.iter().map(|group| captures.get(*group).map(|found| found.as_str())).collect()),
                }
            }
            Engine::Backtracking(backtracking) => backtracking.find(line)?,
        };
        Ok(captures.map(|captures| Match { grok: self, captures }))
    }
}

impl Backtracking {
    fn find<'l>(&self, line: &'l str) -> Result<Option<Vec<Option<&'l str>>>, Interrupted> {
        let captures = self.regex.captures(line).map_err(|error| Interrupted(error.to_string()))?;
        Ok(captures
            .map(|captures| self.groups.iter().map(|group| captures.get(*group).map(|found| found.as_str())).collect()))
    }
}

impl<'g, 'l> Match<'g, 'l> {
    /// The fields that took part, with their texts.
    pub fn fields(&self) -> impl Iterator<Item = (&'g str, ValueKind, &'l str)> {
        self.grok.fields.iter().filter_map(|field| {
            let text = field.captures.iter().find_map(|capture| self.captures[*capture])?;
            Some((field.name.as_str(), field.kind, text))
        })
    }

    /// Which pattern matched, from zero.
    pub fn pattern(&self) -> usize {
        self.grok.alternatives.iter().position(|capture| self.captures[*capture].is_some()).unwrap_or(0)
    }
}

fn linear(printed: Printed, node: &Node, captures: usize) -> Result<Engine, GrokError> {
    let regex = regex::RegexBuilder::new(&printed.text)
        .size_limit(PROGRAM_BYTES_MAX)
        .nest_limit(4 * syntax::NESTING_MAX as u32)
        .build()
        .map_err(|error| GrokError::Engine(error.to_string()))?;
    let fallback = if printed.checks.is_empty() { None } else { Some(backtracking(node, captures)?) };
    Ok(Engine::Linear { regex, groups: printed.groups, checks: printed.checks, fallback })
}

fn backtracking(node: &Node, captures: usize) -> Result<Backtracking, GrokError> {
    let printed = print::for_fancy_regex(node, captures);
    let regex = fancy_regex::RegexBuilder::new(&printed.text)
        .backtrack_limit(BACKTRACK_STEPS_MAX)
        .delegate_size_limit(PROGRAM_BYTES_MAX)
        .build()
        .map_err(|error| GrokError::Engine(error.to_string()))?;
    Ok(Backtracking { regex, groups: printed.groups })
}

/// Turns full names (`NAME:field:type`, `NAME:field` or `field`) into fields.
fn fields(names: &[String]) -> Vec<Field> {
    let mut fields: Vec<(&String, Field)> = Vec::new();
    for (capture, full) in names.iter().enumerate() {
        if full.is_empty() {
            continue;
        }
        if let Some((_, field)) = fields.iter_mut().find(|(known, _)| *known == full) {
            field.captures.push(capture);
            continue;
        }
        let parts: Vec<&str> = full.split(':').collect();
        let (name, kind) = match parts[..] {
            [_, name, kind] => (name, ValueKind::named(kind)),
            [_, name, ..] => (name, ValueKind::String),
            _ => (full.as_str(), ValueKind::String),
        };
        fields.push((full, Field { captures: vec![capture], name: name.to_owned(), kind }));
    }
    fields.into_iter().map(|(_, field)| field).collect()
}

impl ValueKind {
    /// A type that Elasticsearch does not know leaves the text as it is there.
    fn named(name: &str) -> ValueKind {
        match name {
            "int" => ValueKind::Integer,
            "long" => ValueKind::Long,
            "float" => ValueKind::Float,
            "double" => ValueKind::Double,
            "boolean" => ValueKind::Boolean,
            _ => ValueKind::String,
        }
    }
}

#[cfg(test)]
mod tests;
