//! Tokens to a tree, by the strength with which operators bind.

use super::SyntaxError;
use super::lexer::{Placed, STATEMENTS, Token, error_at, tokens};
use super::syntax::{Binary, Expression, Type};
use crate::document::Value;

/// How deep expressions may lie in each other: hand-written ones stay below ten, and each level is a stack frame.
const NESTING_MAX: usize = 100;
/// Operators and calls of one condition: their row in the tree is walked, a stack frame each, when it is compiled and dropped. The
/// longest public conditions have some 60.
const CHAIN_MAX: usize = 500;

pub(super) fn parse(text: &str) -> Result<Expression, SyntaxError> {
    let mut parser = Parser { text, tokens: tokens(text)?, position: 0, depth: 0, links: 0 };
    parser.take_name("return");
    let expression = parser.conditional()?;
    while parser.take(";") {}
    match parser.token() {
        Token::End => Ok(expression),
        Token::Sign("=") => parser.fail("assignments are not supported in conditions"),
        _ => parser.fail("only one expression is supported in a condition; unexpected text"),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    position: usize,
    depth: usize,
    links: usize,
}

impl Parser<'_> {
    fn token(&self) -> &Token {
        // The last token is the end, which nothing moves past.
        &self.tokens[self.position].token
    }

    fn start(&self) -> usize {
        self.tokens[self.position].start
    }

    fn fail<T>(&self, reason: impl Into<String>) -> Result<T, SyntaxError> {
        Err(error_at(self.text, self.start(), reason))
    }

    fn advance(&mut self) {
        if self.position + 1 < self.tokens.len() {
            self.position += 1;
        }
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.token(), Token::Sign(found) if *found == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        if found {
            self.advance();
        }
        found
    }

    fn take_name(&mut self, name: &str) -> bool {
        let found = matches!(self.token(), Token::Name(found) if found == name);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), SyntaxError> {
        if self.take(sign) { Ok(()) } else { self.fail(format!("expected {sign:?}")) }
    }

    fn link(&mut self) -> Result<(), SyntaxError> {
        self.links += 1;
        if self.links > CHAIN_MAX { self.fail(format!("more than {CHAIN_MAX} operators")) } else { Ok(()) }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, SyntaxError>) -> Result<T, SyntaxError> {
        if self.depth >= NESTING_MAX {
            return self.fail(format!("nested deeper than {NESTING_MAX}"));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// `a ? b : c` and `a ?: b`, both of which bind from the right.
    fn conditional(&mut self) -> Result<Expression, SyntaxError> {
        self.deeper(|parser| {
            let condition = parser.binary(0)?;
            if parser.take("?") {
                let yes = parser.conditional()?;
                parser.expect(":")?;
                let no = parser.conditional()?;
                return Ok(Expression::Ternary(condition.into(), yes.into(), no.into()));
            }
            if parser.take("?:") {
                let otherwise = parser.conditional()?;
                return Ok(Expression::Elvis(condition.into(), otherwise.into()));
            }
            Ok(condition)
        })
    }

    /// Operators that bind at least as strongly as `strength`.
    fn binary(&mut self, strength: u8) -> Result<Expression, SyntaxError> {
        let mut left = self.unary()?;
        loop {
            let Some((own, operator)) = self.operator() else { return Ok(left) };
            if own < strength {
                return Ok(left);
            }
            self.link()?;
            self.advance();
            left = match operator {
                Operator::InstanceOf => {
                    let kind = self.type_name()?;
                    Expression::InstanceOf(left.into(), kind)
                }
                Operator::And => Expression::And(left.into(), self.binary(own + 1)?.into()),
                Operator::Or => Expression::Or(left.into(), self.binary(own + 1)?.into()),
                Operator::Binary(binary) => Expression::Binary(binary, left.into(), self.binary(own + 1)?.into()),
            };
        }
    }

    fn operator(&self) -> Option<(u8, Operator)> {
        Some(match self.token() {
            Token::Name(name) if name == "instanceof" => (3, Operator::InstanceOf),
            Token::Sign(sign) => match *sign {
                "||" => (0, Operator::Or),
                "&&" => (1, Operator::And),
                "==" => (2, Operator::Binary(Binary::Equal)),
                "!=" => (2, Operator::Binary(Binary::NotEqual)),
                "===" => (2, Operator::Binary(Binary::Same)),
                "!==" => (2, Operator::Binary(Binary::NotSame)),
                "<" => (3, Operator::Binary(Binary::Less)),
                "<=" => (3, Operator::Binary(Binary::LessOrEqual)),
                ">" => (3, Operator::Binary(Binary::Greater)),
                ">=" => (3, Operator::Binary(Binary::GreaterOrEqual)),
                "=~" => (4, Operator::Binary(Binary::Find)),
                "==~" => (4, Operator::Binary(Binary::Match)),
                "+" => (5, Operator::Binary(Binary::Add)),
                "-" => (5, Operator::Binary(Binary::Subtract)),
                "*" => (6, Operator::Binary(Binary::Multiply)),
                "/" => (6, Operator::Binary(Binary::Divide)),
                "%" => (6, Operator::Binary(Binary::Remainder)),
                _ => return None,
            },
            _ => return None,
        })
    }

    fn type_name(&mut self) -> Result<Type, SyntaxError> {
        let kind = match self.token() {
            Token::Name(name) => Type::named(name),
            _ => None,
        };
        match kind {
            Some(kind) => {
                self.advance();
                Ok(kind)
            }
            None => self.fail("expected the name of a type, such as String, List or Map"),
        }
    }

    fn unary(&mut self) -> Result<Expression, SyntaxError> {
        if self.take("!") {
            return self.deeper(|parser| Ok(Expression::Not(parser.unary()?.into())));
        }
        if self.take("-") {
            return self.deeper(|parser| {
                Ok(match parser.unary()? {
                    // A negative literal.
                    Expression::Constant(Value::Integer(number)) => Expression::Constant(Value::Integer(-number)),
                    Expression::Constant(Value::Long(number)) => {
                        Expression::Constant(Value::Long(number.wrapping_neg()))
                    }
                    Expression::Constant(Value::Double(number)) => Expression::Constant(Value::Double(-number)),
                    Expression::Constant(Value::Float(number)) => Expression::Constant(Value::Float(-number)),
                    other => Expression::Negate(other.into()),
                })
            });
        }
        if self.take("+") {
            return self.deeper(Self::unary);
        }
        if let Some(kind) = self.cast() {
            return self.deeper(|parser| Ok(Expression::Cast(kind, parser.unary()?.into())));
        }
        self.postfix()
    }

    /// `(TYPE)` before a value.
    fn cast(&mut self) -> Option<Type> {
        let at = |offset: usize| self.tokens.get(self.position + offset).map(|placed| &placed.token);
        let (Some(Token::Sign("(")), Some(Token::Name(name)), Some(Token::Sign(")"))) = (at(0), at(1), at(2)) else {
            return None;
        };
        let kind = Type::named(name)?;
        self.position += 3;
        Some(kind)
    }

    fn postfix(&mut self) -> Result<Expression, SyntaxError> {
        let mut of = self.primary()?;
        loop {
            let safe = self.is("?.");
            if safe || self.is(".") {
                self.link()?;
                self.advance();
                let start = self.start();
                let name = match self.token() {
                    Token::Name(name) => name.clone(),
                    Token::Integer(number) => number.to_string(),
                    _ => return self.fail("expected a name after the dot"),
                };
                self.advance();
                of = match self.take("(") {
                    true => {
                        let arguments = self.list(")")?;
                        Expression::Call { of: of.into(), name, arguments, safe, start }
                    }
                    false => Expression::Field { of: of.into(), name, safe },
                };
            } else if self.take("[") {
                self.link()?;
                let index = self.conditional()?;
                self.expect("]")?;
                of = Expression::Index { of: of.into(), index: index.into() };
            } else {
                return Ok(of);
            }
        }
    }

    fn list(&mut self, end: &str) -> Result<Vec<Expression>, SyntaxError> {
        let mut items = Vec::new();
        if self.take(end) {
            return Ok(items);
        }
        loop {
            items.push(self.conditional()?);
            if self.take(end) {
                return Ok(items);
            }
            self.expect(",")?;
        }
    }

    fn primary(&mut self) -> Result<Expression, SyntaxError> {
        let token = self.token().clone();
        let expression = match token {
            Token::Text(text) => Expression::Constant(Value::from(text)),
            Token::Integer(number) => Expression::Constant(Value::Integer(number)),
            Token::Long(number) => Expression::Constant(Value::Long(number)),
            Token::Float(number) => Expression::Constant(Value::Float(number)),
            Token::Double(number) => Expression::Constant(Value::Double(number)),
            Token::Regex(pattern, flags) => Expression::Regex { pattern, flags },
            Token::Name(name) => match name.as_str() {
                "ctx" => Expression::Ctx,
                "params" => Expression::Params,
                "true" => Expression::Constant(Value::Bool(true)),
                "false" => Expression::Constant(Value::Bool(false)),
                "null" => Expression::Constant(Value::Null),
                name if STATEMENTS.contains(&name) || name == "def" => {
                    return self.fail(format!("statements such as {name:?} are not supported in conditions"));
                }
                name => return self.fail(format!("unknown variable [{name}]")),
            },
            Token::Sign("(") => {
                self.advance();
                let inner = self.conditional()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Sign("[") => {
                self.advance();
                if self.is(":") {
                    return self.fail("literals of maps are not supported in conditions");
                }
                return Ok(Expression::List(self.list("]")?));
            }
            Token::Sign(_) | Token::End => return self.fail("expected a value"),
        };
        self.advance();
        Ok(expression)
    }
}

enum Operator {
    Binary(Binary),
    And,
    Or,
    InstanceOf,
}
