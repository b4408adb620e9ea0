//! The topic of an input's records: a name, or a template into which parts of the file's path are put.
//!
//! ```text
//! {name}    the file's name up to its first dot       /srv/shop/app.log.1  ->  app
//! {dir}     the name of its directory                                      ->  shop
//! {path:N}  the Nth name of its path, from 1                               ->  {path:1} is srv
//! ```
//!
//! What Kafka does not allow in a topic becomes `-`; a name that is too long is cut.

use std::path::Path;

/// Kafka's longest topic (`org.apache.kafka.common.internals.Topic.MAX_NAME_LENGTH`).
const TOPIC_BYTES_MAX: usize = 249;
/// Stands where a path has no such part.
const NOTHING: &str = "none";

/// Why a topic or template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    #[error("topic is empty")]
    Empty,
    #[error("topic {0:?} is longer than {TOPIC_BYTES_MAX} bytes")]
    TooLong(String),
    #[error(
        "topic {topic:?} has {character:?}; want letters, digits, '.', '_', '-', and {{name}}, {{dir}} or {{path:N}}"
    )]
    Character { topic: String, character: char },
    #[error("topic {topic:?}: {{{part}}} is not known; want {{name}}, {{dir}} or {{path:N}} with N from 1")]
    Part { topic: String, part: String },
    #[error("topic {0:?}: a {{ has no }}")]
    Unclosed(String),
    #[error("topic {0:?} is not a name that Kafka allows")]
    Dots(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name,
    Directory,
    /// From 0.
    Component(usize),
}

/// A checked template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicTemplate(Vec<Part>);

impl TopicTemplate {
    pub fn parse(topic: &str) -> Result<Self, TopicError> {
        if topic.is_empty() {
            return Err(TopicError::Empty);
        }
        let mut parts = Vec::new();
        let mut rest = topic;
        while let Some((text, after)) = rest.split_once('{') {
            put_text(&mut parts, topic, text)?;
            let (part, after) = after.split_once('}').ok_or_else(|| TopicError::Unclosed(topic.to_owned()))?;
            parts.push(
                Part::named(part).ok_or_else(|| TopicError::Part { topic: topic.to_owned(), part: part.to_owned() })?,
            );
            rest = after;
        }
        put_text(&mut parts, topic, rest)?;
        if let [Part::Text(text)] = parts.as_slice() {
            if text.len() > TOPIC_BYTES_MAX {
                return Err(TopicError::TooLong(topic.to_owned()));
            }
            if text == "." || text == ".." {
                return Err(TopicError::Dots(topic.to_owned()));
            }
        }
        Ok(Self(parts))
    }

    /// The topic of the file at `path`.
    pub fn name(&self, path: &Path) -> String {
        let mut name = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Name => put_part(&mut name, path.file_name().map(|file| up_to_dot(&file.to_string_lossy()))),
                Part::Directory => put_part(&mut name, path.parent().and_then(last)),
                Part::Component(number) => {
                    let component = path.iter().filter(|component| *component != "/").nth(*number);
                    put_part(&mut name, component.map(|component| component.to_string_lossy().into_owned()));
                }
            }
        }
        // Only ASCII has been put into it.
        name.truncate(TOPIC_BYTES_MAX);
        if name == "." || name == ".." { name.replace('.', "-") } else { name }
    }
}

impl Part {
    fn named(part: &str) -> Option<Self> {
        match part {
            "name" => Some(Self::Name),
            "dir" => Some(Self::Directory),
            _ => {
                let number: usize = part.strip_prefix("path:")?.parse().ok()?;
                Some(Self::Component(number.checked_sub(1)?))
            }
        }
    }
}

fn put_text(parts: &mut Vec<Part>, topic: &str, text: &str) -> Result<(), TopicError> {
    if let Some(character) = text.chars().find(|character| !is_allowed(*character)) {
        return Err(TopicError::Character { topic: topic.to_owned(), character });
    }
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
    Ok(())
}

fn put_part(name: &mut String, part: Option<String>) {
    let part = part.filter(|part| !part.is_empty());
    let part = part.as_deref().unwrap_or(NOTHING);
    name.extend(part.chars().map(|character| if is_allowed(character) { character } else { '-' }));
}

fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

/// A hidden file's name begins with a dot: that one does not count.
fn up_to_dot(name: &str) -> String {
    let from = usize::from(name.starts_with('.'));
    let end = name[from..].find('.').map_or(name.len(), |dot| from + dot);
    name[..end].to_owned()
}

fn last(path: &Path) -> Option<String> {
    path.file_name().map(|name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, path: &str, expect: &str) {
        assert_eq!(TopicTemplate::parse(template).expect("sound").name(Path::new(path)), expect, "{template} {path}");
    }

    #[test]
    fn parts_of_the_path_become_parts_of_the_topic() {
        check("logs", "/a/b.log", "logs");
        check("logs-{name}", "/srv/shop/app.log.1", "logs-app");
        check("{dir}.{name}", "/srv/shop/.hidden.log", "shop..hidden");
        check("{path:1}_{path:2}_{path:9}", "/srv/shop/app.log", "srv_shop_none");
        check("x-{dir}", "/app.log", "x-none");
        check("{name}", "/a/b c\u{e9}.log", "b-c-");
        check("{name}", "/a/..", "none");
        let long = "x".repeat(300);
        check("{name}", &format!("/{long}"), &long[..249]);
    }

    #[test]
    fn what_cannot_be_a_topic_is_an_error() {
        let fails = |template: &str| TopicTemplate::parse(template).expect_err(template);
        assert_eq!(fails(""), TopicError::Empty);
        assert_eq!(fails("."), TopicError::Dots(".".into()));
        assert_eq!(fails("a b"), TopicError::Character { topic: "a b".into(), character: ' ' });
        assert_eq!(fails("a}"), TopicError::Character { topic: "a}".into(), character: '}' });
        assert_eq!(fails("a{name"), TopicError::Unclosed("a{name".into()));
        assert_eq!(fails("{host}"), TopicError::Part { topic: "{host}".into(), part: "host".into() });
        assert!(matches!(fails("{path:0}"), TopicError::Part { .. }));
        assert!(matches!(fails(&"x".repeat(250)), TopicError::TooLong(_)));
    }
}
