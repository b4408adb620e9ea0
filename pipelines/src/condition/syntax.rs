//! The tree of a condition.

use crate::document::Value;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Constant(Value),
    /// `ctx`: the document's fields and metadata.
    Ctx,
    Params,
    Regex {
        pattern: String,
        flags: String,
    },
    List(Vec<Expression>),
    /// `of.name`, or `of?.name`.
    Field {
        of: Box<Expression>,
        name: String,
        safe: bool,
    },
    /// `of[index]`.
    Index {
        of: Box<Expression>,
        index: Box<Expression>,
    },
    Call {
        of: Box<Expression>,
        name: String,
        arguments: Vec<Expression>,
        safe: bool,
        /// Where the name stands in the text.
        start: usize,
    },
    Not(Box<Expression>),
    Negate(Box<Expression>),
    Cast(Type, Box<Expression>),
    InstanceOf(Box<Expression>, Type),
    Binary(Binary, Box<Expression>, Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    /// `a ?: b`.
    Elvis(Box<Expression>, Box<Expression>),
    Ternary(Box<Expression>, Box<Expression>, Box<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Equal,
    NotEqual,
    /// `===`: the same object.
    Same,
    NotSame,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `=~`: somewhere in the text.
    Find,
    /// `==~`: the whole text.
    Match,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Binary {
    pub fn sign(self) -> &'static str {
        match self {
            Binary::Equal => "==",
            Binary::NotEqual => "!=",
            Binary::Same => "===",
            Binary::NotSame => "!==",
            Binary::Less => "<",
            Binary::LessOrEqual => "<=",
            Binary::Greater => ">",
            Binary::GreaterOrEqual => ">=",
            Binary::Find => "=~",
            Binary::Match => "==~",
            Binary::Add => "+",
            Binary::Subtract => "-",
            Binary::Multiply => "*",
            Binary::Divide => "/",
            Binary::Remainder => "%",
        }
    }
}

/// A Java type behind `instanceof` or in a cast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Any,
    String,
    CharSequence,
    List,
    ArrayList,
    Map,
    HashMap,
    Collection,
    Number,
    Byte,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
    Character,
}

impl Type {
    /// The type of a name, and whether it is a primitive one.
    pub fn named(name: &str) -> Option<Type> {
        Some(match name {
            "def" | "Object" => Type::Any,
            "String" => Type::String,
            "CharSequence" => Type::CharSequence,
            "List" => Type::List,
            "ArrayList" => Type::ArrayList,
            "Map" => Type::Map,
            "HashMap" => Type::HashMap,
            "Collection" | "Iterable" => Type::Collection,
            "Number" => Type::Number,
            "byte" | "Byte" => Type::Byte,
            "short" | "Short" => Type::Short,
            "int" | "Integer" => Type::Integer,
            "long" | "Long" => Type::Long,
            "float" | "Float" => Type::Float,
            "double" | "Double" => Type::Double,
            "boolean" | "Boolean" => Type::Boolean,
            "char" | "Character" => Type::Character,
            _ => return None,
        })
    }
}
