//! Why a pipeline cannot be loaded, in the form in which an operator reads it.

use std::fmt;

/// A refused pipeline: file, line, reason and, where one can be guessed, a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The file's path, or the name of a ready-made pipeline.
    pub file: String,
    /// From one; 0 when the file as a whole is meant.
    pub line: u64,
    pub reason: String,
    pub hint: Option<String>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.reason)?,
            line => write!(f, "{}:{line}: {}", self.file, self.reason)?,
        }
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for LoadError {}

/// A refusal that does not know its file yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub line: u64,
    pub reason: String,
    pub hint: Option<String>,
}

impl Refusal {
    pub fn new(line: u64, reason: impl Into<String>) -> Refusal {
        Refusal { line, reason: reason.into(), hint: None }
    }

    pub fn with_hint(self, hint: impl Into<String>) -> Refusal {
        Refusal { hint: Some(hint.into()), ..self }
    }

    /// Adds "did you mean" when one of the names is close to what was written.
    pub fn guessing<'a>(self, written: &str, names: impl IntoIterator<Item = &'a str>) -> Refusal {
        match closest(written, names) {
            Some(name) => self.with_hint(format!("did you mean {name:?}?")),
            None => self,
        }
    }

    pub fn in_file(self, file: &str) -> LoadError {
        LoadError { file: file.to_owned(), line: self.line, reason: self.reason, hint: self.hint }
    }
}

/// The name that is most like the written one, if any is at all.
pub(crate) fn closest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Below this a hint misleads more often than it helps.
    const LIKENESS_MIN: f64 = 0.8;
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(written, name), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
