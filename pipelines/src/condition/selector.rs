//! Conditions that ask one field for a few values: rows of them become one look-up.

use std::collections::HashMap;

use super::evaluate;
use super::program::Path;
use super::syntax::{Binary, Expression};
use crate::document::{Document, Value};

/// A field and the values without which a condition cannot hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selector {
    path: Path,
    keys: Vec<Key>,
}

/// A value that can be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Text(Box<str>),
    Integer(i64),
    Bool(bool),
}

impl Key {
    fn of(value: &Value) -> Option<Key> {
        match value {
            Value::String(text) => Some(Key::Text(text.as_str().into())),
            Value::Integer(number) | Value::Long(number) => Some(Key::Integer(*number)),
            Value::Bool(truth) => Some(Key::Bool(*truth)),
            _ => None,
        }
    }
}

impl Selector {
    /// The selector of a condition. For every other value of the field the condition must be false, and must not fail
    /// where reading the field does not.
    pub(super) fn of(expression: &Expression) -> Option<Selector> {
        match expression {
            Expression::Binary(Binary::Equal, left, right) => {
                let (path, constant) = match (&**left, &**right) {
                    (path, Expression::Constant(constant)) => (path, constant),
                    (Expression::Constant(constant), path) => (path, constant),
                    _ => return None,
                };
                Some(Selector { path: Path::of(path)?, keys: vec![Key::of(constant)?] })
            }
            // Both sides read the same field only.
            Expression::Or(left, right) => {
                let (mut left, right) = (Selector::of(left)?, Selector::of(right)?);
                left.keys.extend(right.keys);
                (left.path == right.path).then_some(left)
            }
            // What stands on the left is asked first: where it is false nothing else is.
            Expression::And(left, right) => match &**left {
                Expression::Binary(Binary::NotEqual, path, null) if **null == Expression::Constant(Value::Null) => {
                    let path = Path::of(path)?;
                    Selector::of(right).filter(|selector| selector.path == path)
                }
                left => Selector::of(left),
            },
            Expression::Call { of, name, arguments, .. } => {
                let (Expression::List(items), "contains", [path]) = (&**of, name.as_str(), &arguments[..]) else {
                    return None;
                };
                let keys = items
                    .iter()
                    .map(|item| match item {
                        // Java's `equals` asks for the same type of number, which the look-up does not.
                        Expression::Constant(value @ (Value::String(_) | Value::Bool(_))) => Key::of(value),
                        _ => None,
                    })
                    .collect::<Option<Vec<Key>>>()?;
                Some(Selector { path: Path::of(path)?, keys })
            }
            _ => None,
        }
    }

    pub fn is_on_same_field(&self, other: &Selector) -> bool {
        self.path == other.path
    }
}

/// A row of conditions on one field, by the values that they ask for. Places in the row are ascending.
#[derive(Debug)]
pub(crate) struct Table {
    path: Path,
    texts: HashMap<Box<str>, Vec<u32>>,
    integers: HashMap<i64, Vec<u32>>,
    bools: [Vec<u32>; 2],
}

/// What a look-up came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// Only the conditions at these places can hold.
    Only(&'a [u32]),
    /// The value cannot be looked up: each condition must be asked.
    Any,
}

impl Table {
    /// The selectors must be on one field.
    pub fn new<'s>(selectors: impl IntoIterator<Item = &'s Selector>) -> Option<Table> {
        let mut table: Option<Table> = None;
        for (place, selector) in selectors.into_iter().enumerate() {
            let table = table.get_or_insert_with(|| Table {
                path: selector.path.clone(),
                texts: HashMap::new(),
                integers: HashMap::new(),
                bools: Default::default(),
            });
            let place = u32::try_from(place).ok()?;
            for key in &selector.keys {
                let places = match key {
                    Key::Text(text) => table.texts.entry(text.clone()).or_default(),
                    Key::Integer(number) => table.integers.entry(*number).or_default(),
                    Key::Bool(truth) => &mut table.bools[usize::from(*truth)],
                };
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        table
    }

    pub fn look_up(&self, document: &Document, work: &mut u64) -> Found<'_> {
        *work += 1;
        let places = match evaluate::walk(&self.path, document) {
            // A decimal can equal an integer, and what cannot be read fails in its own way.
            Err(_) | Ok(Value::Float(_) | Value::Double(_) | Value::BigInteger(_)) => return Found::Any,
            Ok(Value::String(text)) => self.texts.get(text.as_str()),
            Ok(Value::Integer(number) | Value::Long(number)) => self.integers.get(number),
            Ok(Value::Bool(truth)) => Some(&self.bools[usize::from(*truth)]),
            Ok(Value::Null | Value::List(_) | Value::Map(_)) => None,
        };
        Found::Only(places.map_or(&[], Vec::as_slice))
    }
}
