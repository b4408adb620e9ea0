//! What operators do with values: casts, `instanceof`, equality, arithmetic.

use std::borrow::Cow;

use super::number::{self, Number};
use super::operand::Operand;
use super::syntax::{Binary, Type};
use crate::document::Value;

/// A truth value, which everything else than a boolean is not.
pub(super) fn truth(operand: &Operand<'_>) -> Result<bool, String> {
    match operand.value() {
        Some(Value::Bool(truth)) => Ok(*truth),
        Some(Value::Null) => Err(null_in("value")),
        _ => Err(format!("cannot cast def [{}] to boolean", type_name(operand))),
    }
}

pub(super) fn null_in(name: &str) -> String {
    format!("Cannot invoke \"Object.getClass()\" because \"{name}\" is null")
}

/// The type as Painless' casts name it: primitive where there is a primitive.
pub(super) fn type_name(operand: &Operand<'_>) -> &'static str {
    match operand.class() {
        "java.lang.Integer" => "int",
        "java.lang.Long" => "long",
        "java.lang.Float" => "float",
        "java.lang.Double" => "double",
        "java.lang.Boolean" => "boolean",
        "java.lang.Character" => "char",
        class => class,
    }
}

pub(super) fn cast<'a>(operand: Operand<'a>, kind: Type) -> Result<Operand<'a>, String> {
    let fail = |operand: &Operand<'_>, name: &str| {
        Err(format!("cannot explicitly cast def [{}] to {name}", type_name(operand)))
    };
    match kind {
        Type::Any => Ok(operand),
        Type::Byte | Type::Short | Type::Integer | Type::Long | Type::Float | Type::Double => {
            if operand.is_null() {
                return Err(null_in("value"));
            }
            match Number::of(&operand).and_then(|number| number.cast(kind)) {
                Some(number) => Ok(Operand::owned(number.value())),
                None => fail(&operand, &format!("{kind:?}").to_lowercase().replace("integer", "int")),
            }
        }
        Type::Character => match &operand {
            Operand::Char(_) => Ok(operand),
            Operand::Value(value) => match &**value {
                Value::String(text) => {
                    let mut chars = text.chars();
                    match (chars.next(), chars.next()) {
                        (Some(c), None) => Ok(Operand::Char(c)),
                        _ => Err("cannot cast java.lang.String with length not equal to one to char".to_owned()),
                    }
                }
                Value::Null => Err(null_in("value")),
                value => match Number::of_value(value).and_then(|number| char::from_u32(number.int() as u32)) {
                    Some(c) => Ok(Operand::Char(c)),
                    None => fail(&operand, "char"),
                },
            },
            _ => fail(&operand, "char"),
        },
        Type::Boolean => truth(&operand).map(Operand::owned),
        Type::String if matches!(operand, Operand::Char(_)) => Ok(Operand::owned(operand.text().into_owned())),
        _ if operand.is_null() || is_instance(&operand, kind) => Ok(operand),
        Type::String => fail(&operand, "java.lang.String"),
        Type::List => fail(&operand, "java.util.List"),
        Type::Map => fail(&operand, "java.util.Map"),
        other => fail(&operand, &format!("{other:?}")),
    }
}

pub(super) fn is_instance(operand: &Operand<'_>, kind: Type) -> bool {
    let value = match operand {
        Operand::Ctx | Operand::Params => return matches!(kind, Type::Map | Type::Any),
        Operand::Char(_) => return matches!(kind, Type::Character | Type::Any),
        Operand::Value(value) => value,
    };
    let own = matches!(value, Cow::Owned(_));
    match &**value {
        // `instanceof def` holds for null too, as Painless answers it when it compiles.
        Value::Null => kind == Type::Any,
        Value::Bool(_) => matches!(kind, Type::Boolean | Type::Any),
        Value::String(_) => matches!(kind, Type::String | Type::CharSequence | Type::Any),
        Value::List(_) => matches!(kind, Type::List | Type::Collection | Type::Any) || own && kind == Type::ArrayList,
        Value::Map(_) => matches!(kind, Type::Map | Type::Any) || own && kind == Type::HashMap,
        Value::BigInteger(_) => matches!(kind, Type::Number | Type::Any),
        number => match Number::of_value(number) {
            Some(Number::Int(_)) => matches!(kind, Type::Integer | Type::Number | Type::Any),
            Some(Number::Long(_)) => matches!(kind, Type::Long | Type::Number | Type::Any),
            Some(Number::Float(_)) => matches!(kind, Type::Float | Type::Number | Type::Any),
            Some(Number::Double(_)) => matches!(kind, Type::Double | Type::Number | Type::Any),
            None => false,
        },
    }
}

/// Painless' `==`: numbers by value, everything else by `equals`, which the document's containers do not have.
fn equal(left: &Operand<'_>, right: &Operand<'_>) -> bool {
    match (left, right) {
        (Operand::Value(left), Operand::Value(right)) => {
            if let (Some(left), Some(right)) = (Number::of_value(left), Number::of_value(right)) {
                return number::equal(left, right);
            }
            let wrapped = matches!((&**left, left), (Value::List(_) | Value::Map(_), Cow::Borrowed(_)));
            !wrapped && left == right
        }
        (Operand::Char(left), Operand::Char(right)) => left == right,
        (Operand::Char(_), other) | (other, Operand::Char(_)) if matches!(other, Operand::Value(_)) => {
            match (Number::of(left), Number::of(right)) {
                (Some(left), Some(right)) => number::equal(left, right),
                _ => false,
            }
        }
        _ => false,
    }
}

/// `===`: the same object. Java keeps one object for each small integer and truth value.
fn same(left: &Operand<'_>, right: &Operand<'_>) -> bool {
    match (left.value(), right.value()) {
        (Some(Value::Null), Some(Value::Null)) => true,
        (Some(Value::Bool(left)), Some(Value::Bool(right))) => left == right,
        (Some(Value::Integer(left)), Some(Value::Integer(right)))
        | (Some(Value::Long(left)), Some(Value::Long(right))) => left == right && (-128..128).contains(left),
        (Some(left @ Value::String(_)), Some(right @ Value::String(_))) => std::ptr::eq(left, right),
        _ => false,
    }
}

pub(super) fn binary<'a>(operator: Binary, left: &Operand<'_>, right: &Operand<'_>) -> Result<Operand<'a>, String> {
    match operator {
        Binary::Equal => Ok(Operand::owned(equal(left, right))),
        Binary::NotEqual => Ok(Operand::owned(!equal(left, right))),
        Binary::Same => Ok(Operand::owned(same(left, right))),
        Binary::NotSame => Ok(Operand::owned(!same(left, right))),
        Binary::Add if is_text(left) || is_text(right) => {
            Ok(Operand::owned(format!("{}{}", left.text(), right.text())))
        }
        _ => {
            // Painless looks at both sides together where it knows neither type, else at the left one first.
            if left.is_null() {
                let constant = !matches!(operator, Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide);
                return Err(null_in(if constant { "left" } else { "leftObject" }));
            }
            if right.is_null() {
                let constant = !matches!(operator, Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide);
                return Err(null_in(if constant { "right" } else { "rightObject" }));
            }
            let (Some(one), Some(other)) = (Number::of(left), Number::of(right)) else {
                // Painless names this one so.
                let sign = if operator == Binary::GreaterOrEqual { ">" } else { operator.sign() };
                let (left, right) = (left.class(), right.class());
                return Err(format!("Cannot apply [{sign}] operation to types [{left}] and [{right}]."));
            };
            match operator {
                Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
                    Ok(Operand::owned(number::compare(operator, one, other)))
                }
                _ => number::calculate(operator, one, other).map(|number| Operand::owned(number.value())),
            }
        }
    }
}

fn is_text(operand: &Operand<'_>) -> bool {
    matches!(operand.value(), Some(Value::String(_)))
}
