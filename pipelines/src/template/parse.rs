//! Reads mustache: variables, comments, sections and inverted ones.

use super::{Function, Name, Part, Template, TemplateError};

/// How deep sections may lie in each other.
const NESTING_MAX: usize = 32;

/// A section that is not closed yet.
struct Open {
    tag: String,
    inverted: bool,
    parts: Vec<Part>,
}

pub(super) fn parse(text: &str) -> Result<Template, TemplateError> {
    let mut parts: Vec<Part> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut rest = text;
    // Whether only blanks stand between the last line break and here: a section's tag alone on a line takes its line.
    let mut line_start = true;
    while let Some(start) = rest.find("{{") {
        let before = &rest[..start];
        let raw = rest[start..].starts_with("{{{");
        let (braces, close) = if raw { ("{{{", "}}}") } else { ("{{", "}}") };
        let inside = &rest[start + braces.len()..];
        let end = inside.find(close).ok_or_else(|| TemplateError::Unclosed { open: braces, text: text.to_owned() })?;
        let after = &inside[end + close.len()..];
        let tag = inside[..end].trim();
        let first = tag.as_bytes().first().copied();
        let standalone = matches!(first, Some(b'#' | b'^' | b'/' | b'!'))
            && before.rsplit('\n').next().is_some_and(|line| line.trim().is_empty())
            && (before.contains('\n') || line_start)
            && after.trim_start_matches([' ', '\t', '\r']).starts_with('\n');
        let literal = if standalone { before.trim_end_matches([' ', '\t']) } else { before };
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.to_owned()));
        }
        line_start = standalone;
        rest = match standalone {
            true => after.split_once('\n').map_or("", |(_, rest)| rest),
            false => after,
        };
        match first {
            None => return Err(TemplateError::NoName { text: text.to_owned() }),
            Some(b'!') => {}
            Some(b'&') => parts.push(Part::Variable { name: Name::parse(tag[1..].trim())?, escaped: false }),
            Some(sign @ (b'#' | b'^')) => {
                if open.len() >= NESTING_MAX {
                    return Err(TemplateError::TooDeep { text: text.to_owned() });
                }
                let tag = tag[1..].trim().to_owned();
                open.push(Open { tag, inverted: sign == b'^', parts: std::mem::take(&mut parts) });
            }
            Some(b'/') => {
                let closed = tag[1..].trim();
                let Some(section) = open.pop().filter(|section| section.tag == closed) else {
                    return Err(TemplateError::Unopened { tag: closed.to_owned() });
                };
                let inner = std::mem::replace(&mut parts, section.parts);
                parts.push(close_section(&section.tag, section.inverted, inner)?);
            }
            Some(b'>' | b'=' | b'$' | b'<') => {
                return Err(TemplateError::Unsupported { tag: format!("{braces}{tag}{close}") });
            }
            Some(_) => parts.push(Part::Variable { name: Name::parse(tag)?, escaped: !raw }),
        }
    }
    if let Some(section) = open.pop() {
        return Err(TemplateError::Unended { tag: section.tag });
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    Ok(Template { parts })
}

fn close_section(tag: &str, inverted: bool, inner: Vec<Part>) -> Result<Part, TemplateError> {
    let function = match tag {
        "toJson" => Some(Function::ToJson),
        "join" => Some(Function::Join { delimiter: ",".to_owned() }),
        "url" => return Err(TemplateError::Unsupported { tag: "{{#url}}".to_owned() }),
        tag => tag
            .strip_prefix("join ")
            .and_then(|options| options.trim().strip_prefix("delimiter="))
            .map(|quoted| Function::Join { delimiter: quoted.trim_matches('\'').to_owned() }),
    };
    if let Some(function) = function {
        let name: String = inner
            .iter()
            .map(|part| match part {
                Part::Literal(text) => Ok(text.trim()),
                _ => Err(TemplateError::Unsupported { tag: format!("{{{{#{tag}}}}}") }),
            })
            .collect::<Result<_, _>>()?;
        return Ok(Part::Function { function, name: Name::parse(&name)? });
    }
    Ok(Part::Section { name: Name::parse(tag)?, inverted, parts: inner })
}
