//! `date`: reads a time, and writes it where the document's time stands.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::{Flow, Processor, Reason};
use crate::date::{Format, OUTPUT_FORMAT, OutputFormat, zone};
use crate::document::{Document, FieldPath, Value};
use crate::pipeline::{Context, MissingYear, Options, Refusal, Run};
use crate::slots::{Field, Fields, Layout, Place, Slot, Step};
use crate::template::{Escape, Template};

#[derive(Debug)]
struct Date {
    field: FieldPath,
    target: FieldPath,
    formats: Vec<Format>,
    zone: Zone,
    locale: Option<Template>,
    output: OutputFormat,
    /// Whether times are always written as they are by default, in UTC.
    is_utc: bool,
    year: Option<MissingYear>,
}

#[derive(Debug)]
enum Zone {
    Fixed(TimeZone),
    Template(Template),
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.path("field")?;
    let target = match options.optional_path("target_field")? {
        Some(target) => target,
        None => FieldPath::parse("@timestamp").map_err(|error| options.refuse("target_field", error))?,
    };
    let mut formats = Vec::new();
    for format in options.texts("formats")? {
        formats.extend(Format::parse(&format).map_err(|error| options.refuse("formats", error))?);
    }
    let zone = match options.optional_template("timezone")? {
        None => Zone::Fixed(TimeZone::UTC),
        Some(template) => match template.literal() {
            Some(name) => {
                Zone::Fixed(zone(&name).ok_or_else(|| options.refuse("timezone", format!("unknown zone {name:?}")))?)
            }
            None => Zone::Template(template),
        },
    };
    let locale = match options.optional_template("locale")? {
        Some(template) => match template.literal() {
            Some(name) if is_english(&name) => None,
            Some(name) => {
                let reason = format!("got {name:?}; only English names of months and days are known");
                return Err(options.refuse("locale", reason));
            }
            None => Some(template),
        },
        None => None,
    };
    let output = options.optional_text("output_format")?;
    let output = OutputFormat::parse(output.as_deref().unwrap_or(OUTPUT_FORMAT))
        .map_err(|error| options.refuse("output_format", error))?;
    let year = options.loader.settings.missing_year;
    let is_utc = matches!(&zone, Zone::Fixed(zone) if output.is_utc(zone));
    Ok(Box::new(Date { field, target, formats, zone, locale, output, is_utc, year }))
}

/// Whether names of months and days are English in this locale; the root locale is read as English too.
pub(super) fn is_english(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "" | "root" | "en" | "english") || name.starts_with("en-") || name.starts_with("en_")
}

impl Date {
    /// The context with the settings' way to complete years.
    fn context(&self, context: &Context) -> Context {
        Context { year: self.year.unwrap_or(context.year), ..*context }
    }
}

impl Processor for Date {
    fn plan(&self, layout: &mut Layout) -> Option<Vec<Place>> {
        if self.locale.is_some() {
            return None;
        }
        let mut places = vec![layout.leaf(&self.field)?, layout.leaf(&self.target)?];
        if let Zone::Template(template) = &self.zone {
            places.extend(template.plan(layout)?);
        }
        Some(places)
    }

    fn run_planned(&self, places: &[Place], fields: &mut Fields<'_, '_>, context: &Context) -> Step {
        let [field, target, variables @ ..] = places else { return Step::Tree };
        let own;
        let zone = match &self.zone {
            Zone::Fixed(zone) => zone,
            Zone::Template(template) => {
                let Some(name) = template.render_planned(variables, fields, Escape::Json) else { return Step::Tree };
                let Some(zone) = zone(&name) else { return Step::Failed };
                own = zone;
                &own
            }
        };
        let text = match fields.read(*field) {
            Field::Text(text) => text,
            Field::Absent => return Step::Failed,
            Field::Null | Field::Other => return Step::Tree,
        };
        let context = self.context(context);
        let Some(moment) = self.formats.iter().find_map(|format| format.read(text, zone, &context)) else {
            return Step::Failed;
        };
        if self.is_utc || self.output.is_utc(zone) {
            fields.set(*target, Slot::Time(moment.as_millisecond()));
        } else {
            fields.set_text(*target, &self.output.write(moment, zone));
        }
        Step::Next
    }

    fn run(&self, document: &mut Document, run: &mut Run<'_>) -> Result<Flow, Reason> {
        let text = match document.field(&self.field)? {
            Value::String(text) => Cow::Borrowed(text.as_str()),
            other => Cow::Owned(other.to_java_string()),
        };
        let unable = || Reason::Text(format!("unable to parse date [{text}]"));
        if let Some(locale) = &self.locale
            && !is_english(&locale.render(document, Escape::Json))
        {
            return Err(unable());
        }
        let zone = match &self.zone {
            Zone::Fixed(zone) => Cow::Borrowed(zone),
            Zone::Template(template) => Cow::Owned(zone(&template.render(document, Escape::Json)).ok_or_else(unable)?),
        };
        let context = self.context(&run.context);
        let moment = self.formats.iter().find_map(|format| format.read(&text, &zone, &context)).ok_or_else(unable)?;
        let written = self.output.write(moment, &zone);
        document.set_field(&self.target, Value::from(written))?;
        Ok(Flow::Next)
    }
}
