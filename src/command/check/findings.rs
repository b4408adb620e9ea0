//! Problems that are gathered while a config is looked at, with the places of their keys.

use crate::config::{Level, Places, Problem};
use crate::failure::Failure;

/// More problems than anybody mends at once.
const PROBLEMS_MAX: usize = 100;

pub struct Findings<'a> {
    file: &'a str,
    text: &'a str,
    places: Places,
    problems: Vec<Problem>,
}

impl<'a> Findings<'a> {
    /// Of `text`, the content of `file`.
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, places: Places::of(text), problems: Vec::new() }
    }

    /// An error at `key`, a path such as `agent.inputs.0.topic`.
    pub fn error(&mut self, key: &str, cause: impl Into<String>, hint: impl Into<String>) {
        self.push(Level::Error, key, cause.into(), hint.into());
    }

    pub fn warn(&mut self, key: &str, cause: impl Into<String>, hint: impl Into<String>) {
        self.push(Level::Warning, key, cause.into(), hint.into());
    }

    /// What a part says against its config.
    pub fn failure(&mut self, key: &str, failure: &Failure) {
        self.error(key, failure.to_string(), failure.hint());
    }

    pub fn add(&mut self, problem: Problem) {
        // What is out of range is told once, by the schema, which knows the range.
        let is_known = self.problems.iter().any(|known| known.key.is_some() && known.key == problem.key);
        if !is_known && self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    /// From the top of the file to its end.
    pub fn in_order(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.place.map(|place| (place.line, place.column)));
        self.problems
    }

    fn push(&mut self, level: Level, key: &str, cause: String, hint: String) {
        let mut problem = Problem::new(self.file, self.text, self.places.find(key), cause, hint);
        problem.level = level;
        problem.key = Some(key.to_owned());
        self.add(problem);
    }
}
