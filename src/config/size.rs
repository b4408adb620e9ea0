//! Sizes as people write them: `500MiB`, `20GiB`, or bytes.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::str::FromStr;

/// A number of bytes, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "u64")]
pub struct Size(pub u64);

/// Units, and their powers of two. Those of 1000 are left out: who writes GB means one or the other.
const UNITS: [(&str, u32); 5] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("", 0)];

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Bytes(u64),
    Text(String),
}

impl TryFrom<Written> for Size {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Bytes(bytes) => bytes.to_string().parse(),
            Written::Text(text) => text.parse(),
        }
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "minimum": 1, "pattern": "^ *[0-9]+ *([KkMmGgTt][Ii][Bb])? *$" })
    }
}

impl From<Size> for u64 {
    fn from(Size(bytes): Size) -> Self {
        bytes
    }
}

/// A whole number and its unit, such as `20GiB` or `4 w`, in what `factor` counts a unit in.
pub(super) fn with_unit(text: &str, factor: impl FnOnce(&str) -> Option<u64>) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let count = digits.parse::<u64>().ok()?;
    count.checked_mul(factor(text[digits.len()..].trim())?)
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let factor = |unit: &str| {
            UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, power)| 1_u64 << power)
        };
        match with_unit(text, factor) {
            Some(bytes) if bytes > 0 => Ok(Self(bytes)),
            _ => {
                Err(format!("{text:?} is no size: want bytes, or a whole number of KiB, MiB, GiB or TiB, as in 20GiB"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn sizes_have_units_of_1024() {
        let check =
            |text: &str, want: Option<u64>| assert_eq!(text.parse::<Size>().ok().map(|size| size.0), want, "{text}");
        check("1", Some(1));
        check("500 MiB", Some(500 << 20));
        check("20gib", Some(20 << 30));
        check("0", None);
        check("5GB", None);
        check("GiB", None);
        check("-3KiB", None);
        check("1.5GiB", None);
        check("99999999999999999999", None);
        check("99999999999TiB", None);
    }
}
