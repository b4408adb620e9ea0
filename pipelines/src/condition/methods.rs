//! The methods that conditions can call, with Java's meaning and messages.

use std::borrow::Cow;

use super::number::Number;
use super::operand::Operand;
use super::program::{Path, Root};
use crate::document::{Document, Map, Value};

/// Names and numbers of arguments, whatever they are called on: that is known only when a condition runs.
const METHODS: &[(&str, &[usize])] = &[
    ("charAt", &[1]),
    ("compareTo", &[1]),
    ("compareToIgnoreCase", &[1]),
    ("contains", &[1]),
    ("containsKey", &[1]),
    ("containsValue", &[1]),
    ("doubleValue", &[0]),
    ("endsWith", &[1]),
    ("equals", &[1]),
    ("equalsIgnoreCase", &[1]),
    ("floatValue", &[0]),
    ("get", &[1]),
    ("getOrDefault", &[2]),
    ("indexOf", &[1, 2]),
    ("intValue", &[0]),
    ("isEmpty", &[0]),
    ("keySet", &[0]),
    ("lastIndexOf", &[1]),
    ("length", &[0]),
    ("longValue", &[0]),
    ("replace", &[2]),
    ("size", &[0]),
    ("startsWith", &[1]),
    ("substring", &[1, 2]),
    ("toLowerCase", &[0]),
    ("toString", &[0]),
    ("toUpperCase", &[0]),
    ("trim", &[0]),
    ("values", &[0]),
];

/// Refuses a method that is not known, when a pipeline is loaded.
pub(super) fn check(name: &str, arguments: usize) -> Result<(), String> {
    match METHODS.iter().find(|(known, _)| *known == name) {
        None => Err(format!("method {name:?} is not supported in conditions")),
        Some((_, counts)) if counts.contains(&arguments) => Ok(()),
        Some(_) => Err(format!("method {name:?} does not take {arguments} arguments")),
    }
}

/// Calls a method; the receiver is not null.
pub(super) fn call<'a>(
    document: &'a Document,
    params: &'a Map,
    receiver: Operand<'a>,
    name: &str,
    arguments: &[Operand<'a>],
) -> Result<Operand<'a>, String> {
    let class = receiver.class();
    let unknown = || Err(format!("dynamic method [{class}, {name}/{}] not found", arguments.len()));
    match (name, arguments) {
        ("toString", []) => return Ok(Operand::owned(receiver.text().into_owned())),
        ("equals", [other]) => return Ok(Operand::owned(java_equals(&receiver, other))),
        _ => {}
    }
    let found = match receiver {
        Operand::Ctx => of_ctx(document, name, arguments),
        Operand::Params => of_map(params, name, arguments),
        Operand::Char(_) => None,
        Operand::Value(Cow::Borrowed(value)) => match value {
            Value::String(text) => of_text(text, name, arguments),
            Value::List(list) => of_list(list, name, arguments),
            Value::Map(map) => of_map(map, name, arguments),
            value => of_number(value, name),
        },
        Operand::Value(Cow::Owned(value)) => match &value {
            Value::String(text) => of_text(text, name, arguments),
            Value::List(list) => of_list(list, name, arguments).map(|result| result.map(into_owned)),
            Value::Map(map) => of_map(map, name, arguments).map(|result| result.map(into_owned)),
            value => of_number(value, name),
        },
    };
    found.unwrap_or_else(unknown)
}

fn into_owned<'a>(operand: Operand<'_>) -> Operand<'a> {
    match operand {
        Operand::Value(value) => Operand::owned(value.into_owned()),
        Operand::Char(c) => Operand::Char(c),
        Operand::Ctx => Operand::Ctx,
        Operand::Params => Operand::Params,
    }
}

/// Java's `equals`: another number type is another thing.
fn java_equals(left: &Operand<'_>, right: &Operand<'_>) -> bool {
    match (left, right) {
        (Operand::Value(Cow::Borrowed(Value::List(_) | Value::Map(_))), _) => false,
        (Operand::Value(left), Operand::Value(right)) => left == right,
        (Operand::Char(left), Operand::Char(right)) => left == right,
        _ => false,
    }
}

type Answer<'a> = Option<Result<Operand<'a>, String>>;

/// A text argument. Painless binds calls by the types that it sees, hence the odd message for another type.
fn text<'t>(argument: &'t Operand<'_>, parameter: &str, null: &str) -> Result<&'t str, String> {
    match argument.value() {
        Some(Value::String(text)) => Ok(text),
        Some(Value::Null) => Err(null.to_owned()),
        _ => {
            let class = argument.class();
            let kind = match class {
                "java.lang.Integer" => "int",
                "java.lang.Long" => "long",
                "java.lang.Float" => "float",
                "java.lang.Double" => "double",
                "java.lang.Boolean" => "boolean",
                class => class.rsplit('.').next().unwrap_or(class),
            };
            Err(format!("cannot convert MethodHandle(String,{parameter})boolean to (Object,{kind})Object"))
        }
    }
}

fn of_text<'a>(receiver: &str, name: &str, arguments: &[Operand<'a>]) -> Answer<'a> {
    const NO_TEXT: &str = "Cannot invoke \"java.lang.CharSequence.toString()\" because \"s\" is null";
    const NO_PREFIX: &str = "Cannot invoke \"String.length()\" because \"prefix\" is null";
    const NO_SUFFIX: &str = "Cannot invoke \"String.length()\" because \"suffix\" is null";
    const NO_OTHER: &str = "Cannot read field \"value\" because \"anotherString\" is null";
    let string = |result: Result<String, String>| Some(result.map(Operand::owned));
    let flag = |result: Result<bool, String>| Some(result.map(Operand::owned));
    let integer = |result: Result<i64, String>| Some(result.map(|number| Operand::owned(Value::Integer(number))));
    match (name, arguments) {
        ("contains", [part]) => flag(text(part, "CharSequence", NO_TEXT).map(|part| receiver.contains(part))),
        ("startsWith", [part]) => flag(text(part, "String", NO_PREFIX).map(|part| receiver.starts_with(part))),
        ("endsWith", [part]) => flag(text(part, "String", NO_SUFFIX).map(|part| receiver.ends_with(part))),
        ("equalsIgnoreCase", [other]) => flag(Ok(match other.value() {
            Some(Value::String(other)) => receiver.to_lowercase() == other.to_lowercase(),
            _ => false,
        })),
        ("isEmpty", []) => flag(Ok(receiver.is_empty())),
        ("length", []) => integer(Ok(utf16_length(receiver))),
        ("toLowerCase", []) => string(Ok(receiver.to_lowercase())),
        ("toUpperCase", []) => string(Ok(receiver.to_uppercase())),
        ("trim", []) => string(Ok(receiver.trim_matches(|c: char| c <= ' ').to_owned())),
        ("replace", [from, to]) => string(
            text(from, "CharSequence", NO_TEXT)
                .and_then(|from| Ok(receiver.replace(from, text(to, "CharSequence", NO_TEXT)?))),
        ),
        ("indexOf", [part]) => integer(text(part, "String", NO_TEXT).map(|part| index(receiver, receiver.find(part)))),
        ("indexOf", [part, from]) => integer(text(part, "String", NO_TEXT).map(|part| {
            let from = Number::of(from).map_or(0, |number| usize::try_from(number.int()).unwrap_or(0));
            let start = byte_place(receiver, from).unwrap_or(receiver.len());
            index(receiver, receiver[start..].find(part).map(|found| start + found))
        })),
        ("lastIndexOf", [part]) => {
            integer(text(part, "String", NO_TEXT).map(|part| index(receiver, receiver.rfind(part))))
        }
        ("charAt", [place]) => {
            let place = Number::of(place).map_or(-1, Number::int);
            let found = usize::try_from(place).ok().and_then(|place| byte_place(receiver, place));
            Some(match found.and_then(|start| receiver[start..].chars().next()) {
                Some(c) => Ok(Operand::Char(c)),
                None => {
                    let length = utf16_length(receiver);
                    Err(format!("Index {place} out of bounds for length {length}"))
                }
            })
        }
        ("substring", [start]) => string(substring(receiver, Number::of(start), None)),
        ("substring", [start, end]) => string(substring(receiver, Number::of(start), Number::of(end))),
        ("compareTo", [other]) => integer(text(other, "String", NO_OTHER).map(|other| compare(receiver, other))),
        ("compareToIgnoreCase", [other]) => integer(
            text(other, "String", NO_OTHER).map(|other| compare(&receiver.to_lowercase(), &other.to_lowercase())),
        ),
        _ => None,
    }
}

/// Java counts UTF-16 units.
fn utf16_length(text: &str) -> i64 {
    text.chars().map(|c| c.len_utf16() as i64).sum()
}

fn index(text: &str, place: Option<usize>) -> i64 {
    place.map_or(-1, |place| utf16_length(&text[..place]))
}

/// Where a UTF-16 index is in the text; inside a pair it is the next character.
fn byte_place(text: &str, units: usize) -> Option<usize> {
    let mut seen = 0;
    for (place, c) in text.char_indices() {
        if seen >= units {
            return Some(place);
        }
        seen += c.len_utf16();
    }
    (seen >= units).then_some(text.len())
}

fn substring(text: &str, start: Option<Number>, end: Option<Number>) -> Result<String, String> {
    let length = utf16_length(text);
    let start = start.map_or(0, |number| i64::from(number.int()));
    let end = end.map_or(length, |number| i64::from(number.int()));
    let place = |units: i64| usize::try_from(units).ok().and_then(|units| byte_place(text, units));
    match (place(start), place(end)) {
        (Some(from), Some(to)) if from <= to && end <= length => Ok(text[from..to].to_owned()),
        _ => Err(format!("Range [{start}, {end}) out of bounds for length {length}")),
    }
}

/// The first differing UTF-16 unit, or the difference of the lengths.
fn compare(left: &str, right: &str) -> i64 {
    let differing = left.encode_utf16().zip(right.encode_utf16()).find(|(left, right)| left != right);
    match differing {
        Some((left, right)) => i64::from(left) - i64::from(right),
        None => utf16_length(left) - utf16_length(right),
    }
}

fn of_list<'a>(list: &'a [Value], name: &str, arguments: &[Operand<'_>]) -> Answer<'a> {
    Some(Ok(match (name, arguments) {
        ("contains", [value]) => Operand::owned(value.value().is_some_and(|value| list.contains(value))),
        ("isEmpty", []) => Operand::owned(list.is_empty()),
        ("size", []) => Operand::integer(list.len()),
        ("indexOf", [value]) => {
            let place = value.value().and_then(|value| list.iter().position(|item| item == value));
            Operand::owned(Value::Integer(place.map_or(-1, |place| place as i64)))
        }
        ("lastIndexOf", [value]) => {
            let place = value.value().and_then(|value| list.iter().rposition(|item| item == value));
            Operand::owned(Value::Integer(place.map_or(-1, |place| place as i64)))
        }
        ("get", [index]) => {
            let index = Number::of(index).map_or(-1, Number::int);
            match usize::try_from(index).ok().and_then(|index| list.get(index)) {
                Some(value) => Operand::borrowed(value),
                None => return Some(Err(format!("Index {index} out of bounds for length {}", list.len()))),
            }
        }
        _ => return None,
    }))
}

fn of_map<'a>(map: &'a Map, name: &str, arguments: &[Operand<'a>]) -> Answer<'a> {
    let key = |argument: &Operand<'_>| argument.value().and_then(Value::as_str).map(str::to_owned);
    Some(Ok(match (name, arguments) {
        ("containsKey", [name]) => Operand::owned(key(name).is_some_and(|key| map.contains_key(&key))),
        ("containsValue", [value]) => {
            Operand::owned(value.value().is_some_and(|value| map.iter().any(|(_, item)| item == value)))
        }
        ("get", [name]) => key(name).and_then(|key| map.get(&key)).map_or(Operand::NULL, Operand::borrowed),
        ("getOrDefault", [name, otherwise]) => {
            key(name).and_then(|key| map.get(&key)).map_or_else(|| otherwise.clone(), Operand::borrowed)
        }
        ("isEmpty", []) => Operand::owned(map.is_empty()),
        ("size", []) => Operand::integer(map.len()),
        ("keySet", []) => Operand::owned(Value::List(map.iter().map(|(key, _)| Value::from(key)).collect())),
        ("values", []) => Operand::owned(Value::List(map.iter().map(|(_, value)| value.clone()).collect())),
        _ => return None,
    }))
}

fn of_ctx<'a>(document: &'a Document, name: &str, arguments: &[Operand<'a>]) -> Answer<'a> {
    let find = |argument: &Operand<'_>| {
        let name = argument.value()?.as_str()?;
        match Root::of(name) {
            Root::Source(name) => document.source().get(&name),
            root => super::evaluate::walk(&Path { root, hops: Vec::new() }, document)
                .ok()
                .filter(|value| **value != Value::Null),
        }
    };
    match (name, arguments) {
        ("containsKey", [name]) => Some(Ok(Operand::owned(find(name).is_some()))),
        ("get", [name]) => Some(Ok(find(name).map_or(Operand::NULL, Operand::borrowed))),
        ("getOrDefault", [name, otherwise]) => {
            Some(Ok(find(name).map_or_else(|| otherwise.clone(), Operand::borrowed)))
        }
        _ => of_map(document.source(), name, arguments),
    }
}

fn of_number<'a>(value: &Value, name: &str) -> Answer<'a> {
    let number = Number::of_value(value)?;
    Some(Ok(Operand::owned(match name {
        "intValue" => Value::Integer(number.int().into()),
        "longValue" => Value::Long(number.long()),
        "doubleValue" => Value::Double(number.double()),
        "floatValue" => Value::Float(number.double() as f32),
        _ => return None,
    })))
}
