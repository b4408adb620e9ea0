//! Patterns such as `%{a->} [%{b}] %{+a/2}`: keys with modifiers, and what stands between them.

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    text: String,
    /// What the text must begin with.
    prefix: String,
    keys: Vec<Key>,
    /// Distinct names of keys that are kept.
    results: usize,
    append_separator: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    name: String,
    kind: Kind,
    /// `->`: separators behind the value may repeat.
    skips_padding: bool,
    /// What follows the value; nothing for the rest of the text.
    separator: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    /// `?`, or without a name.
    Skip,
    /// `+`, joined in the order of the numbers behind a slash.
    Append(usize),
    /// `*`: the value is a name.
    Name,
    /// `&`: the value of that name.
    Value,
}

impl Pattern {
    pub fn parse(text: &str, append_separator: &str) -> Result<Pattern, String> {
        let unable = |reason: &str| format!("unable to parse dissect pattern {text:?}: {reason}");
        let start = text.find("%{").ok_or_else(|| unable("no keys in it"))?;
        let mut keys = Vec::new();
        let mut rest = &text[start..];
        while let Some(inside) = rest.strip_prefix("%{") {
            let end = inside.find('}').ok_or_else(|| unable("a key has no end"))?;
            let behind = &inside[end + 1..];
            // A separator has at least one character, whatever it is.
            let from = behind.chars().next().map_or(0, char::len_utf8);
            let length = behind[from..].find("%{").map_or(behind.len(), |place| from + place);
            keys.push(Key::parse(&inside[..end], &behind[..length]).map_err(|reason| unable(&reason))?);
            rest = &behind[length..];
        }
        let mut names: Vec<&str> =
            keys.iter().filter(|key| key.kind != Kind::Skip).map(|key| key.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let results = names.len();
        if results == 0 {
            return Err(unable("no keys that are kept"));
        }
        // What is appended to is itself one of the pieces.
        let appended: Vec<String> =
            keys.iter().filter(|key| matches!(key.kind, Kind::Append(_))).map(|key| key.name.clone()).collect();
        for key in &mut keys {
            if key.kind == Kind::Plain && appended.contains(&key.name) {
                key.kind = Kind::Append(0);
            }
        }
        for key in keys.iter().filter(|key| matches!(key.kind, Kind::Name | Kind::Value)) {
            let count = |kind: Kind| keys.iter().filter(|other| other.name == key.name && other.kind == kind).count();
            if count(Kind::Name) != 1 || count(Kind::Value) != 1 {
                return Err(unable(&format!("each *{0} needs one &{0}", key.name)));
            }
        }
        Ok(Pattern {
            text: text.to_owned(),
            prefix: text[..start].to_owned(),
            keys,
            results,
            append_separator: append_separator.to_owned(),
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Names and values, or none when the text does not match.
    pub fn find(&self, text: &str) -> Option<Vec<(String, String)>> {
        let values = self.values(text)?;
        let mut found: Vec<(String, String)> = Vec::with_capacity(values.len());
        let mut appended: Vec<(&str, Vec<(usize, &str)>)> = Vec::new();
        for (key, value) in self.keys.iter().zip(&values) {
            match key.kind {
                Kind::Skip | Kind::Value => {}
                Kind::Plain => put(&mut found, key.name.clone(), (*value).to_owned()),
                Kind::Append(order) => match appended.iter_mut().find(|(name, _)| *name == key.name) {
                    Some((_, pieces)) => pieces.push((order, value)),
                    None => appended.push((&key.name, vec![(order, value)])),
                },
                Kind::Name => {
                    let of = self.keys.iter().position(|other| other.kind == Kind::Value && other.name == key.name)?;
                    put(&mut found, (*value).to_owned(), values[of].to_owned());
                }
            }
        }
        for (name, mut pieces) in appended {
            pieces.sort_by_key(|(order, _)| *order);
            let pieces: Vec<&str> = pieces.into_iter().map(|(_, piece)| piece).collect();
            put(&mut found, name.to_owned(), pieces.join(&self.append_separator));
        }
        // Two keys that came to the same name are no match.
        (found.len() == self.results).then_some(found)
    }

    /// The value of each key.
    fn values<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let mut rest = text.strip_prefix(self.prefix.as_str()).filter(|rest| !rest.is_empty())?;
        let mut values = Vec::with_capacity(self.keys.len());
        let mut keys = self.keys.iter();
        let mut next = keys.next();
        while let Some(key) = next {
            if key.separator.is_empty() {
                values.push(rest);
                return (keys.next().is_none() && values.len() == self.keys.len()).then_some(values);
            }
            let place = rest.find(key.separator.as_str())?;
            values.push(&rest[..place]);
            rest = &rest[place + key.separator.len()..];
            // The same separator again: padding, or empty values of the keys that follow, whatever is behind those.
            let mut padded = key;
            while let Some(behind) = rest.strip_prefix(key.separator.as_str()) {
                rest = behind;
                if !padded.skips_padding {
                    let Some(empty) = keys.next() else { break };
                    padded = empty;
                    values.push("");
                }
            }
            next = keys.next();
        }
        (values.len() == self.keys.len()).then_some(values)
    }
}

fn put(found: &mut Vec<(String, String)>, name: String, value: String) {
    match found.iter_mut().find(|(known, _)| *known == name) {
        Some((_, there)) => *there = value,
        None => found.push((name, value)),
    }
}

impl Key {
    fn parse(text: &str, separator: &str) -> Result<Key, String> {
        let (text, skips_padding) = match text.strip_suffix("->") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let invalid = || format!("invalid key {text:?}");
        let (kind, name) = match text.chars().next() {
            None => (Kind::Skip, ""),
            Some('?') => (Kind::Skip, &text[1..]),
            Some('*') => (Kind::Name, &text[1..]),
            Some('&') => (Kind::Value, &text[1..]),
            Some('+') => match text[1..].rsplit_once('/') {
                Some((name, order)) => (Kind::Append(order.parse().map_err(|_| invalid())?), name),
                None => (Kind::Append(0), &text[1..]),
            },
            Some(_) => (Kind::Plain, text),
        };
        if name.is_empty() && kind != Kind::Skip {
            return Err(invalid());
        }
        Ok(Key { name: name.to_owned(), kind, skips_padding, separator: separator.to_owned() })
    }
}
