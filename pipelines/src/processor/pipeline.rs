//! `pipeline`: runs another pipeline.

use super::{Flow, Processor, Reason};
use crate::document::Document;
use crate::pipeline::{Call, Options, Refusal, Run};
use crate::template::{Escape, Template};

#[derive(Debug)]
struct Pipeline {
    name: Name,
    ignore_missing_pipeline: bool,
}

#[derive(Debug)]
enum Name {
    Fixed(String),
    Template(Template),
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let text = options.text("name")?;
    let ignore_missing_pipeline = options.flag("ignore_missing_pipeline", false)?;
    let line = options.line_of("name");
    let name = match packaged(&text) {
        Some(name) => Name::Fixed(name.to_owned()),
        None => match Template::parse(&text).map_err(|error| options.refuse("name", error))? {
            template if template.is_literal() => Name::Fixed(text),
            template => Name::Template(template),
        },
    };
    let fixed = match &name {
        Name::Fixed(name) => Some(name.clone()),
        Name::Template(_) => None,
    };
    options.loader.calls(Call { name: fixed, line, may_be_missing: ignore_missing_pipeline });
    Ok(Box::new(Pipeline { name, ignore_missing_pipeline }))
}

/// `{{ IngestPipeline "name" }}`, as the sources of Elastic's packages write it.
fn packaged(text: &str) -> Option<&str> {
    let inside = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    inside.strip_prefix("IngestPipeline")?.trim().strip_prefix(['"', '\''])?.strip_suffix(['"', '\''])
}

impl Processor for Pipeline {
    fn called(&self) -> Option<&str> {
        match &self.name {
            Name::Fixed(name) => Some(name),
            Name::Template(_) => None,
        }
    }

    fn run(&self, document: &mut Document, run: &mut Run<'_>) -> Result<Flow, Reason> {
        let rendered;
        let name = match &self.name {
            Name::Fixed(name) => name,
            Name::Template(template) => {
                rendered = template.render(document, Escape::Json);
                &rendered
            }
        };
        match run.call(name, document) {
            Some(result) => result,
            None if self.ignore_missing_pipeline => Ok(Flow::Next),
            None => Err(Reason::Text(format!("Pipeline processor configured for non-existent pipeline [{name}]"))),
        }
    }
}
