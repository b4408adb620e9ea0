//! `urldecode`: undoes the escaping of URLs; a plus is a blank.

use super::text::TextField;
use super::{Flow, Processor, Reason};
use crate::document::{Document, Value};
use crate::pipeline::{Options, Refusal, Run};

#[derive(Debug)]
struct UrlDecode {
    text: TextField,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    Ok(Box::new(UrlDecode { text: TextField::parse(options)? }))
}

impl Processor for UrlDecode {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        self.text.change(document, |text| decode(text).map(Value::from))
    }
}

/// Java's `URLDecoder`.
fn decode(text: &str) -> Result<String, Reason> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let fail = |reason: &str| Reason::Text(format!("URLDecoder: {reason}"));
                let Some(digits) = behind.get(..2) else {
                    return Err(fail("Incomplete trailing escape (%) pattern"));
                };
                let value = |digit: u8| char::from(digit).to_digit(16);
                let (Some(high), Some(low)) = (value(digits[0]), value(digits[1])) else {
                    let digits = text.get(text.len() - behind.len()..).unwrap_or_default();
                    let digits: String = digits.chars().take(2).collect();
                    return Err(fail(&format!(
                        "Illegal hex characters in escape (%) pattern - Error at index 0 in: \"{digits}\""
                    )));
                };
                bytes.push((high * 16 + low) as u8);
                rest = &behind[2..];
            }
            byte => bytes.push(*byte),
        }
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}
