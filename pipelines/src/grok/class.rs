//! Character classes of Ruby's regular expressions, printed so that the crates `regex` and `fancy-regex` mean the same.

use super::reader::Reader;
use super::syntax::SyntaxError;

pub(super) const DIGIT: &str = "0-9";
pub(super) const HEX: &str = "0-9A-Fa-f";
/// Ruby's `\w`, `\d` and `\s` are ASCII; its `[[:alpha:]]` and its `\b` are not.
pub(super) const WORD: &str = "0-9A-Za-z_";
pub(super) const SPACE: &str = r"\t\n\x0B\f\r ";

/// The characters beside which Ruby's `\b` sees a word.
pub(super) const UNICODE_WORD: &str = r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]";

/// POSIX names between `[:` and `:]`, with what stands for them inside a class.
const POSIX: &[(&str, &str)] = &[
    ("alnum", r"\p{Alphabetic}\p{Nd}"),
    ("alpha", r"\p{Alphabetic}"),
    ("ascii", r"\x00-\x7F"),
    ("blank", r"\p{Zs}\t"),
    ("cntrl", r"\p{Cc}"),
    ("digit", r"\p{Nd}"),
    ("graph", r"\p{Alphabetic}\p{M}\p{N}\p{P}\p{S}"),
    ("lower", r"\p{Lowercase}"),
    ("print", r"\p{Alphabetic}\p{M}\p{N}\p{P}\p{S}\p{Zs}"),
    ("punct", r"\p{P}$+<=>^`|~"),
    ("space", r"\s"),
    ("upper", r"\p{Uppercase}"),
    ("word", r"\w"),
    ("xdigit", HEX),
];

/// Reads a class whose opening bracket has been read.
pub(super) fn parse(reader: &mut Reader<'_>, depth: usize) -> Result<String, SyntaxError> {
    if depth > super::syntax::NESTING_MAX {
        return Err(SyntaxError::TooDeep);
    }
    let mut class = "[".to_owned();
    if reader.eat("^") {
        class.push('^');
    }
    let mut first = true;
    loop {
        let Some(c) = reader.next() else { return Err(SyntaxError::Unclosed { what: "character class" }) };
        match c {
            // As the first character it is itself.
            ']' if !first => break,
            '[' if reader.eat(":") => class.push_str(&posix(reader)?),
            '[' => class.push_str(&parse(reader, depth + 1)?),
            '&' if reader.eat("&") => class.push_str("&&"),
            _ => {
                let low = member(c, reader)?;
                let range = reader.rest().starts_with('-') && !reader.rest().starts_with("-]");
                match low {
                    Member::Set(set) => class.push_str(&set),
                    Member::Char(low) if range && !reader.rest().starts_with("-[") => {
                        reader.eat("-");
                        let Some(c) = reader.next() else {
                            return Err(SyntaxError::Unclosed { what: "character class" });
                        };
                        match member(c, reader)? {
                            Member::Char(high) if high < low => {
                                return Err(SyntaxError::EmptyRange { low, high });
                            }
                            Member::Char(high) => {
                                push(&mut class, low);
                                class.push('-');
                                push(&mut class, high);
                            }
                            Member::Set(set) => {
                                push(&mut class, low);
                                push(&mut class, '-');
                                class.push_str(&set);
                            }
                        }
                    }
                    Member::Char(c) => push(&mut class, c),
                }
            }
        }
        first = false;
    }
    class.push(']');
    Ok(class)
}

enum Member {
    Char(char),
    Set(String),
}

fn member(c: char, reader: &mut Reader<'_>) -> Result<Member, SyntaxError> {
    if c != '\\' {
        return Ok(Member::Char(c));
    }
    let Some(letter) = reader.next() else { return Err(SyntaxError::Unclosed { what: "escape" }) };
    Ok(match letter {
        'b' => Member::Char('\u{8}'),
        'R' | 'X' => Member::Char(letter),
        _ => match set(letter) {
            Some((negated, set)) => Member::Set(if negated { format!("[^{set}]") } else { set.to_owned() }),
            None if matches!(letter, 'p' | 'P') => Member::Set(reader.property(letter)?),
            None => Member::Char(reader.escaped(letter)?),
        },
    })
}

/// The set that an escape such as `\d` stands for, and whether it is the set's opposite.
pub(super) fn set(letter: char) -> Option<(bool, &'static str)> {
    Some(match letter {
        'd' => (false, DIGIT),
        'D' => (true, DIGIT),
        'h' => (false, HEX),
        'H' => (true, HEX),
        's' => (false, SPACE),
        'S' => (true, SPACE),
        'w' => (false, WORD),
        'W' => (true, WORD),
        _ => return None,
    })
}

fn posix(reader: &mut Reader<'_>) -> Result<String, SyntaxError> {
    let negated = reader.eat("^");
    let rest = reader.rest();
    let end = rest.find(":]").ok_or(SyntaxError::Unclosed { what: "[: :]" })?;
    let name = &rest[..end];
    let set = POSIX
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, set)| *set)
        .ok_or_else(|| SyntaxError::UnknownClass { name: name.to_owned() })?;
    reader.skip(end + 2);
    Ok(if negated { format!("[^{set}]") } else { set.to_owned() })
}

/// Adds a character so that it means itself inside a class.
fn push(class: &mut String, c: char) {
    if c.is_ascii_alphanumeric() || !c.is_ascii() {
        class.push(c);
    } else {
        class.push_str(&format!("\\x{:02X}", u32::from(c)));
    }
}
