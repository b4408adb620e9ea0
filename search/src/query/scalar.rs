//! Values of a request, and what they mean in fields of each type.

use super::ast::{Range, Scalar};
use super::dates::{self, DateFormat};
use super::error::Refusal;
use serde_json::Value;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Bound;

/// An address among those of IPv6, where IPv4 has its place, too.
pub fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

impl Scalar {
    /// A string, number or boolean; `None`: it is none of them.
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::String(text) => Self::Text(text.clone()),
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(value), ..) => Self::Long(value),
                (_, Some(value), _) => Self::Unsigned(value),
                (.., Some(value)) => Self::Double(value),
                _ => return None,
            },
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        })
    }

    /// As a number, also of a text that is one.
    pub fn number(&self) -> Result<Scalar, Refusal> {
        match self {
            Self::Text(text) => {
                let text = text.trim();
                if let Ok(value) = text.parse() {
                    return Ok(Self::Long(value));
                }
                if let Ok(value) = text.parse() {
                    return Ok(Self::Unsigned(value));
                }
                match text.parse::<f64>() {
                    Ok(value) if value.is_finite() => Ok(Self::Double(value)),
                    _ => Err(Refusal::new("number_format_exception", format!("For input string: {text:?}"))),
                }
            }
            Self::Bool(value) => Err(Refusal::new("number_format_exception", format!("For input string: \"{value}\""))),
            number => Ok(number.clone()),
        }
    }

    /// As a boolean: `true`, `false`, `"true"`, `"false"`, and `""` for false.
    pub fn boolean(&self) -> Result<bool, Refusal> {
        match self.to_string().as_str() {
            "true" => Ok(true),
            "false" | "" => Ok(false),
            other => Err(Refusal::argument(format!("Can't parse boolean value [{other}], expected [true] or [false]"))),
        }
    }

    /// As a range of addresses, both ends in it: one address, or a network such as `10.0.0.0/8`. IPv4 is mapped into IPv6.
    pub fn addresses(&self) -> Result<(Ipv6Addr, Ipv6Addr), Refusal> {
        let text = self.to_string();
        let wrong = || Refusal::argument(format!("'{text}' is not an IP string literal."));
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| wrong())?)),
            None => (text.as_str(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(bits);
        if length > bits {
            return Err(wrong());
        }
        let host = match bits - length {
            128 => u128::MAX,
            host_bits => (1 << host_bits) - 1,
        };
        let number = u128::from(mapped(address));
        Ok((Ipv6Addr::from(number & !host), Ipv6Addr::from(number | host)))
    }

    /// As a date, in milliseconds since 1970: the first and the last one that it means, since `2024-05` is a month.
    pub fn dates(&self, now_millis: i64) -> Result<(i64, i64), Refusal> {
        let format = DateFormat::default();
        let text = self.to_string();
        let zone = jiff::tz::TimeZone::UTC;
        Ok((
            dates::math(&text, now_millis, false, &zone, &format)?,
            dates::math(&text, now_millis, true, &zone, &format)?,
        ))
    }
}

/// As it would be written in a document.
impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Long(value) => write!(f, "{value}"),
            Self::Unsigned(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value:?}"),
            Self::Bool(value) => write!(f, "{value}"),
        }
    }
}

impl Range {
    /// Of dates, in milliseconds since 1970, both ends in it. What is rounded or written without its last parts means the
    /// whole unit: after `2024-05` is from June on, and up to `now/d` is the whole day.
    pub fn dates(&self, now_millis: i64) -> Result<(i64, i64), Refusal> {
        let format = self.format.as_deref().map_or_else(|| Ok(DateFormat::default()), DateFormat::parse)?;
        let zone = self.time_zone.clone().unwrap_or(jiff::tz::TimeZone::UTC);
        let read = |value: &Scalar, up| dates::math(&value.to_string(), now_millis, up, &zone, &format);
        let lower = match &self.lower {
            Bound::Included(value) => read(value, false)?,
            Bound::Excluded(value) => read(value, true)?.saturating_add(1),
            Bound::Unbounded => i64::MIN,
        };
        let upper = match &self.upper {
            Bound::Included(value) => read(value, true)?,
            Bound::Excluded(value) => read(value, false)?.saturating_sub(1),
            Bound::Unbounded => i64::MAX,
        };
        Ok((lower, upper))
    }

    /// Of numbers; texts that are numbers are numbers.
    pub fn numbers(&self) -> Result<(Bound<Scalar>, Bound<Scalar>), Refusal> {
        let read = |bound: &Bound<Scalar>| {
            Ok(match bound {
                Bound::Included(value) => Bound::Included(value.number()?),
                Bound::Excluded(value) => Bound::Excluded(value.number()?),
                Bound::Unbounded => Bound::Unbounded,
            })
        };
        Ok((read(&self.lower)?, read(&self.upper)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn networks_are_ranges() {
        let range = |text: &str| Scalar::Text(text.into()).addresses().map(|(a, b)| (a.to_string(), b.to_string()));
        assert_eq!(range("10.1.2.3/8"), Ok(("::ffff:10.0.0.0".into(), "::ffff:10.255.255.255".into())));
        assert_eq!(range("::1"), Ok(("::1".into(), "::1".into())));
        assert_eq!(range("::/0").map(|(_, last)| last), Ok("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".into()));
        assert!(range("10.0.0.0/33").is_err() && range("ten").is_err());
    }

    #[test]
    fn texts_are_numbers_where_numbers_are_meant() {
        assert_eq!(Scalar::of(&json!("500")).map(|value| value.number()), Some(Ok(Scalar::Long(500))));
        assert_eq!(Scalar::Text("1e3".into()).number(), Ok(Scalar::Double(1000.0)));
        assert!(Scalar::Text("many".into()).number().is_err());
        assert_eq!(Scalar::of(&json!(u64::MAX)), Some(Scalar::Unsigned(u64::MAX)));
    }

    #[test]
    fn ranges_of_dates_cover_whole_units() {
        let text = |text: &str| Scalar::Text(text.to_owned());
        let range = |lower, upper| Range { lower, upper, format: None, time_zone: None }.dates(0);
        let june = 1_717_200_000_000;
        assert_eq!(range(Bound::Excluded(text("2024-05")), Bound::Unbounded), Ok((june, i64::MAX)));
        assert_eq!(range(Bound::Included(text("2024-06-01")), Bound::Unbounded), Ok((june, i64::MAX)));
        assert_eq!(range(Bound::Unbounded, Bound::Included(text("2024-05"))), Ok((i64::MIN, june - 1)));
        assert_eq!(range(Bound::Unbounded, Bound::Excluded(text("2024-06"))), Ok((i64::MIN, june - 1)));
    }
}
