//! `date_index_name`: sends a document to an index that is named after its time.
//!
//! As in Elasticsearch the name is a date math expression, which the bulk request's receiver resolves.

use jiff::tz::TimeZone;

use super::{Flow, Processor, Reason};
use crate::date::{Format, OutputFormat, zone};
use crate::document::{Document, FieldPath, Value};
use crate::pipeline::{Options, Refusal, Run};
use crate::template::{Escape, Template};

/// How times are read unless a pipeline says otherwise.
const DATE_FORMAT: &str = "yyyy-MM-dd'T'HH:mm:ss.SSSXX";
const INDEX_NAME_FORMAT: &str = "yyyy-MM-dd";

#[derive(Debug)]
struct DateIndexName {
    field: FieldPath,
    formats: Vec<Format>,
    zone: TimeZone,
    zone_name: String,
    prefix: Template,
    rounding: Template,
    name_format: Template,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.path("field")?;
    let texts = options.text_or_texts("date_formats")?.unwrap_or_else(|| vec![DATE_FORMAT.to_owned()]);
    let mut formats = Vec::new();
    for text in &texts {
        formats.extend(Format::parse(text).map_err(|error| options.refuse("date_formats", error))?);
    }
    let zone_name = options.optional_text("timezone")?.unwrap_or_else(|| "UTC".to_owned());
    let zone = zone(&zone_name).ok_or_else(|| options.refuse("timezone", format!("unknown zone {zone_name:?}")))?;
    let locale = options.optional_text("locale")?.unwrap_or_default();
    if !super::date::is_english(&locale) {
        let reason = format!("got {locale:?}; only English names of months and days are known");
        return Err(options.refuse("locale", reason));
    }
    let template = |options: &Options<'_>, name: &str, text: &str| {
        Template::parse(text).map_err(|error| options.refuse(name, error))
    };
    let prefix = options.optional_text("index_name_prefix")?.unwrap_or_default();
    let prefix = template(options, "index_name_prefix", &prefix)?;
    let rounding = options.text("date_rounding")?;
    let rounding = template(options, "date_rounding", &rounding)?;
    let name_format = options.optional_text("index_name_format")?.unwrap_or_else(|| INDEX_NAME_FORMAT.to_owned());
    let name_format = template(options, "index_name_format", &name_format)?;
    Ok(Box::new(DateIndexName { field, formats, zone, zone_name, prefix, rounding, name_format }))
}

impl Processor for DateIndexName {
    fn run(&self, document: &mut Document, run: &mut Run<'_>) -> Result<Flow, Reason> {
        let text = match document.field(&self.field)? {
            Value::Null => {
                return Err(Reason::Text(format!("field [{}] is null, cannot process it.", self.field.as_str())));
            }
            Value::String(text) => text.to_string(),
            number @ (Value::Integer(_) | Value::Long(_) | Value::Float(_) | Value::Double(_)) => {
                number.to_java_string()
            }
            other => {
                let (name, class) = (self.field.as_str(), other.java_class());
                return Err(Reason::Text(format!(
                    "field [{name}] of type [{class}] cannot be cast to [java.lang.String]"
                )));
            }
        };
        // As in Elasticsearch, which goes on after a format that reads the text.
        let moment = self.formats.iter().rev().find_map(|format| format.read(&text, &self.zone, &run.context));
        let moment = moment.ok_or_else(|| Reason::Text(format!("unable to parse date [{text}]")))?;
        let prefix = self.prefix.render(document, Escape::Json);
        let rounding = self.rounding.render(document, Escape::Json);
        let name_format = self.name_format.render(document, Escape::Json);
        let writer = OutputFormat::parse(&name_format).map_err(|error| Reason::Text(error.to_string()))?;
        let written = writer.write(moment, &self.zone);
        let zone = &self.zone_name;
        let name = format!("<{prefix}{{{written}||/{rounding}{{{name_format}|{zone}}}}}>");
        document.set("_index", Value::from(name))?;
        Ok(Flow::Next)
    }
}
