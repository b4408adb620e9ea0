//! A condition as a flat row of operations over a stack.

use super::SyntaxError;
use super::methods;
use super::syntax::{Binary, Expression, Type};
use crate::document::{FieldPath, Map, Value};
use crate::java_regex::JavaRegex;

#[derive(Debug)]
pub(super) struct Program {
    pub ops: Vec<Op>,
    pub params: Map,
    /// Most values that lie on the stack at once.
    pub stack_max: usize,
}

/// One operation. Jumps go forward only, so that a condition ends after at most as many steps as it has operations.
#[derive(Debug)]
pub(super) enum Op {
    Constant(Value),
    Ctx,
    Params,
    /// A field of `ctx` and below, without a stop on the way.
    Path(Path),
    /// Of the topmost value.
    Field(Hop),
    Index,
    /// The receiver lies below its arguments.
    Call {
        name: Box<str>,
        arguments: usize,
    },
    List(usize),
    Not,
    Negate,
    Cast(Type),
    InstanceOf(Type),
    Binary(Binary),
    Regex {
        regex: Box<JavaRegex>,
        whole: bool,
    },
    /// The topmost value must be a truth value.
    Truth,
    Jump(usize),
    /// Pops a truth value and jumps when it is this one.
    JumpIf(bool, usize),
    /// Jumps over a guarded step when the topmost value is null, and leaves it.
    JumpIfNull(usize),
    /// Jumps when the topmost value is not null, and leaves it; pops it otherwise.
    JumpUnlessNull(usize),
}

/// `ctx.a?.b.c`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    pub root: Root,
    pub hops: Vec<Hop>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Root {
    Source(Box<str>),
    Metadata(FieldPath),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    pub name: Box<str>,
    pub safe: bool,
}

impl Root {
    pub fn of(name: &str) -> Root {
        match FieldPath::parse(name) {
            Ok(path) if crate::document::is_metadata(name) => Root::Metadata(path),
            _ => Root::Source(name.into()),
        }
    }
}

impl Path {
    /// The path that an expression is, when it is nothing else.
    pub(super) fn of(expression: &Expression) -> Option<Path> {
        let (of, name, safe) = match expression {
            Expression::Field { of, name, safe } => (of, name.as_str(), *safe),
            // `a['b']` reads a map as `a.b` does; of a list it is an error in both forms.
            Expression::Index { of, index } => match &**index {
                Expression::Constant(Value::String(name)) if !names_list_shortcut(name) => (of, name.as_str(), false),
                _ => return None,
            },
            _ => return None,
        };
        if let Expression::Ctx = **of {
            return Some(Path { root: Root::of(name), hops: Vec::new() });
        }
        let mut path = Path::of(of)?;
        // An index into what is no map has other messages than a field: only below `ctx` itself the two are the same.
        if matches!(expression, Expression::Index { .. }) {
            return None;
        }
        path.hops.push(Hop { name: name.into(), safe });
        Some(path)
    }
}

fn names_list_shortcut(name: &str) -> bool {
    name == "length" || name.bytes().all(|byte| byte.is_ascii_digit())
}

impl Program {
    pub fn compile(expression: &Expression, params: Map) -> Result<Program, SyntaxError> {
        if matches!(expression, Expression::Constant(value) if !matches!(value, Value::Bool(_))) {
            return Err(refuse("a condition must be true or false", "the constant"));
        }
        let mut compiler = Compiler { ops: Vec::new(), depth: 0, stack_max: 0 };
        compiler.expression(expression)?;
        compiler.ops.push(Op::Truth);
        Ok(Program { ops: compiler.ops, params, stack_max: compiler.stack_max })
    }

    /// Whether it asks if two values are the same one, which copies never are.
    pub fn asks_for_identity(&self) -> bool {
        self.ops.iter().any(|op| matches!(op, Op::Binary(Binary::Same | Binary::NotSame)))
    }

    /// The names at the top of a document below which it reads; none where that cannot be told.
    pub fn roots(&self) -> Option<Vec<&str>> {
        let mut roots = Vec::new();
        for op in &self.ops {
            match op {
                Op::Ctx => return None,
                Op::Path(Path { root: Root::Source(name), .. }) if !roots.contains(&&**name) => roots.push(&**name),
                _ => {}
            }
        }
        Some(roots)
    }
}

struct Compiler {
    ops: Vec<Op>,
    depth: usize,
    stack_max: usize,
}

impl Compiler {
    fn push(&mut self, op: Op) {
        match &op {
            Op::Constant(_) | Op::Ctx | Op::Params | Op::Path(_) => self.depth += 1,
            Op::Index | Op::Binary(_) | Op::JumpIf(..) | Op::JumpUnlessNull(_) => self.depth -= 1,
            Op::Call { arguments, .. } => self.depth -= arguments,
            Op::List(items) => self.depth = self.depth + 1 - items,
            _ => {}
        }
        self.stack_max = self.stack_max.max(self.depth);
        self.ops.push(op);
    }

    /// Writes a jump whose goal is not known yet.
    fn jump(&mut self, op: Op) -> usize {
        self.push(op);
        self.ops.len() - 1
    }

    fn land(&mut self, jump: usize) {
        let goal = self.ops.len();
        match &mut self.ops[jump] {
            Op::Jump(to) | Op::JumpIf(_, to) | Op::JumpIfNull(to) | Op::JumpUnlessNull(to) => *to = goal,
            _ => {}
        }
    }

    fn expression(&mut self, expression: &Expression) -> Result<(), SyntaxError> {
        if let Some(path) = Path::of(expression) {
            self.push(Op::Path(path));
            return Ok(());
        }
        match expression {
            Expression::Constant(value) => self.push(Op::Constant(value.clone())),
            Expression::Ctx => self.push(Op::Ctx),
            Expression::Params => self.push(Op::Params),
            Expression::Regex { .. } => {
                return Err(refuse("a regular expression can only stand behind =~ or ==~", "/"));
            }
            Expression::List(items) => {
                for item in items {
                    self.expression(item)?;
                }
                self.push(Op::List(items.len()));
            }
            Expression::Field { of, name, safe } => {
                self.expression(of)?;
                self.push(Op::Field(Hop { name: name.as_str().into(), safe: *safe }));
            }
            Expression::Index { of, index } => {
                self.expression(of)?;
                self.expression(index)?;
                self.push(Op::Index);
            }
            Expression::Call { of, name, arguments, safe, .. } => {
                if let Some(matcher) = self.matcher(expression)? {
                    return Ok(matcher);
                }
                methods::check(name, arguments.len()).map_err(|reason| refuse(reason, name))?;
                self.expression(of)?;
                let guard = safe.then(|| self.jump(Op::JumpIfNull(0)));
                for argument in arguments {
                    self.expression(argument)?;
                }
                self.push(Op::Call { name: name.as_str().into(), arguments: arguments.len() });
                if let Some(guard) = guard {
                    self.land(guard);
                }
            }
            Expression::Not(inner) => {
                self.expression(inner)?;
                self.push(Op::Not);
            }
            Expression::Negate(inner) => {
                self.expression(inner)?;
                self.push(Op::Negate);
            }
            Expression::Cast(kind, inner) => {
                self.expression(inner)?;
                self.push(Op::Cast(*kind));
            }
            Expression::InstanceOf(inner, kind) => {
                self.expression(inner)?;
                self.push(Op::InstanceOf(*kind));
            }
            Expression::Binary(operator @ (Binary::Find | Binary::Match), left, right) => {
                let Expression::Regex { pattern, flags } = &**right else {
                    let reason = format!("{} needs a regular expression between slashes", operator.sign());
                    return Err(refuse(reason, operator.sign()));
                };
                self.expression(left)?;
                self.regex(pattern, flags, *operator == Binary::Match)?;
            }
            Expression::Binary(
                operator @ (Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual),
                left,
                right,
            ) if is_text(left) && is_text(right) => {
                return Err(refuse("texts cannot be compared by size", operator.sign()));
            }
            Expression::Binary(operator, left, right) => {
                self.expression(left)?;
                self.expression(right)?;
                self.push(Op::Binary(*operator));
            }
            Expression::And(left, right) => self.short(left, right, false)?,
            Expression::Or(left, right) => self.short(left, right, true)?,
            Expression::Elvis(value, otherwise) => {
                self.expression(value)?;
                let done = self.jump(Op::JumpUnlessNull(0));
                self.expression(otherwise)?;
                self.land(done);
            }
            Expression::Ternary(condition, yes, no) => {
                self.expression(condition)?;
                let otherwise = self.jump(Op::JumpIf(false, 0));
                self.expression(yes)?;
                let done = self.jump(Op::Jump(0));
                self.land(otherwise);
                self.depth -= 1;
                self.expression(no)?;
                self.land(done);
            }
        }
        Ok(())
    }

    /// `&&` stops at false, `||` at true.
    fn short(&mut self, left: &Expression, right: &Expression, stop: bool) -> Result<(), SyntaxError> {
        self.expression(left)?;
        let stopped = self.jump(Op::JumpIf(stop, 0));
        self.expression(right)?;
        self.push(Op::Truth);
        let done = self.jump(Op::Jump(0));
        self.land(stopped);
        self.depth -= 1;
        self.push(Op::Constant(Value::Bool(stop)));
        self.land(done);
        Ok(())
    }

    fn regex(&mut self, pattern: &str, flags: &str, whole: bool) -> Result<(), SyntaxError> {
        let regex = JavaRegex::compile(pattern, flags).map_err(|reason| refuse(reason, pattern))?;
        self.push(Op::Regex { regex: Box::new(regex), whole });
        Ok(())
    }

    /// `/x/.matcher(text).matches()` and `.find()`, the long forms of the two operators.
    fn matcher(&mut self, expression: &Expression) -> Result<Option<()>, SyntaxError> {
        let Expression::Call { of, name, arguments, .. } = expression else { return Ok(None) };
        let Expression::Call { of: regex, name: matcher, arguments: texts, .. } = &**of else { return Ok(None) };
        let (Expression::Regex { pattern, flags }, "matcher", [text], []) =
            (&**regex, matcher.as_str(), &texts[..], &arguments[..])
        else {
            return Ok(None);
        };
        let whole = match name.as_str() {
            "matches" => true,
            "find" => false,
            _ => return Err(refuse("of a matcher only find() and matches() are supported", name)),
        };
        self.expression(text)?;
        self.regex(pattern, flags, whole)?;
        Ok(Some(()))
    }
}

fn is_text(expression: &Expression) -> bool {
    matches!(expression, Expression::Constant(Value::String(_)))
}

fn refuse(reason: impl Into<String>, place: &str) -> SyntaxError {
    SyntaxError { reason: reason.into(), place: place.to_owned(), line: 0 }
}
