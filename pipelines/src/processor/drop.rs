//! `drop`: the document is not wanted.

use super::{Flow, Processor, Reason};
use crate::document::Document;
use crate::pipeline::{Options, Refusal, Run};

#[derive(Debug)]
struct Drop;

pub(super) fn parse(_: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    Ok(Box::new(Drop))
}

impl Processor for Drop {
    fn run(&self, _: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        Ok(Flow::Drop)
    }
}
