//! `fail`: fails with a message.

use super::{Flow, Processor, Reason};
use crate::document::Document;
use crate::pipeline::{Options, Refusal, Run};
use crate::template::{Escape, Template};

#[derive(Debug)]
struct Fail {
    message: Template,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let Some(message) = options.optional_template("message")? else {
        return Err(Refusal::new(options.line, "required option \"message\" of fail is missing"));
    };
    Ok(Box::new(Fail { message }))
}

impl Processor for Fail {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        Err(Reason::Text(self.message.render(document, Escape::Json)))
    }
}
