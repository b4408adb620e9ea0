//! A value of a document: what JSON can say, with Java's number types where Elasticsearch keeps them apart.

use compact_str::CompactString;

use super::map::Map;

/// A text of a document, or a key: up to 24 bytes lie in the value itself, as most fields of a log do.
pub type Text = CompactString;

/// One value of a document's tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// A number as JSON has it: Java's `Integer` where it fits 32 bits, else `Long`.
    Integer(i64),
    /// A `Long` of any size, as `convert` and grok make it: to Java's `equals` another thing than an `Integer`.
    Long(i64),
    /// An integer that does not fit 64 bits with sign, as its decimal digits.
    BigInteger(Box<str>),
    /// Java's `Float`, made by `convert` and grok only; JSON's numbers are doubles.
    Float(f32),
    Double(f64),
    String(Text),
    List(Vec<Value>),
    Map(Map),
}

impl Value {
    /// The text of a string; none for every other type.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The name of the Java class that Elasticsearch would hold here: its messages have it.
    pub fn java_class(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "java.lang.Boolean",
            Value::Integer(number) if i32::try_from(*number).is_ok() => "java.lang.Integer",
            Value::Integer(_) | Value::Long(_) => "java.lang.Long",
            Value::BigInteger(_) => "java.math.BigInteger",
            Value::Float(_) => "java.lang.Float",
            Value::Double(_) => "java.lang.Double",
            Value::String(_) => "java.lang.String",
            Value::List(_) => "java.util.ArrayList",
            Value::Map(_) => "java.util.HashMap",
        }
    }

    /// What Java's `toString` gives: templates and messages show values so.
    pub fn to_java_string(&self) -> String {
        let mut text = String::new();
        self.push_java_string(&mut text);
        text
    }

    fn push_java_string(&self, text: &mut String) {
        match self {
            Value::Null => text.push_str("null"),
            Value::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
            Value::Integer(number) | Value::Long(number) => text.push_str(&number.to_string()),
            Value::BigInteger(digits) => text.push_str(digits),
            Value::Float(number) => text.push_str(&java_float(
                f64::from(*number),
                &shortest(f64::from(*number), &format!("{number:e}"), |text| text.parse::<f32>() == Ok(*number)),
            )),
            Value::Double(number) => text.push_str(&java_float(
                *number,
                &shortest(*number, &format!("{number:e}"), |text| text.parse::<f64>() == Ok(*number)),
            )),
            Value::String(string) => text.push_str(string),
            Value::List(values) => {
                text.push('[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        text.push_str(", ");
                    }
                    value.push_java_string(text);
                }
                text.push(']');
            }
            Value::Map(map) => {
                text.push('{');
                for (index, (key, value)) in map.iter().enumerate() {
                    if index > 0 {
                        text.push_str(", ");
                    }
                    text.push_str(key);
                    text.push('=');
                    value.push_java_string(text);
                }
                text.push('}');
            }
        }
    }
}

/// Of the shortest digits that are still this number Java takes those nearest to it, and the even ones of two that are
/// equally near; Rust's (`scientific`) may be the others. `is_same` tells whether digits are the same number.
fn shortest(exact: f64, scientific: &str, is_same: impl Fn(&str) -> bool) -> String {
    let digits = scientific.split('e').next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count();
    let nearest = format!("{exact:.*e}", digits.saturating_sub(1));
    if is_same(&nearest) { nearest } else { scientific.to_owned() }
}

/// Java writes 1.0E10 from ten million on and below a thousandth, plain decimals between; `scientific` holds the
/// shortest digits as Rust writes them (`1.5e10`).
fn java_float(number: f64, scientific: &str) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = number.abs();
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let negative = mantissa.starts_with('-');
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let mut text = if negative { "-".to_owned() } else { String::new() };
        if exponent < 0 {
            text.push_str("0.");
            text.extend(std::iter::repeat_n('0', exponent.unsigned_abs() as usize - 1));
            text.push_str(&digits);
        } else {
            let whole = exponent.unsigned_abs() as usize + 1;
            for index in 0..whole {
                text.push(digits.as_bytes().get(index).map_or('0', |digit| char::from(*digit)));
            }
            text.push('.');
            text.push_str(if digits.len() > whole { &digits[whole..] } else { "0" });
        }
        return text;
    }
    let point = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{point}E{exponent}")
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text.into())
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Value {
        Value::String(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Integer(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Value {
        i64::try_from(number).map_or_else(|_| Value::BigInteger(number.to_string().into_boxed_str()), Value::Integer)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value::Bool(truth)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Value {
        Value::Map(map)
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Value {
        Value::List(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: Value, expect: &str) {
        assert_eq!(value.to_java_string(), expect);
    }

    #[test]
    fn numbers_read_as_java_writes_them() {
        check(Value::Double(1e10), "1.0E10");
        check(Value::Double(1.25e-5), "1.25E-5");
        check(Value::Double(0.0), "0.0");
        check(Value::Double(-0.0), "-0.0");
        check(Value::Double(100.0), "100.0");
        check(Value::Double(1234.5), "1234.5");
        check(Value::Double(0.001), "0.001");
        check(Value::Double(-0.25), "-0.25");
        check(Value::Float(1.1), "1.1");
        check(Value::Double(9_999_999.0), "9999999.0");
        check(Value::Float(2_754_133.0 / 8.0), "344266.62");
        check(Value::Float(12_237_585.0 / 4.0), "3059396.2");
    }

    #[test]
    fn lists_and_maps_read_as_java_writes_them() {
        let mut map = Map::new();
        map.insert("a", 1i64);
        map.insert("b", Value::Null);
        check(Value::List(vec![Value::from("x"), Value::Map(map)]), "[x, {a=1, b=null}]");
    }
}
