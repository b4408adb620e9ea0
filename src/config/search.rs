//! The keys of the embedded store, and how long documents are kept.

use super::Size;
use super::size::with_unit;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::str::FromStr;

/// The embedded store of `sluice up`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SearchSection {
    /// Address of its API and of the page [127.0.0.1:9200].
    pub listen: Option<SocketAddr>,
    /// How long documents are kept after the end of their day, as in 12h, 30d or 4w [no limit].
    pub retention: Option<Age>,
    /// Bytes of all documents on disk; the oldest days go first [no limit].
    pub retention_bytes: Option<Size>,
}

/// A number of hours, days or weeks, at least an hour: `12h`, `30d`, `4w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Age {
    hours: u32,
}

/// Units, and their hours.
const UNITS: [(&str, u64); 3] = [("h", 1), ("d", 24), ("w", 7 * 24)];

impl Age {
    #[cfg(feature = "search")]
    pub fn duration(self) -> std::time::Duration {
        std::time::Duration::from_secs(u64::from(self.hours) * 3600)
    }
}

impl JsonSchema for Age {
    fn schema_name() -> Cow<'static, str> {
        "Age".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^ *[0-9]+ *[hdw] *$" })
    }
}

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let factor = |unit: &str| UNITS.iter().find(|(name, _)| *name == unit).map(|(_, hours)| *hours);
        match with_unit(text, factor).and_then(|hours| u32::try_from(hours).ok()) {
            Some(hours) if hours > 0 => Ok(Self { hours }),
            _ => Err(format!("{text:?} is no age: want a whole number of hours, days or weeks, as in 12h, 30d or 4w")),
        }
    }
}

impl TryFrom<String> for Age {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Age> for String {
    fn from(age: Age) -> Self {
        match age.hours % 24 {
            0 => format!("{}d", age.hours / 24),
            _ => format!("{}h", age.hours),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Age;

    #[test]
    fn ages_have_units() {
        let check = |text: &str, want: Option<u64>| {
            let hours = text.parse::<Age>().ok().map(|age| u64::from(age.hours));
            assert_eq!(hours, want, "{text}");
        };
        check("12h", Some(12));
        check("30d", Some(720));
        check("4 w", Some(672));
        check("0d", None);
        check("30", None);
        check("d", None);
        check("1.5d", None);
        check("99999999999d", None);
        check("4294967295w", None);
    }
}
