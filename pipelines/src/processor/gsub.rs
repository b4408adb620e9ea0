//! `gsub`: replaces what a regular expression finds.

use super::text::TextField;
use super::{Flow, Processor, Reason};
use crate::document::{Document, Value};
use crate::java_regex::{JavaRegex, Replacement};
use crate::pipeline::{Options, Refusal, Run};

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

impl Processor for Gsub {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        self.text.change(document, |text| Ok(Value::from(self.pattern.replace_all(text, &self.replacement)?)))
    }
}
