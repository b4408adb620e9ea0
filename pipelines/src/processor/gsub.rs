//! `gsub`: replaces what a regular expression finds.

use super::text::TextField;
use super::{Flow, Processor, Reason};
use crate::document::{Document, Value};
use crate::java_regex::{JavaRegex, Replacement};
use crate::pipeline::{Context, Options, Refusal, Run};
use crate::slots::{Fields, Layout, Place, Step};

#[derive(Debug)]
struct Gsub {
    text: TextField,
    pattern: JavaRegex,
    replacement: Replacement,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let text = TextField::parse(options)?;
    let pattern = options.regex("pattern")?;
    let replacement = Replacement::parse(&options.text("replacement")?, &pattern);
    Ok(Box::new(Gsub { text, pattern, replacement }))
}

impl Gsub {
    fn change(&self, text: &str) -> Result<Value, Reason> {
        Ok(Value::from(self.pattern.replace_all(text, &self.replacement)?))
    }
}

impl Processor for Gsub {
    fn plan(&self, layout: &mut Layout) -> Option<Vec<Place>> {
        self.text.plan(layout)
    }

    fn run_planned(&self, places: &[Place], fields: &mut Fields<'_, '_>, _: &Context) -> Step {
        self.text.change_planned(places, fields, |text| self.change(text))
    }

    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        self.text.change(document, |text| self.change(text))
    }
}
