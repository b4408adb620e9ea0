//! `trim`: a text, or each text of a list, without what is blank around it.

use super::text::TextField;
use super::{Flow, Processor, Reason};
use crate::document::{Document, Value};
use crate::pipeline::{Context, Options, Refusal, Run};
use crate::slots::{Fields, Layout, Place, Step};

#[derive(Debug)]
struct Trim {
    text: TextField,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    Ok(Box::new(Trim { text: TextField::parse(options)? }))
}

impl Trim {
    fn change(&self, text: &str) -> Result<Value, Reason> {
        Ok(Value::from(text.trim_matches(|c: char| c <= ' ')))
    }
}

impl Processor for Trim {
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
