//! `terminate`: ends the pipeline; one that called it goes on.

use super::{Flow, Processor, Reason};
use crate::document::Document;
use crate::pipeline::{Options, Refusal, Run};

#[derive(Debug)]
struct Terminate;

pub(super) fn parse(_: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    Ok(Box::new(Terminate))
}

impl Processor for Terminate {
    fn run(&self, _: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        Ok(Flow::End)
    }
}
