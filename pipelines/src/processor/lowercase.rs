//! `lowercase`: a text, or each text of a list, in lower case.

use super::text::TextField;
use super::{Flow, Processor, Reason};
use crate::document::{Document, Value};
use crate::pipeline::{Options, Refusal, Run};

#[derive(Debug)]
struct Lowercase {
    text: TextField,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    Ok(Box::new(Lowercase { text: TextField::parse(options)? }))
}

impl Processor for Lowercase {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        self.text.change(document, |text| Ok(Value::from(text.to_lowercase())))
    }
}
