//! Reads grok patterns (Ruby's regular expressions with `%{NAME:field:type}` in them) into a tree.

use thiserror::Error;

use super::class;
use super::definitions::{Definition, Definitions};
use super::program::Native;
use super::reader::{Reader, Reference, interval};

/// How deep groups and named patterns may lie in each other; the deepest built-in needs about 15.
pub(super) const NESTING_MAX: usize = 120;
/// How many nodes a pattern may have with all its named patterns written out; the largest built-in has about 3,000.
const NODES_MAX: usize = 200_000;

/// A regular expression with Ruby's meaning.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Char(char),
    /// A class in brackets, in the syntax of the crate `regex`.
    Class(String),
    /// Any character but a newline.
    Dot,
    /// Any character.
    Any,
    LineStart,
    LineEnd,
    TextStart,
    TextEnd,
    /// The end, or before a newline at the end.
    TextEndOrNewline,
    WordBoundary,
    NotWordBoundary,
    Sequence(Vec<Node>),
    Alternatives(Vec<Node>),
    /// Index into the captures that were collected while reading.
    Capture(usize, Box<Node>),
    Repeat {
        node: Box<Node>,
        min: u32,
        max: Option<u32>,
        mode: Mode,
    },
    IgnoreCase {
        on: bool,
        node: Box<Node>,
    },
    Look {
        ahead: bool,
        negative: bool,
        node: Box<Node>,
    },
    /// A group that is not entered again once it has matched.
    Atomic(Box<Node>),
    /// To a capture by its index.
    Backreference(usize),
    /// A definition that code of its own matches, or looks ahead for.
    Native {
        native: Native,
        node: Box<Node>,
    },
    /// What a reference in a pipeline's own pattern stands for, as it is written there.
    Part {
        label: String,
        node: Box<Node>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Greedy,
    Lazy,
    Possessive,
}

/// Why a pattern cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SyntaxError {
    #[error("unclosed {what}")]
    Unclosed { what: &'static str },
    #[error("closing bracket without an opening one")]
    Unopened,
    #[error("nothing to repeat before {sign:?}")]
    NothingToRepeat { sign: char },
    #[error("{construct:?} is not supported")]
    Unsupported { construct: String },
    #[error("unknown group name {name:?} in a back-reference")]
    UnknownGroup { name: String },
    #[error("unknown character class [:{name}:]")]
    UnknownClass { name: String },
    #[error("empty range {low:?}-{high:?} in a character class")]
    EmptyRange { low: char, high: char },
    #[error("unable to find pattern [{name}] in Grok's pattern dictionary")]
    UnknownPattern { name: String, like: Option<String> },
    #[error("circular reference in pattern [{name}]")]
    Circular { name: String },
    #[error("nested deeper than {NESTING_MAX}")]
    TooDeep,
    #[error("larger than {NODES_MAX} parts with its named patterns written out")]
    TooLarge,
}

/// Reads patterns, and collects the names of their captures.
pub(super) struct Parser<'d> {
    definitions: &'d Definitions,
    /// Names of all captures so far, by their index: `NAME:field:type`, or what stood in `(?<name>`.
    pub captures: Vec<String>,
    nodes: usize,
    /// The named patterns inside of which we are.
    open: Vec<String>,
}

/// What holds in one part of a pattern.
#[derive(Clone, Copy)]
struct Flags {
    dot_all: bool,
    extended: bool,
}

impl<'d> Parser<'d> {
    pub fn new(definitions: &'d Definitions) -> Parser<'d> {
        Parser { definitions, captures: Vec::new(), nodes: 0, open: Vec::new() }
    }

    /// Reads a whole pattern.
    pub fn parse(&mut self, text: &str) -> Result<Node, SyntaxError> {
        self.text(text, Flags { dot_all: false, extended: false }, 0)
    }

    fn text(&mut self, text: &str, flags: Flags, depth: usize) -> Result<Node, SyntaxError> {
        let mut reader = Reader::new(text);
        let node = self.alternatives(&mut reader, flags, depth)?;
        if reader.rest().is_empty() { Ok(node) } else { Err(SyntaxError::Unopened) }
    }

    /// Reads until a closing bracket, which stays, or the end.
    fn alternatives(&mut self, reader: &mut Reader<'_>, flags: Flags, depth: usize) -> Result<Node, SyntaxError> {
        if depth > NESTING_MAX {
            return Err(SyntaxError::TooDeep);
        }
        let mut flags = flags;
        let mut alternatives = Vec::new();
        let mut sequence: Vec<Node> = Vec::new();
        loop {
            self.nodes += 1;
            if self.nodes > NODES_MAX {
                return Err(SyntaxError::TooLarge);
            }
            let Some(c) = reader.rest().chars().next() else { break };
            match c {
                ')' => break,
                '|' => {
                    reader.skip(1);
                    alternatives.push(Node::Sequence(std::mem::take(&mut sequence)));
                }
                '*' | '+' | '?' => {
                    reader.skip(1);
                    let (min, max) = match c {
                        '*' => (0, None),
                        '+' => (1, None),
                        _ => (0, Some(1)),
                    };
                    self.repeat(&mut sequence, reader, c, (min, max))?;
                }
                '{' => match interval(reader.rest()) {
                    Some((min, max, length)) => {
                        reader.skip(length);
                        self.repeat(&mut sequence, reader, c, (min, max))?;
                    }
                    None => {
                        reader.skip(1);
                        sequence.push(Node::Char('{'));
                    }
                },
                '(' => {
                    reader.skip(1);
                    if let Some(node) = self.group(reader, &mut flags, depth)? {
                        sequence.push(node);
                    }
                }
                '%' if reader.rest().starts_with("%{") => match Reference::read(reader.rest()) {
                    Some((reference, length)) => {
                        reader.skip(length);
                        sequence.push(self.reference(&reference, flags, depth)?);
                    }
                    None => {
                        reader.skip(1);
                        sequence.push(Node::Char('%'));
                    }
                },
                '#' if flags.extended => {
                    let end = reader.rest().find('\n').unwrap_or(reader.rest().len());
                    reader.skip(end);
                }
                _ if flags.extended && c.is_ascii_whitespace() => reader.skip(1),
                _ => {
                    reader.next();
                    sequence.push(self.atom(c, reader, flags)?);
                }
            }
        }
        if alternatives.is_empty() {
            return Ok(Node::Sequence(sequence));
        }
        alternatives.push(Node::Sequence(sequence));
        Ok(Node::Alternatives(alternatives))
    }

    fn repeat(
        &mut self,
        sequence: &mut Vec<Node>,
        reader: &mut Reader<'_>,
        sign: char,
        (min, max): (u32, Option<u32>),
    ) -> Result<(), SyntaxError> {
        let Some(node) = sequence.pop() else { return Err(SyntaxError::NothingToRepeat { sign }) };
        let mode = if reader.eat("?") {
            Mode::Lazy
        } else if sign != '{' && reader.eat("+") {
            // After an interval a plus repeats the repetition.
            Mode::Possessive
        } else {
            Mode::Greedy
        };
        sequence.push(Node::Repeat { node: Box::new(node), min, max, mode });
        Ok(())
    }

    fn atom(&mut self, c: char, reader: &mut Reader<'_>, flags: Flags) -> Result<Node, SyntaxError> {
        Ok(match c {
            '.' if flags.dot_all => Node::Any,
            '.' => Node::Dot,
            '^' => Node::LineStart,
            '$' => Node::LineEnd,
            '[' => Node::Class(class::parse(reader, 0)?),
            '\\' => self.escape(reader)?,
            _ => Node::Char(c),
        })
    }

    fn escape(&mut self, reader: &mut Reader<'_>) -> Result<Node, SyntaxError> {
        if Reference::read(reader.rest()).is_some() && reader.rest().starts_with("%{") {
            // The backslash takes the bracket that Elasticsearch puts around what the name stands for.
            return Err(SyntaxError::Unopened);
        }
        let Some(letter) = reader.next() else { return Err(SyntaxError::Unclosed { what: "escape" }) };
        Ok(match letter {
            'A' => Node::TextStart,
            'z' => Node::TextEnd,
            'Z' => Node::TextEndOrNewline,
            'b' => Node::WordBoundary,
            'B' => Node::NotWordBoundary,
            'R' => Node::Alternatives(vec![
                Node::Sequence(vec![Node::Char('\r'), Node::Char('\n')]),
                Node::Class(r"[\n\x0B\f\r\x{85}\x{2028}\x{2029}]".to_owned()),
            ]),
            'k' => {
                if !reader.eat("<") {
                    return Err(SyntaxError::Unsupported { construct: "\\k".to_owned() });
                }
                let name = reader.until(">", "\\k<")?;
                let index = self.captures.iter().position(|capture| capture == name);
                Node::Backreference(index.ok_or_else(|| SyntaxError::UnknownGroup { name: name.to_owned() })?)
            }
            // With named groups Ruby has no numbered ones, and every grok pattern worth its name has named groups.
            '1'..='9' => return Err(SyntaxError::Unsupported { construct: format!("\\{letter}") }),
            'p' | 'P' => Node::Class(format!("[{}]", reader.property(letter)?)),
            _ => match class::set(letter) {
                Some((negated, set)) => Node::Class(format!("[{}{set}]", if negated { "^" } else { "" })),
                None => Node::Char(reader.escaped(letter)?),
            },
        })
    }

    /// Reads what follows an opening bracket; nothing comes back for a comment or flags for the rest.
    fn group(&mut self, reader: &mut Reader<'_>, flags: &mut Flags, depth: usize) -> Result<Option<Node>, SyntaxError> {
        let look = |ahead, negative| move |node| Node::Look { ahead, negative, node: Box::new(node) };
        let wrap: Box<dyn FnOnce(Node) -> Node> = if !reader.eat("?") {
            // With named groups, plain brackets capture nothing in Ruby.
            Box::new(|node| node)
        } else if reader.eat(":") {
            Box::new(|node| node)
        } else if reader.eat("=") {
            Box::new(look(true, false))
        } else if reader.eat("!") {
            Box::new(look(true, true))
        } else if reader.eat("<=") {
            Box::new(look(false, false))
        } else if reader.eat("<!") {
            Box::new(look(false, true))
        } else if reader.eat(">") {
            Box::new(|node| Node::Atomic(Box::new(node)))
        } else if reader.eat("#") {
            reader.until(")", "comment")?;
            return Ok(None);
        } else if reader.eat("<") {
            let name = reader.until(">", "group name")?;
            let index = self.capture(name);
            Box::new(move |node| Node::Capture(index, Box::new(node)))
        } else if reader.eat("'") {
            let name = reader.until("'", "group name")?;
            let index = self.capture(name);
            Box::new(move |node| Node::Capture(index, Box::new(node)))
        } else {
            return self.flag_group(reader, flags, depth);
        };
        let node = self.alternatives(reader, *flags, depth + 1)?;
        if !reader.eat(")") {
            return Err(SyntaxError::Unclosed { what: "group" });
        }
        Ok(Some(wrap(node)))
    }

    fn capture(&mut self, name: &str) -> usize {
        self.captures.push(name.to_owned());
        self.captures.len() - 1
    }

    /// `(?m-ix:..)`, and `(?m)`, which in Ruby takes the rest of the group in, alternatives and all.
    fn flag_group(
        &mut self,
        reader: &mut Reader<'_>,
        flags: &mut Flags,
        depth: usize,
    ) -> Result<Option<Node>, SyntaxError> {
        let mut inner = *flags;
        let mut ignore_case = None;
        let mut on = true;
        loop {
            match reader.next() {
                Some('-') => on = false,
                Some('i') => ignore_case = Some(on),
                Some('m') => inner.dot_all = on,
                Some('x') => inner.extended = on,
                Some(close @ (':' | ')')) => {
                    let node = self.alternatives(reader, inner, depth + 1)?;
                    // The rest of the group ends before the bracket that closes the group itself.
                    if close == ':' && !reader.eat(")") {
                        return Err(SyntaxError::Unclosed { what: "group" });
                    }
                    return Ok(Some(match ignore_case {
                        Some(on) => Node::IgnoreCase { on, node: Box::new(node) },
                        None => node,
                    }));
                }
                Some(other) => return Err(SyntaxError::Unsupported { construct: format!("(?{other}") }),
                None => return Err(SyntaxError::Unclosed { what: "group" }),
            }
        }
    }

    /// `%{NAME:field:type}`. Elasticsearch puts the definition's text there, so the flags around it hold inside.
    fn reference(&mut self, reference: &Reference<'_>, flags: Flags, depth: usize) -> Result<Node, SyntaxError> {
        let name = reference.name;
        let Definition { text, native } = match reference.definition {
            Some(text) => Definition { text, native: None },
            None => self.definitions.get(name)?,
        };
        if self.open.iter().any(|open| open == name) {
            return Err(SyntaxError::Circular { name: name.to_owned() });
        }
        let index = reference.field.map(|field| self.capture(&format!("{name}:{field}")));
        let outermost = self.open.is_empty();
        self.open.push(name.to_owned());
        let mut node = self.text(text, flags, depth + 1)?;
        self.open.pop();
        // Code of its own is for the text as it is without flags that change blanks and dots.
        let as_written = |native: &Native| match native {
            Native::Quoted => !flags.dot_all,
            Native::HttpDate | Native::SyslogTimestamp | Native::NoUser => !flags.extended,
            Native::Ipv4 | Native::Ip | Native::Ipv6Ahead | Native::Base10 => true,
        };
        if let Some(native) = native.filter(as_written) {
            node = Node::Native { native, node: Box::new(node) };
        }
        if outermost {
            let field = reference.field.map_or_else(String::new, |field| format!(":{field}"));
            node = Node::Part { label: format!("%{{{name}{field}}}"), node: Box::new(node) };
        }
        Ok(match index {
            Some(index) => Node::Capture(index, Box::new(node)),
            None => node,
        })
    }
}
