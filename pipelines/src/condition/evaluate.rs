//! Runs a condition's program; failures have the texts of Painless' exceptions.

use std::borrow::Cow;

use super::methods;
use super::number::Number;
use super::operand::Operand;
use super::operate::{binary, cast, is_instance, null_in, truth, type_name};
use super::program::{Hop, Op, Path, Program, Root};
use crate::document::{Document, Map, Value};

static NULL: Value = Value::Null;

/// Whether the condition holds. Every operation counts as one piece of work.
pub(super) fn run(program: &Program, document: &Document, work: &mut u64) -> Result<bool, String> {
    let stack = Vec::with_capacity(program.stack_max);
    Machine { document, params: &program.params, look: None, stack }.run(program, work)
}

/// Whether the condition holds, where its paths are told by `look`; none when that can tell none, and when the condition fails.
pub(super) fn run_over<'a>(program: &'a Program, nothing: &'a Document, look: &Look<'_, 'a>) -> Option<bool> {
    let stack = Vec::with_capacity(program.stack_max);
    Machine { document: nothing, params: &program.params, look: Some(look), stack }.run(program, &mut 0).ok()
}

/// Gives the value of a path; none where only a document can tell.
pub(crate) type Look<'l, 'a> = dyn Fn(&Path) -> Option<Cow<'a, Value>> + 'l;

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

struct Machine<'a, 'l> {
    document: &'a Document,
    params: &'a Map,
    look: Option<&'l Look<'l, 'a>>,
    stack: Vec<Operand<'a>>,
}

impl<'a> Machine<'a, '_> {
    fn run(mut self, program: &'a Program, work: &mut u64) -> Result<bool, String> {
        let mut position = 0;
        while let Some(op) = program.ops.get(position) {
            *work += 1;
            position = self.step(op)?.unwrap_or(position + 1);
        }
        truth(&self.pop())
    }

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
        if let Some(look) = self.look {
            // Why is not asked: a document gives the reason.
            return look(path).map(Operand::Value).ok_or_else(String::new);
        }
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
