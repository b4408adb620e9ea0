//! Java's arithmetic and comparison over numbers of mixed types.

use super::operand::Operand;
use super::syntax::{Binary, Type};
use crate::document::Value;

/// A number in the Java type that it has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
}

impl Number {
    /// The number of a value; a character counts as its code where another number stands beside it.
    pub fn of(operand: &Operand<'_>) -> Option<Number> {
        match operand {
            Operand::Char(c) => i32::try_from(u32::from(*c)).ok().map(Number::Int),
            Operand::Value(value) => Number::of_value(value),
            _ => None,
        }
    }

    pub fn of_value(value: &Value) -> Option<Number> {
        match value {
            Value::Integer(number) => Some(i32::try_from(*number).map_or(Number::Long(*number), Number::Int)),
            Value::Long(number) => Some(Number::Long(*number)),
            Value::Float(number) => Some(Number::Float(*number)),
            Value::Double(number) => Some(Number::Double(*number)),
            // Java's `intValue` of a big integer would cut it; as a double it keeps its size.
            Value::BigInteger(digits) => digits.parse().ok().map(Number::Double),
            _ => None,
        }
    }

    pub fn double(self) -> f64 {
        match self {
            Number::Int(number) => f64::from(number),
            Number::Long(number) => number as f64,
            Number::Float(number) => f64::from(number),
            Number::Double(number) => number,
        }
    }

    fn float(self) -> f32 {
        match self {
            Number::Int(number) => number as f32,
            Number::Long(number) => number as f32,
            Number::Float(number) => number,
            Number::Double(number) => number as f32,
        }
    }

    /// As Java's casts: decimals are cut, what does not fit is wrapped or held at the end of the range.
    pub fn long(self) -> i64 {
        match self {
            Number::Int(number) => i64::from(number),
            Number::Long(number) => number,
            Number::Float(number) => number as i64,
            Number::Double(number) => number as i64,
        }
    }

    pub fn int(self) -> i32 {
        match self {
            Number::Int(number) => number,
            Number::Long(number) => number as i32,
            Number::Float(number) => number as i32,
            Number::Double(number) => number as i32,
        }
    }

    pub fn value(self) -> Value {
        match self {
            Number::Int(number) => Value::Integer(number.into()),
            Number::Long(number) => Value::Long(number),
            Number::Float(number) => Value::Float(number),
            Number::Double(number) => Value::Double(number),
        }
    }

    pub fn cast(self, kind: Type) -> Option<Number> {
        Some(match kind {
            Type::Byte => Number::Int((self.int() as i8).into()),
            Type::Short => Number::Int((self.int() as i16).into()),
            Type::Integer => Number::Int(self.int()),
            Type::Long => Number::Long(self.long()),
            Type::Float => Number::Float(self.float()),
            Type::Double => Number::Double(self.double()),
            _ => return None,
        })
    }

    pub fn negate(self) -> Number {
        match self {
            Number::Int(number) => Number::Int(number.wrapping_neg()),
            Number::Long(number) => Number::Long(number.wrapping_neg()),
            Number::Float(number) => Number::Float(-number),
            Number::Double(number) => Number::Double(-number),
        }
    }
}

/// Two numbers in the wider of their types.
enum Pair {
    Int(i32, i32),
    Long(i64, i64),
    Float(f32, f32),
    Double(f64, f64),
}

fn pair(left: Number, right: Number) -> Pair {
    match (left, right) {
        (Number::Double(_), _) | (_, Number::Double(_)) => Pair::Double(left.double(), right.double()),
        (Number::Float(_), _) | (_, Number::Float(_)) => Pair::Float(left.float(), right.float()),
        (Number::Long(_), _) | (_, Number::Long(_)) => Pair::Long(left.long(), right.long()),
        (Number::Int(left), Number::Int(right)) => Pair::Int(left, right),
    }
}

pub(super) fn equal(left: Number, right: Number) -> bool {
    match pair(left, right) {
        Pair::Int(left, right) => left == right,
        Pair::Long(left, right) => left == right,
        Pair::Float(left, right) => left == right,
        Pair::Double(left, right) => left == right,
    }
}

pub(super) fn compare(operator: Binary, left: Number, right: Number) -> bool {
    let order = match pair(left, right) {
        Pair::Int(left, right) => Some(left.cmp(&right)),
        Pair::Long(left, right) => Some(left.cmp(&right)),
        Pair::Float(left, right) => left.partial_cmp(&right),
        Pair::Double(left, right) => left.partial_cmp(&right),
    };
    order.is_some_and(|order| match operator {
        Binary::Less => order.is_lt(),
        Binary::LessOrEqual => order.is_le(),
        Binary::Greater => order.is_gt(),
        _ => order.is_ge(),
    })
}

pub(super) fn calculate(operator: Binary, left: Number, right: Number) -> Result<Number, String> {
    // Integers wrap around; what is left of decimals are decimals.
    macro_rules! whole {
        ($left:ident, $right:ident) => {
            match operator {
                Binary::Add => $left.wrapping_add($right),
                Binary::Subtract => $left.wrapping_sub($right),
                Binary::Multiply => $left.wrapping_mul($right),
                _ if $right == 0 => return Err("/ by zero".to_owned()),
                Binary::Divide => $left.wrapping_div($right),
                _ => $left.wrapping_rem($right),
            }
        };
    }
    macro_rules! decimal {
        ($left:ident, $right:ident) => {
            match operator {
                Binary::Add => $left + $right,
                Binary::Subtract => $left - $right,
                Binary::Multiply => $left * $right,
                Binary::Divide => $left / $right,
                _ => $left % $right,
            }
        };
    }
    Ok(match pair(left, right) {
        Pair::Int(left, right) => Number::Int(whole!(left, right)),
        Pair::Long(left, right) => Number::Long(whole!(left, right)),
        Pair::Float(left, right) => Number::Float(decimal!(left, right)),
        Pair::Double(left, right) => Number::Double(decimal!(left, right)),
    })
}
