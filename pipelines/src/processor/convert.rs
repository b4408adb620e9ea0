//! `convert`: gives a field, or each value of a list, another type.

use std::borrow::Cow;
use std::net::IpAddr;

use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Value};
use crate::pipeline::{Context, Options, Refusal, Run};
use crate::slots::{Fields, Layout, Place, Slot, Step};

#[derive(Debug)]
struct Convert {
    field: FieldPath,
    target: FieldPath,
    kind: Kind,
    ignore_missing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    Long,
    Float,
    Double,
    Boolean,
    Ip,
    String,
    /// The first of boolean, integer, long, float and double that reads a text, else the text.
    Auto,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    const KINDS: [&str; 8] = ["integer", "long", "float", "double", "boolean", "ip", "string", "auto"];
    let field = options.path("field")?;
    let target = options.optional_path("target_field")?.unwrap_or_else(|| field.clone());
    // Asked for as a text first, since it has no default.
    options.text("type")?;
    let kind = match options.word("type", &KINDS, "")?.as_str() {
        "integer" => Kind::Integer,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "boolean" => Kind::Boolean,
        "ip" => Kind::Ip,
        "string" => Kind::String,
        _ => Kind::Auto,
    };
    let ignore_missing = options.flag("ignore_missing", false)?;
    Ok(Box::new(Convert { field, target, kind, ignore_missing }))
}

impl Processor for Convert {
    fn plan(&self, layout: &mut Layout) -> Option<Vec<Place>> {
        Some(vec![layout.leaf(&self.field)?, layout.leaf(&self.target)?])
    }

    fn run_planned(&self, places: &[Place], fields: &mut Fields<'_, '_>, _: &Context) -> Step {
        let [field, target] = places else { return Step::Tree };
        let slot = fields.slot(*field);
        // Most are digits of the line.
        if matches!(self.kind, Kind::Long | Kind::Integer)
            && let Some(number) = fields.line_bytes(slot).and_then(digits)
            && (self.kind == Kind::Long || number <= i64::from(i32::MAX))
        {
            fields.set(*target, if self.kind == Kind::Long { Slot::Long(number) } else { Slot::Integer(number) });
            return Step::Next;
        }
        let Some(text) = fields.text(slot) else {
            return match slot {
                Slot::Absent | Slot::Null if self.ignore_missing => Step::Next,
                Slot::Absent | Slot::Null => Step::Failed,
                _ => Step::Tree,
            };
        };
        let number = match self.kind {
            Kind::Long => integer(text).map(Slot::Long),
            Kind::Integer => integer(text).filter(|number| i32::try_from(*number).is_ok()).map(Slot::Integer),
            _ => {
                return match self.kind.convert(&Value::from(text)) {
                    // A text stays what it is.
                    Ok(Value::String(_)) => {
                        fields.set(*target, slot);
                        Step::Next
                    }
                    Ok(value) => {
                        fields.set_value(*target, &value);
                        Step::Next
                    }
                    Err(_) => Step::Failed,
                };
            }
        };
        let Some(number) = number else { return Step::Failed };
        fields.set(*target, number);
        Step::Next
    }

    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        if self.ignore_missing && !document.has_field(&self.field) {
            return Ok(Flow::Next);
        }
        let new = match document.field(&self.field)? {
            Value::Null if self.ignore_missing => return Ok(Flow::Next),
            Value::Null => {
                let name = self.field.as_str();
                return Err(Reason::Text(format!(
                    "Field [{name}] is null, cannot be converted to type [{}]",
                    self.kind.name()
                )));
            }
            Value::List(values) => {
                Value::List(values.iter().map(|value| self.kind.convert(value)).collect::<Result<_, _>>()?)
            }
            value => self.kind.convert(value)?,
        };
        document.set_field(&self.target, new)?;
        Ok(Flow::Next)
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Integer => "integer",
            Kind::Long => "long",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::Boolean => "boolean",
            Kind::Ip => "ip",
            Kind::String => "string",
            Kind::Auto => "auto",
        }
    }

    fn not_a_number(self, text: &str) -> String {
        let decimals = matches!(self, Kind::Float | Kind::Double);
        let trimmed = if decimals { text.trim_matches(|c: char| c <= ' ') } else { text };
        if trimmed.is_empty() && decimals {
            return "empty String".to_owned();
        }
        let digits = trimmed.trim_start_matches(['+', '-']);
        let mut points = digits.split('.');
        let whole = |part: Option<&str>| part.is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        if decimals && whole(points.next()) && whole(points.next()) && points.next().is_some() {
            return "multiple points".to_owned();
        }
        match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            Some(hex) if !decimals => {
                let sign = if trimmed.starts_with('-') { "-" } else { "" };
                format!("For input string: \"{sign}{hex}\" under radix 16")
            }
            _ => format!("For input string: \"{trimmed}\""),
        }
    }

    fn convert(self, value: &Value) -> Result<Value, Reason> {
        // Elasticsearch reads the text that Java makes of a value.
        let text = match value {
            Value::String(text) => Cow::Borrowed(text.as_str()),
            other => Cow::Owned(other.to_java_string()),
        };
        let converted = match self {
            Kind::Integer => integer(&text).filter(|number| i32::try_from(*number).is_ok()).map(Value::Integer),
            Kind::Long => integer(&text).map(Value::Long),
            Kind::Float => float(&text).map(|number| Value::Float(number as f32)),
            Kind::Double => float(&text).map(Value::Double),
            Kind::Boolean => {
                return boolean(&text).ok_or_else(|| {
                    Reason::Text(format!("[{text}] is not a boolean value, cannot convert to boolean"))
                });
            }
            Kind::Ip => match text.parse::<IpAddr>() {
                Ok(_) => return Ok(Value::from(&*text)),
                Err(_) => return Err(Reason::Text(format!("'{text}' is not an IP string literal."))),
            },
            Kind::String => return Ok(Value::from(&*text)),
            Kind::Auto => return Ok(if let Value::String(text) = value { auto(text) } else { value.clone() }),
        };
        // The innermost reason of Elasticsearch's failure is that of Java's parser.
        converted.ok_or_else(|| Reason::Text(self.not_a_number(&text)))
    }
}

/// The number of digits alone, so few that it fits in any case.
#[inline]
fn digits(bytes: &[u8]) -> Option<i64> {
    if !(1..=18).contains(&bytes.len()) {
        return None;
    }
    let (number, are_digits) = bytes.iter().fold((0i64, true), |(number, are_digits), byte| {
        let digit = byte.wrapping_sub(b'0');
        (number.wrapping_mul(10).wrapping_add(i64::from(digit)), are_digits & (digit < 10))
    });
    are_digits.then_some(number)
}

/// Decimal digits, or hexadecimal ones behind `0x`.
fn integer(text: &str) -> Option<i64> {
    if let Some(number) = digits(text.as_bytes()) {
        return Some(number);
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

/// Java reads digits, `NaN` and `Infinity`, but not the words that Rust reads besides.
fn float(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let word = text.trim_start_matches(['+', '-']);
    let known = word.starts_with(|c: char| c.is_ascii_digit() || c == '.') || matches!(word, "NaN" | "Infinity");
    // Java takes its own suffixes of literals.
    let text = if known { text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text) } else { text };
    if known { text.parse().ok() } else { None }
}

fn boolean(text: &str) -> Option<Value> {
    if text.eq_ignore_ascii_case("true") {
        return Some(Value::Bool(true));
    }
    text.eq_ignore_ascii_case("false").then_some(Value::Bool(false))
}

fn auto(text: &str) -> Value {
    boolean(text)
        .or_else(|| integer(text).map(Value::Integer))
        .or_else(|| float(text).map(|number| Value::Float(number as f32)))
        .unwrap_or_else(|| Value::from(text))
}
