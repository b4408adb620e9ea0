//! Which names an index may have, and which indices a pattern means.

use super::limits::INDEX_NAME_BYTES_MAX;
use crate::query::Refusal;
use globset::{GlobBuilder, GlobMatcher};

/// Refuses what Elasticsearch refuses. What is left is also one name of a folder.
pub fn check(name: &str) -> Result<(), Refusal> {
    let wrong = |why: &str| {
        let shown: String = name.chars().take(INDEX_NAME_BYTES_MAX).collect();
        Err(Refusal::new("invalid_index_name_exception", format!("Invalid index name [{shown}], {why}")))
    };
    if name.is_empty() {
        return wrong("must not be empty");
    }
    if name.len() > INDEX_NAME_BYTES_MAX {
        return wrong("index name is too long, it must be at most 255 bytes");
    }
    if name == "." || name == ".." {
        return wrong("must not be '.' or '..'");
    }
    if name.starts_with(['_', '-', '+']) {
        return wrong("must not start with '_', '-', or '+'");
    }
    if name.contains(['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':'])
        || name.chars().any(char::is_control)
    {
        return wrong("must not contain the following characters ['\\','/','*','?','\"','<','>','|',' ',',','#',':']");
    }
    match name.chars().any(char::is_uppercase) {
        true => wrong("must be lowercase"),
        false => Ok(()),
    }
}

/// A list of names and patterns (`sluice-*,-sluice-old`), as it stands in a path.
pub struct Names {
    parts: Vec<Part>,
    /// Whether patterns also mean names with a dot before them.
    hidden: bool,
}

struct Part {
    text: String,
    excludes: bool,
    /// `None`: a plain name.
    pattern: Option<GlobMatcher>,
}

impl Names {
    /// `_all`, `*` and nothing mean all.
    pub fn parse(list: &str) -> Result<Self, Refusal> {
        let list = if list.is_empty() || list == "_all" { "*" } else { list };
        let mut parts = Vec::new();
        for part in list.split(',').filter(|part| !part.is_empty()) {
            let (excludes, text) = match part.strip_prefix('-') {
                Some(rest) if !parts.is_empty() => (true, rest),
                _ => (false, part),
            };
            let pattern = match text.contains(['*', '?']) {
                false => {
                    check(text)?;
                    None
                }
                true => {
                    let glob = GlobBuilder::new(&escaped(text)).literal_separator(false).build();
                    Some(
                        glob.map_err(|error| Refusal::argument(format!("index pattern [{text}]: {error}")))?
                            .compile_matcher(),
                    )
                }
            };
            parts.push(Part { text: text.to_owned(), excludes, pattern });
        }
        Ok(Self { parts, hidden: false })
    }

    /// With what a request says of patterns: whether they are looked up, and whether they mean hidden indices.
    pub fn expanding(mut self, expands: bool, hidden: bool) -> Self {
        self.hidden = hidden;
        if !expands {
            self.parts.retain(|part| part.pattern.is_none());
        }
        self
    }

    /// The patterns, as they were written, that do not exclude.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter(|part| part.pattern.is_some() && !part.excludes).map(|part| part.text.as_str())
    }

    /// Whether the list means the index `name`.
    pub fn means(&self, name: &str) -> bool {
        self.parts.iter().fold(false, |means, part| match part.matches(name, self.hidden) {
            true => !part.excludes,
            false => means,
        })
    }

    /// The plain names: each of them has to be there.
    pub fn plain(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter(|part| part.pattern.is_none() && !part.excludes).map(|part| part.text.as_str())
    }
}

impl Part {
    fn matches(&self, name: &str, hidden: bool) -> bool {
        match &self.pattern {
            None => self.text == name,
            // Hidden indices are meant by those who write the dot.
            Some(pattern) => (hidden || !name.starts_with('.') || self.text.starts_with('.')) && pattern.is_match(name),
        }
    }
}

/// `*` and `?` are patterns, and nothing else is.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut pattern, character| {
        if matches!(character, '[' | ']' | '{' | '}' | '\\' | '!') {
            pattern.push('\\');
        }
        pattern.push(character);
        pattern
    })
}

/// Whether one of an index template's patterns means `name`.
pub fn any_means(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| Names::parse(pattern).is_ok_and(|names| names.means(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_of_folders() {
        for good in ["sluice-nginx.access-2025.11", "a", ".hidden", "größe"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for wrong in ["", ".", "..", "../x", "a/b", "A", "_x", "-x", "a*", "a b", "a\0b", &"x".repeat(256)] {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn lists_mean_what_elasticsearch_means() {
        let check = |list: &str, name: &str, expect| {
            assert_eq!(Names::parse(list).map(|names| names.means(name)), Ok(expect), "{list} {name}");
        };
        check("sluice-*", "sluice-a", true);
        check("sluice-*,-sluice-a", "sluice-a", false);
        check("sluice-*,-*b", "sluice-a", true);
        check("_all", "anything", true);
        check("*", ".hidden", false);
        check("a,b", "b", true);
        check("a,b", "ab", false);
        check("{a}*", "a", false);
        assert!(Names::parse("../x").is_err());
    }
}
