//! `lowercase`: a text, or each text of a list, in lower case.

use super::text::TextField;
use super::{Flow, Processor, Reason};
use crate::document::{Document, Value};
use crate::pipeline::{Context, Options, Refusal, Run};
use crate::slots::{Fields, Layout, Place, Step};

#[derive(Debug)]
struct Lowercase {
    text: TextField,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    Ok(Box::new(Lowercase { text: TextField::parse(options)? }))
}

impl Lowercase {
    fn change(&self, text: &str) -> Result<Value, Reason> {
        Ok(Value::from(text.to_lowercase()))
    }
}

impl Processor for Lowercase {
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
