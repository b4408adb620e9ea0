//! `drop`: the document is not wanted.

use super::{Flow, Processor, Reason};
use crate::document::Document;
use crate::pipeline::{Context, Options, Refusal, Run};
use crate::slots::{Fields, Layout, Place, Step};

#[derive(Debug)]
struct Drop;

pub(super) fn parse(_: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    Ok(Box::new(Drop))
}

impl Processor for Drop {
    fn plan(&self, _: &mut Layout) -> Option<Vec<Place>> {
        Some(Vec::new())
    }

    fn run_planned(&self, _: &[Place], _: &mut Fields<'_, '_>, _: &Context) -> Step {
        Step::Drop
    }

    fn run(&self, _: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        Ok(Flow::Drop)
    }
}
