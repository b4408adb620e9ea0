//! Runs a condition's program; failures have the texts of Painless' exceptions.

use std::borrow::Cow;

use super::methods;
use super::number::{self, Number};
use super::operand::Operand;
use super::program::{Hop, Op, Path, Program, Root};
use super::syntax::{Binary, Type};
use crate::document::{Document, Map, Value};

static NULL: Value = Value::Null;

/// Whether the condition holds. Every operation counts as one piece of work.
pub(super) fn run(program: &Program, document: &Document, work: &mut u64) -> Result<bool, String> {
    let mut machine = Machine { document, params: &program.params, stack: Vec::with_capacity(program.stack_max) };
    let mut position = 0;
    while let Some(op) = program.ops.get(position) {
        *work += 1;
        position = machine.step(op)?.unwrap_or(position + 1);
    }
    truth(&machine.pop())
}

/// A truth value, which everything else than a boolean is not.
fn truth(operand: &Operand<'_>) -> Result<bool, String> {
    match operand.value() {
        Some(Value::Bool(truth)) => Ok(*truth),
        Some(Value::Null) => Err(null_in("value")),
        _ => Err(format!("cannot cast def [{}] to boolean", type_name(operand))),
    }
}

fn null_in(name: &str) -> String {
    format!("Cannot invoke \"Object.getClass()\" because \"{name}\" is null")
}

/// The type as Painless' casts name it: primitive where there is a primitive.
fn type_name(operand: &Operand<'_>) -> &'static str {
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

/// The value at the end of a path.
pub(super) fn walk<'a>(path: &Path, document: &'a Document) -> Result<&'a Value, String> {
    let mut value = match &path.root {
        Root::Source(name) => document.source().get(name),
        Root::Metadata(path) => document.field(path).ok(),
    }
    .unwrap_or(&NULL);
    for hop in &path.hops {
        value = match value {
            Value::Map(map) => map.get(&hop.name).unwrap_or(&NULL),
            Value::Null if hop.safe => &NULL,
            Value::Null => return Err(null_in("callArgs[0]")),
            Value::List(list) => match hop.name.parse::<i64>() {
                Ok(index) => &list[place(index, list.len())?],
                // Its length is no value of the document: `field` below knows it.
                Err(_) if &*hop.name == "length" => return Err(LENGTH_OF_LIST.to_owned()),
                Err(_) => return Err(format!("Illegal list shortcut value [{}].", hop.name)),
            },
            other => {
                let class = Operand::borrowed(other).class();
                return Err(format!("dynamic getter [{class}, {}] not found", hop.name));
            }
        };
    }
    Ok(value)
}

/// Marks a path that needs the slow way; never shown.
const LENGTH_OF_LIST: &str = "length of a list";

/// The place in a list; negative ones count from its end.
fn place(index: i64, length: usize) -> Result<usize, String> {
    let place = if index < 0 { index + length as i64 } else { index };
    match usize::try_from(place) {
        Ok(place) if place < length => Ok(place),
        _ => Err(format!("Index {place} out of bounds for length {length}")),
    }
}

struct Machine<'a> {
    document: &'a Document,
    params: &'a Map,
    stack: Vec<Operand<'a>>,
}

impl<'a> Machine<'a> {
    fn pop(&mut self) -> Operand<'a> {
        // The compiler balances pushes and pops.
        self.stack.pop().unwrap_or(Operand::NULL)
    }

    /// Runs one operation, and says where to go on when it is not the next one.
    fn step(&mut self, op: &'a Op) -> Result<Option<usize>, String> {
        match op {
            Op::Constant(value) => self.stack.push(Operand::borrowed(value)),
            Op::Ctx => self.stack.push(Operand::Ctx),
            Op::Params => self.stack.push(Operand::Params),
            Op::Path(path) => {
                let operand = self.path(path)?;
                self.stack.push(operand);
            }
            Op::Field(hop) => {
                let of = self.pop();
                let field = self.field(of, hop)?;
                self.stack.push(field);
            }
            Op::Index => {
                let index = self.pop();
                let of = self.pop();
                let element = self.index(of, &index)?;
                self.stack.push(element);
            }
            Op::Call { name, arguments } => {
                let arguments = self.stack.split_off(self.stack.len().saturating_sub(*arguments));
                let receiver = self.pop();
                if receiver.is_null() {
                    return Err(null_in("callArgs[0]"));
                }
                let result = methods::call(self.document, self.params, receiver, name, &arguments)?;
                self.stack.push(result);
            }
            Op::List(items) => {
                let items = self.stack.split_off(self.stack.len().saturating_sub(*items));
                let values = items
                    .into_iter()
                    .map(|item| match item {
                        Operand::Value(value) => value.into_owned(),
                        other => Value::from(other.text().into_owned()),
                    })
                    .collect();
                self.stack.push(Operand::owned(Value::List(values)));
            }
            Op::Not => {
                let truth = truth(&self.pop())?;
                self.stack.push(Operand::owned(!truth));
            }
            Op::Negate => {
                let operand = self.pop();
                if operand.is_null() {
                    return Err(null_in("unary"));
                }
                let number = Number::of(&operand)
                    .ok_or_else(|| format!("Cannot apply [-] operation to type [{}].", operand.class()))?;
                self.stack.push(Operand::owned(number.negate().value()));
            }
            Op::Cast(kind) => {
                let operand = self.pop();
                self.stack.push(cast(operand, *kind)?);
            }
            Op::InstanceOf(kind) => {
                let operand = self.pop();
                self.stack.push(Operand::owned(is_instance(&operand, *kind)));
            }
            Op::Binary(operator) => {
                let right = self.pop();
                let left = self.pop();
                self.stack.push(binary(*operator, &left, &right)?);
            }
            Op::Regex { regex, whole } => {
                let operand = self.pop();
                let text = match operand.value() {
                    Some(Value::String(text)) => text,
                    Some(Value::Null) => {
                        let reason =
                            "Cannot invoke \"java.lang.CharSequence.length()\" because \"this.wrapped\" is null";
                        return Err(reason.to_owned());
                    }
                    _ => {
                        let kind = type_name(&operand);
                        return Err(format!("cannot implicitly cast def [{kind}] to java.lang.String"));
                    }
                };
                let found = if *whole { regex.is_whole_match(text) } else { regex.is_match(text) }?;
                self.stack.push(Operand::owned(found));
            }
            Op::Truth => {
                let operand = self.pop();
                let truth = truth(&operand)?;
                self.stack.push(Operand::owned(truth));
            }

            Op::Jump(to) => return Ok(Some(*to)),
            Op::JumpIf(when, to) => {
                if truth(&self.pop())? == *when {
                    return Ok(Some(*to));
                }
            }
            Op::JumpIfNull(to) => {
                if self.stack.last().is_some_and(Operand::is_null) {
                    return Ok(Some(*to));
                }
            }
            Op::JumpUnlessNull(to) => {
                if self.stack.last().is_some_and(|operand| !operand.is_null()) {
                    return Ok(Some(*to));
                }
                self.pop();
            }
        }
        Ok(None)
    }

    fn path(&self, path: &Path) -> Result<Operand<'a>, String> {
        match walk(path, self.document) {
            Ok(value) => Ok(Operand::borrowed(value)),
            Err(reason) if reason == LENGTH_OF_LIST => {
                let start = Path { root: path.root.clone(), hops: Vec::new() };
                let mut operand = Operand::borrowed(walk(&start, self.document)?);
                for hop in &path.hops {
                    operand = self.field(operand, hop)?;
                }
                Ok(operand)
            }
            Err(reason) => Err(reason),
        }
    }

    fn field(&self, of: Operand<'a>, hop: &Hop) -> Result<Operand<'a>, String> {
        let class = of.class();
        match of {
            Operand::Ctx => self.path(&Path { root: Root::of(&hop.name), hops: Vec::new() }),
            Operand::Params => Ok(Operand::borrowed(self.params.get(&hop.name).unwrap_or(&NULL))),
            Operand::Value(Cow::Borrowed(Value::Map(map))) => {
                Ok(Operand::borrowed(map.get(&hop.name).unwrap_or(&NULL)))
            }
            Operand::Value(Cow::Borrowed(Value::List(list))) => match hop.name.parse::<i64>() {
                Ok(index) => Ok(Operand::borrowed(&list[place(index, list.len())?])),
                Err(_) if &*hop.name == "length" => Ok(Operand::integer(list.len())),
                Err(_) => Err(format!("Illegal list shortcut value [{}].", hop.name)),
            },
            Operand::Value(value) => match &*value {
                Value::Null if hop.safe => Ok(Operand::NULL),
                Value::Null => Err(null_in("callArgs[0]")),
                Value::Map(map) => Ok(Operand::owned(map.get(&hop.name).unwrap_or(&NULL).clone())),
                Value::List(list) => match hop.name.parse::<i64>() {
                    Ok(index) => Ok(Operand::owned(list[place(index, list.len())?].clone())),
                    Err(_) if &*hop.name == "length" => Ok(Operand::integer(list.len())),
                    Err(_) => Err(format!("Illegal list shortcut value [{}].", hop.name)),
                },
                _ => Err(format!("dynamic getter [{class}, {}] not found", hop.name)),
            },
            Operand::Char(_) => Err(format!("dynamic getter [{class}, {}] not found", hop.name)),
        }
    }

    fn index(&self, of: Operand<'a>, index: &Operand<'_>) -> Result<Operand<'a>, String> {
        if of.is_null() {
            return Err(null_in("callArgs[0]"));
        }
        let number = || {
            Number::of(index).map(|number| i64::from(number.int())).ok_or_else(|| {
                let kind = type_name(index);
                let kind = kind.rsplit('.').next().unwrap_or(kind);
                format!("cannot convert MethodHandle(List,int)int to (Object,{kind}){kind}")
            })
        };
        match of {
            Operand::Ctx | Operand::Params => match index.value() {
                Some(Value::String(name)) => self.field(of, &Hop { name: name.as_str().into(), safe: false }),
                _ => Ok(Operand::NULL),
            },
            Operand::Value(Cow::Borrowed(Value::Map(map))) => {
                let key = index.value().and_then(Value::as_str);
                Ok(Operand::borrowed(key.and_then(|key| map.get(key)).unwrap_or(&NULL)))
            }
            Operand::Value(Cow::Borrowed(Value::List(list))) => {
                Ok(Operand::borrowed(&list[place(number()?, list.len())?]))
            }
            Operand::Value(Cow::Owned(Value::List(list))) => {
                Ok(Operand::owned(list[place(number()?, list.len())?].clone()))
            }
            other => Err(format!("Attempting to address a non-array-like type [{}] as an array.", other.class())),
        }
    }
}

fn cast<'a>(operand: Operand<'a>, kind: Type) -> Result<Operand<'a>, String> {
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

fn is_instance(operand: &Operand<'_>, kind: Type) -> bool {
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

fn binary<'a>(operator: Binary, left: &Operand<'_>, right: &Operand<'_>) -> Result<Operand<'a>, String> {
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
