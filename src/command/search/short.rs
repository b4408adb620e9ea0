//! Short names of fields that people type and documents in ECS do not have: `level:error`, `status:>=500`.

use std::ops::Range;

/// What is typed, and the field of the Elastic Common Schema that it stands for.
const SHORT: [(&str, &str); 8] = [
    ("file", "log.file.path"),
    ("host", "host.name"),
    ("ip", "source.ip"),
    ("level", "log.level"),
    ("method", "http.request.method"),
    ("path", "url.path"),
    ("service", "service.name"),
    ("status", "http.response.status_code"),
];

/// A short name in a query, and where it stands there.
#[derive(Debug, PartialEq, Eq)]
pub struct Short {
    pub name: &'static str,
    pub field: &'static str,
    at: Range<usize>,
}

/// The short names that stand for a field in `query`, in Lucene's syntax: in front of a colon, outside of quotes, brackets and
/// regular expressions.
pub fn short_names(query: &str) -> Vec<Short> {
    let mut found = Vec::new();
    // Where the word began that is being read, and the character that ends what is no word.
    let mut word = 0;
    let mut closing = None;
    let mut is_escaped = false;
    for (at, character) in query.char_indices() {
        if std::mem::take(&mut is_escaped) {
            continue;
        }
        match (closing, character) {
            (_, '\\') => is_escaped = true,
            (Some(']' | '}'), ']' | '}') => (closing, word) = (None, at + 1),
            (Some(end), _) if end == character => (closing, word) = (None, at + 1),
            (Some(_), _) => {}
            (None, '"' | '/') if character == '"' || at == word => closing = Some(character),
            (None, '[') => closing = Some(']'),
            (None, '{') => closing = Some('}'),
            (None, ':') => {
                let typed = &query[word..at];
                if let Some(&(name, field)) = SHORT.iter().find(|(name, _)| *name == typed) {
                    found.push(Short { name, field, at: word..at });
                }
                word = at + 1;
            }
            (None, '(' | ')' | '+' | '-' | '!') => word = at + character.len_utf8(),
            (None, character) if character.is_whitespace() => word = at + character.len_utf8(),
            (None, _) => {}
        }
    }
    found
}

/// The query with the fields in place of these names of it.
pub fn spelled_out(query: &str, names: &[Short]) -> String {
    let mut text = String::new();
    let mut from = 0;
    for name in names {
        text.push_str(&query[from..name.at.start]);
        text.push_str(name.field);
        from = name.at.end;
    }
    text + &query[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_front_of_a_colon_are_found() {
        let check = |query: &str, want: &str| {
            assert_eq!(spelled_out(query, &short_names(query)), want, "{query}");
        };
        check("status:>=500 AND host.name:web*", "http.response.status_code:>=500 AND host.name:web*");
        check("level:error", "log.level:error");
        check(
            "NOT (level:(error OR warn) OR -status:404)",
            "NOT (log.level:(error OR warn) OR -http.response.status_code:404)",
        );
        check("status:[500 TO 599] level:info", "http.response.status_code:[500 TO 599] log.level:info");
        check("status:{500 TO 599] level:info", "http.response.status_code:{500 TO 599] log.level:info");
        check("path:/shop.*level:x/ level:a", "url.path:/shop.*level:x/ log.level:a");
        for as_it_is in [
            "",
            "level",
            "log.level:error",
            "my_level:error",
            "a.status:1",
            "message:\"level:error\"",
            "\"status:500 level:\"",
            r"message:the\ level:error",
            "http.response.status_code:>=500",
            "[level:x",
            "\"level:x",
            "é:level",
            r"level\:error",
        ] {
            check(as_it_is, as_it_is);
        }
    }
}
