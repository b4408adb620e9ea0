//! What lies on the stack while a condition runs.

use std::borrow::Cow;

use crate::document::Value;

/// A value of the document, one that was made on the way, or what is no value of a document.
#[derive(Clone, Debug)]
pub(super) enum Operand<'a> {
    Ctx,
    Params,
    Value(Cow<'a, Value>),
    /// Java's `char`, which only `(char)` and `charAt` make.
    Char(char),
}

impl<'a> Operand<'a> {
    pub const NULL: Operand<'static> = Operand::Value(Cow::Owned(Value::Null));

    pub fn borrowed(value: &'a Value) -> Operand<'a> {
        Operand::Value(Cow::Borrowed(value))
    }

    pub fn owned(value: impl Into<Value>) -> Operand<'a> {
        Operand::Value(Cow::Owned(value.into()))
    }

    pub fn integer(number: usize) -> Operand<'a> {
        Operand::owned(Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    pub fn value(&self) -> Option<&Value> {
        match self {
            Operand::Value(value) => Some(value),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.value(), Some(Value::Null))
    }

    /// The Java class as Painless' messages name it. Containers of a document are wrapped so that conditions cannot
    /// change them.
    pub fn class(&self) -> &'static str {
        const MAP: &str = "org.elasticsearch.ingest.ConditionalProcessor.UnmodifiableIngestData";
        const LIST: &str = "org.elasticsearch.ingest.ConditionalProcessor.UnmodifiableIngestList";
        match self {
            Operand::Ctx => MAP,
            Operand::Params => "java.util.Map",
            Operand::Char(_) => "java.lang.Character",
            Operand::Value(value) => match (&**value, value) {
                (Value::Map(_), Cow::Borrowed(_)) => MAP,
                (Value::List(_), Cow::Borrowed(_)) => LIST,
                (value, _) => value.java_class(),
            },
        }
    }

    /// Java's `toString`.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Operand::Value(value) => match &**value {
                Value::String(text) => Cow::Borrowed(text),
                other => Cow::Owned(other.to_java_string()),
            },
            Operand::Char(c) => Cow::Owned(c.to_string()),
            Operand::Ctx | Operand::Params => Cow::Borrowed("{}"),
        }
    }
}
