//! `html_strip`: a text without the tags of HTML.

use super::text::TextField;
use super::{Flow, Processor, Reason};
use crate::document::{Document, Value};
use crate::pipeline::{Options, Refusal, Run};

#[derive(Debug)]
struct HtmlStrip {
    text: TextField,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    Ok(Box::new(HtmlStrip { text: TextField::parse(options)? }))
}

impl Processor for HtmlStrip {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        self.text.change(document, |text| Ok(Value::from(strip(text))))
    }
}

/// Elements inside of a line: their tags leave nothing behind, those of others leave a line break.
const INLINE: [&str; 34] = [
    "a", "abbr", "acronym", "b", "basefont", "bdo", "big", "cite", "code", "dfn", "em", "font", "i", "img", "input",
    "kbd", "label", "q", "s", "samp", "select", "small", "span", "strike", "strong", "sub", "sup", "textarea", "tt",
    "u", "var", "ins", "del", "button",
];
/// Names of entities that logs contain; the others stay as they are.
const ENTITIES: [(&str, char); 31] = [
    ("amp", '&'),
    ("apos", '\''),
    ("bull", '•'),
    ("cent", '¢'),
    ("copy", '©'),
    ("deg", '°'),
    ("eacute", 'é'),
    ("egrave", 'è'),
    ("euro", '€'),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("Auml", 'Ä'),
    ("Ouml", 'Ö'),
    ("Uuml", 'Ü'),
    ("szlig", 'ß'),
    ("gt", '>'),
    ("hellip", '…'),
    ("laquo", '«'),
    ("ldquo", '“'),
    ("lsquo", '‘'),
    ("lt", '<'),
    ("mdash", '—'),
    ("middot", '·'),
    ("nbsp", ' '),
    ("ndash", '–'),
    ("quot", '"'),
    ("raquo", '»'),
    ("rdquo", '”'),
    ("reg", '®'),
    ("rsquo", '’'),
];
/// Longest name of an entity, so that a text full of ampersands is read once.
const ENTITY_BYTES_MAX: usize = 10;

fn strip(text: &str) -> String {
    // What cannot have a tag is not looked at, entities included.
    if !text.contains('<') || !text.contains('>') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(['<', '&']) {
        out.push_str(&rest[..place]);
        rest = &rest[place..];
        let taken = if rest.starts_with('&') { entity(rest, &mut out) } else { tag(rest, &mut out) };
        if taken == 0 {
            out.push_str(&rest[..1]);
            rest = &rest[1..];
        } else {
            rest = &rest[taken..];
        }
    }
    out.push_str(rest);
    out
}

/// Reads a tag or a comment at the start of the text, and gives its length; 0 when it is none.
fn tag(text: &str, out: &mut String) -> usize {
    if let Some(comment) = text.strip_prefix("<!--") {
        return comment.find("-->").map_or(0, |end| 4 + end + 3);
    }
    if let Some(data) = text.strip_prefix("<![CDATA[") {
        let Some(end) = data.find("]]>") else { return 0 };
        out.push_str(&data[..end]);
        return 9 + end + 3;
    }
    if text.starts_with("<?") {
        return text.find('>').map_or(0, |end| end + 1);
    }
    if text.starts_with("<!") {
        return text.find('>').map_or(0, |end| end + 1);
    }
    let inside = text[1..].trim_start();
    let closing = inside.starts_with('/');
    let name_start = text.len() - inside.len() + usize::from(closing);
    let name = &text[name_start..];
    let name_end =
        name.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, ':' | '-' | '_')).unwrap_or(name.len());
    let name = name[..name_end].to_ascii_lowercase();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return 0;
    }
    let Some(length) = end_of_tag(text, name_start + name_end) else { return 0 };
    if !closing && (name == "script" || name == "style") {
        let closing = format!("</{name}");
        let lower = text[length..].to_ascii_lowercase();
        if let Some(end) = lower.find(&closing) {
            let after = length + end;
            out.push('\n');
            return after + text[after..].find('>').map_or(text.len() - after, |end| end + 1);
        }
    }
    if !INLINE.contains(&name.as_str()) {
        out.push('\n');
    }
    length
}

/// Where a tag ends whose name ends at `start`; a bracket between quotes does not end it.
fn end_of_tag(text: &str, start: usize) -> Option<usize> {
    let mut quote = None;
    for (index, byte) in text.bytes().enumerate().skip(start) {
        match (quote, byte) {
            (None, b'>') => return Some(index + 1),
            (None, b'<') => return None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if byte == open => quote = None,
            _ => {}
        }
    }
    None
}

/// Reads an entity at the start of the text, and gives its length; 0 when it is none.
fn entity(text: &str, out: &mut String) -> usize {
    let inside = &text[1..];
    let name_end = inside
        .bytes()
        .take(ENTITY_BYTES_MAX)
        .position(|byte| !byte.is_ascii_alphanumeric() && byte != b'#')
        .unwrap_or(inside.len().min(ENTITY_BYTES_MAX));
    let name = inside.get(..name_end).unwrap_or_default();
    let closed = inside[name_end..].starts_with(';');
    let c = match name.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            code.ok().and_then(char::from_u32)
        }
        None => ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, c)| *c),
    };
    match c {
        Some(c) if closed => {
            out.push(c);
            1 + name_end + 1
        }
        _ => 0,
    }
}
