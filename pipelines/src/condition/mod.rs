//! Conditions of processors (`if`): expressions of Painless, compiled to a flat program.
//!
//! `lexer` makes tokens, `parser` a tree ([`syntax`]), `program` a row of operations that `evaluate` runs on a small
//! stack; `operate` is what operators do, `methods` what can be called. Statements of scripts would be further nodes of the same tree.

mod evaluate;
mod lexer;
mod methods;
mod number;
mod operand;
mod operate;
mod parser;
mod program;
mod selector;
mod syntax;

use thiserror::Error;

pub(crate) use evaluate::Look;
pub(crate) use program::{Path, Root};
pub(crate) use selector::{Found, Selector, Table};

use crate::document::Document;
use program::Program;

/// Longest condition: the longest public one has 3 KiB.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Why a text is not a condition that can be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{reason} at {place:?}")]
pub(crate) struct SyntaxError {
    pub reason: String,
    /// What stands there.
    pub place: String,
    /// Line within the condition's text, from zero.
    pub line: u64,
}

/// A compiled condition.
#[derive(Debug)]
pub(crate) struct Condition {
    program: Program,
    selector: Option<Selector>,
}

impl Condition {
    pub fn parse(text: &str, params: crate::document::Map) -> Result<Condition, SyntaxError> {
        if text.len() > TEXT_BYTES_MAX {
            let reason = format!("longer than {TEXT_BYTES_MAX} bytes");
            return Err(SyntaxError { reason, place: text.chars().take(20).collect(), line: 0 });
        }
        let expression = parser::parse(text)?;
        let selector = Selector::of(&expression);
        Ok(Condition { program: Program::compile(&expression, params)?, selector })
    }

    /// Whether the condition holds; an error is the text of Painless' exception. `work` counts operations.
    pub fn holds(&self, document: &Document, work: &mut u64) -> Result<bool, String> {
        evaluate::run(&self.program, document, work)
    }

    /// Whether the condition holds, where `look` gives the values of paths; `nothing` is a document without fields. None when
    /// only a document can tell, and when the condition fails.
    pub fn holds_over<'a>(&'a self, nothing: &'a Document, look: &Look<'_, 'a>) -> Option<bool> {
        if self.program.asks_for_identity() { None } else { evaluate::run_over(&self.program, nothing, look) }
    }

    /// The names at the top of a document below which it reads; none where that cannot be told.
    pub fn roots(&self) -> Option<Vec<&str>> {
        self.program.roots()
    }

    /// Which values of which field the condition can hold for, where that can be told from its form.
    pub fn selector(&self) -> Option<&Selector> {
        self.selector.as_ref()
    }
}

#[cfg(test)]
mod tests;
