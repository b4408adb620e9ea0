//! Reads grok patterns (Ruby's regular expressions with `%{NAME:field:type}` in them) into a tree.

use thiserror::Error;

use super::class;
use super::definitions::Definitions;

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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Greedy,
    Lazy,
    Possessive,
}

/// Why a pattern cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum SyntaxError {
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
    #[error("pattern {name} has other field names with ecs_compatibility v1, which are not known here yet")]
    NoEcsForm { name: String },
    #[error("nested deeper than {NESTING_MAX}")]
    TooDeep,
    #[error("larger than {NODES_MAX} parts with its named patterns written out")]
    TooLarge,
}

/// The characters of one pattern text.
pub(super) struct Reader<'a> {
    text: &'a str,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Reader<'a> {
        Reader { text }
    }

    pub fn rest(&self) -> &'a str {
        self.text
    }

    pub fn skip(&mut self, bytes: usize) {
        self.text = &self.text[bytes..];
    }

    pub fn eat(&mut self, token: &str) -> bool {
        match self.text.strip_prefix(token) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }

    pub fn next(&mut self) -> Option<char> {
        let c = self.text.chars().next()?;
        self.text = &self.text[c.len_utf8()..];
        Some(c)
    }

    /// Takes what stands before a closing token, and the token.
    pub fn until(&mut self, close: &str, what: &'static str) -> Result<&'a str, SyntaxError> {
        let end = self.text.find(close).ok_or(SyntaxError::Unclosed { what })?;
        let inside = &self.text[..end];
        self.text = &self.text[end + close.len()..];
        Ok(inside)
    }

    /// `\p{..}` with its letter read.
    pub fn property(&mut self, letter: char) -> Result<String, SyntaxError> {
        if !self.eat("{") {
            return Err(SyntaxError::Unsupported { construct: format!("\\{letter}") });
        }
        let name = self.until("}", "\\p{")?;
        let (name, negated) = match name.strip_prefix('^') {
            Some(name) => (name, letter == 'p'),
            None => (name, letter == 'P'),
        };
        let letter = if negated { 'P' } else { 'p' };
        // Ruby's POSIX-like names that Unicode does not know.
        let name = match name.to_ascii_lowercase().as_str() {
            "alpha" => "Alphabetic",
            "digit" => "Nd",
            "lower" => "Lowercase",
            "upper" => "Uppercase",
            "space" => "White_Space",
            "punct" => "P",
            "cntrl" => "Cc",
            _ => name,
        };
        Ok(format!("\\{letter}{{{name}}}"))
    }

    /// The character that an escape stands for, its letter read.
    pub fn escaped(&mut self, letter: char) -> Result<char, SyntaxError> {
        let unsupported = || SyntaxError::Unsupported { construct: format!("\\{letter}") };
        Ok(match letter {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\u{c}',
            'v' => '\u{b}',
            'a' => '\u{7}',
            'e' => '\u{1b}',
            'x' if self.eat("{") => {
                let digits = self.until("}", "\\x{")?;
                u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).ok_or_else(unsupported)?
            }
            // Above 7F a single byte is no character.
            'x' => self.hex(1, 2).filter(char::is_ascii).ok_or_else(unsupported)?,
            'u' => self.hex(4, 4).ok_or_else(unsupported)?,
            '0' => {
                let digits = self.text.bytes().take(2).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                let code = u32::from_str_radix(&self.text[..digits], 8).unwrap_or(0);
                self.skip(digits);
                char::from_u32(code).ok_or_else(unsupported)?
            }
            _ if letter.is_ascii_alphanumeric()
                && !matches!(letter, '1'..='9')
                && "ABCGKPQRXZbckgpz".contains(letter) =>
            {
                return Err(unsupported());
            }
            // Every other letter stands for itself in Ruby.
            _ => letter,
        })
    }

    fn hex(&mut self, min: usize, max: usize) -> Option<char> {
        let digits = self.text.bytes().take(max).take_while(u8::is_ascii_hexdigit).count();
        if digits < min {
            return None;
        }
        let code = u32::from_str_radix(&self.text[..digits], 16).ok()?;
        self.skip(digits);
        char::from_u32(code)
    }
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
    /// Whether the text is a built-in definition: there atomic groups change nothing but the time that a backtracking
    /// engine needs, and are read as plain ones.
    built_in: bool,
}

impl<'d> Parser<'d> {
    pub fn new(definitions: &'d Definitions) -> Parser<'d> {
        Parser { definitions, captures: Vec::new(), nodes: 0, open: Vec::new() }
    }

    /// Reads a whole pattern.
    pub fn parse(&mut self, text: &str) -> Result<Node, SyntaxError> {
        self.text(text, Flags { dot_all: false, extended: false, built_in: false }, 0)
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
                    self.repeat(&mut sequence, reader, c, (min, max), flags)?;
                }
                '{' => match interval(reader.rest()) {
                    Some((min, max, length)) => {
                        reader.skip(length);
                        self.repeat(&mut sequence, reader, c, (min, max), flags)?;
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
        flags: Flags,
    ) -> Result<(), SyntaxError> {
        let Some(node) = sequence.pop() else { return Err(SyntaxError::NothingToRepeat { sign }) };
        let mode = if reader.eat("?") {
            Mode::Lazy
        } else if sign != '{' && reader.eat("+") {
            // After an interval a plus repeats the repetition.
            if flags.built_in { Mode::Greedy } else { Mode::Possessive }
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
            if flags.built_in { Box::new(|node| node) } else { Box::new(|node| Node::Atomic(Box::new(node))) }
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
        let (definition, built_in) = match reference.definition {
            Some(definition) => (definition, false),
            None => self.definitions.get(name)?,
        };
        if self.open.iter().any(|open| open == name) {
            return Err(SyntaxError::Circular { name: name.to_owned() });
        }
        let index = reference.field.map(|field| self.capture(&format!("{name}:{field}")));
        self.open.push(name.to_owned());
        let node = self.text(definition, Flags { built_in, ..flags }, depth + 1)?;
        self.open.pop();
        Ok(match index {
            Some(index) => Node::Capture(index, Box::new(node)),
            None => node,
        })
    }
}

/// A use of a named pattern, split up.
struct Reference<'a> {
    name: &'a str,
    /// `field` or `field:type`.
    field: Option<&'a str>,
    definition: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Reads one at the start of the text; none when it only looks like one.
    fn read(text: &'a str) -> Option<(Reference<'a>, usize)> {
        let end = text.find('}')?;
        let inside = text.get(2..end)?;
        let (inside, definition) = match inside.split_once('=') {
            Some((inside, definition)) => (inside, Some(definition)),
            None => (inside, None),
        };
        let (name, field) = match inside.split_once(':') {
            Some((name, field)) => (name, Some(field)),
            None => (inside, None),
        };
        let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let field_byte = |c: char| c.is_alphanumeric() || "@[]_:.-".contains(c);
        let fielded = field.is_none_or(|field| !field.is_empty() && field.chars().all(field_byte));
        (named && fielded).then_some((Reference { name, field, definition }, end + 1))
    }
}

/// `{2,3}` at the start of a text, with its length; anything else in curly brackets is literal.
fn interval(text: &str) -> Option<(u32, Option<u32>, usize)> {
    let end = text.find('}')?;
    let inside = text.get(1..end)?;
    let number = |digits: &str| -> Option<u32> {
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    let (min, max) = match inside.split_once(',') {
        None => {
            let exact = number(inside)?;
            (exact, Some(exact))
        }
        Some(("", max)) => (0, Some(number(max)?)),
        Some((min, "")) => (number(min)?, None),
        Some((min, max)) => (number(min)?, Some(number(max)?)),
    };
    Some((min, max, end + 1))
}
