//! Java's replacement texts, in which `$1`, `${name}` and `\$` mean something.

use super::{Found, JavaRegex};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replacement {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
    /// What Java finds out only when it replaces.
    Failure(String),
}

impl Replacement {
    /// Takes out what is found.
    pub fn nothing() -> Replacement {
        Replacement { parts: Vec::new() }
    }

    /// Reads a replacement for an expression. Wrong ones fail when something is to be replaced, as in Java.
    pub fn parse(text: &str, regex: &JavaRegex) -> Replacement {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let part = match c {
                '\\' => match chars.next() {
                    Some(c) => {
                        literal.push(c);
                        continue;
                    }
                    None => Part::Failure("character to be escaped is missing".to_owned()),
                },
                '$' => match chars.next() {
                    Some('{') => {
                        let mut name = String::new();
                        let closed = loop {
                            match chars.next() {
                                Some('}') => break true,
                                Some(c) if c.is_ascii_alphanumeric() => name.push(c),
                                _ => break false,
                            }
                        };
                        match regex.group_named(&name) {
                            _ if !closed => Part::Failure("named capturing group is missing trailing '}'".to_owned()),
                            Some(group) => Part::Group(group),
                            None => Part::Failure(format!("No group with name {{{name}}}")),
                        }
                    }
                    Some(digit @ '0'..='9') => {
                        let mut group = digit as usize - '0' as usize;
                        if group >= regex.groups() {
                            Part::Failure(format!("No group {group}"))
                        } else {
                            // As many digits as still name a group.
                            while let Some(next) = chars.peek().and_then(|c| c.to_digit(10)) {
                                let longer = group * 10 + next as usize;
                                if longer >= regex.groups() {
                                    break;
                                }
                                group = longer;
                                chars.next();
                            }
                            Part::Group(group)
                        }
                    }
                    Some(_) => Part::Failure("Illegal group reference".to_owned()),
                    None => Part::Failure("Illegal group reference: group index is missing".to_owned()),
                },
                c => {
                    literal.push(c);
                    continue;
                }
            };
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            let failed = matches!(part, Part::Failure(_));
            parts.push(part);
            if failed {
                return Replacement { parts };
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Replacement { parts }
    }

    pub(super) fn append(&self, out: &mut String, text: &str, found: &Found) -> Result<(), String> {
        for part in &self.parts {
            match part {
                Part::Text(literal) => out.push_str(literal),
                Part::Group(group) => {
                    if let Some(Some(range)) = found.groups.get(*group) {
                        out.push_str(&text[range.clone()]);
                    }
                }
                Part::Failure(reason) => return Err(reason.clone()),
            }
        }
        Ok(())
    }
}
