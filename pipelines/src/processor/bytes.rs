//! `bytes`: a size such as `1.5kb` as a number of bytes.

use super::text::TextField;
use super::{Flow, Processor, Reason};
use crate::document::{Document, Value};
use crate::pipeline::{Options, Refusal, Run};

#[derive(Debug)]
struct Bytes {
    text: TextField,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    Ok(Box::new(Bytes { text: TextField::parse(options)? }))
}

impl Processor for Bytes {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        self.text.change(document, bytes)
    }
}

/// Elasticsearch's reading of sizes: a number, perhaps with decimals, and a unit in any case.
fn bytes(text: &str) -> Result<Value, Reason> {
    const UNITS: [(&str, u32); 11] = [
        ("k", 10),
        ("kb", 10),
        ("m", 20),
        ("mb", 20),
        ("g", 30),
        ("gb", 30),
        ("t", 40),
        ("tb", 40),
        ("p", 50),
        ("pb", 50),
        ("b", 0),
    ];
    let fail = |reason: String| Reason::Text(reason);
    let unread = || fail(format!("failed to parse setting [Ingest Field] with value [{text}] as a size in bytes"));
    let lower = text.to_lowercase();
    let lower = lower.trim_matches(|c: char| c <= ' ');
    if lower == "-1" || lower == "0" {
        return Ok(Value::Long(lower.parse().unwrap_or(0)));
    }
    // The longer unit first, since each ends with the letter of another one.
    let unit = UNITS.iter().filter(|(unit, _)| lower.ends_with(unit)).max_by_key(|(unit, _)| unit.len());
    let Some((unit, shift)) = unit else {
        return Err(fail(format!(
            "failed to parse setting [Ingest Field] with value [{text}] as a size in bytes: unit is missing or unrecognized"
        )));
    };
    let number = lower[..lower.len() - unit.len()].trim_matches(|c: char| c <= ' ');
    if let Ok(whole) = number.parse::<i64>() {
        return match whole.checked_mul(1i64 << shift) {
            Some(bytes) if whole >= 0 || whole == -1 => Ok(Value::Long(if whole == -1 { -1 } else { bytes })),
            _ => Err(fail(format!("Values less than -1 bytes are not supported: {text}"))),
        };
    }
    match number.parse::<f64>() {
        Ok(size) if *shift > 0 && size.is_finite() && number.starts_with(|c: char| c.is_ascii_digit()) => {
            Ok(Value::Long((size * (1i64 << shift) as f64) as i64))
        }
        _ => Err(unread()),
    }
}
