//! `trim`: a text, or each text of a list, without what is blank around it.

use super::text::TextField;
use super::{Flow, Processor, Reason};
use crate::document::{Document, Value};
use crate::pipeline::{Options, Refusal, Run};

#[derive(Debug)]
struct Trim {
    text: TextField,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    Ok(Box::new(Trim { text: TextField::parse(options)? }))
}

impl Processor for Trim {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        self.text.change(document, |text| Ok(Value::from(text.trim_matches(|c: char| c <= ' '))))
    }
}
