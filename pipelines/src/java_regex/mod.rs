//! Regular expressions of Java (`java.util.regex`) on engines of Rust.
//!
//! Most run on an automaton whose time is linear in the text. Those that look around, refer back or give nothing back
//! (`(?=x)`, `\1`, `a*+`) run on a backtracking engine with a limit of steps.

mod class;
mod escapes;
mod replacement;
mod translate;

use std::ops::Range;
use std::sync::OnceLock;

use memchr::memmem::Finder;

pub(crate) use replacement::Replacement;

/// Steps of the backtracking engine for one text: some tenths of a second.
const BACKTRACK_STEPS_MAX: usize = 1_000_000;
/// Memory of one compiled expression.
const PROGRAM_BYTES_MAX: usize = 10 << 20;

#[derive(Debug)]
pub(crate) struct JavaRegex {
    engine: Engine,
    /// The text that is the only one that matches, where the expression is one.
    literal: Option<Finder<'static>>,
    /// For texts that end with a line break, before which Java's `$` holds too.
    before_break: Option<Fallback>,
}

#[derive(Debug)]
enum Engine {
    Linear(regex::Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

#[derive(Debug)]
struct Fallback {
    pattern: String,
    compiled: OnceLock<Option<Box<fancy_regex::Regex>>>,
}

/// One match: the whole and its groups, as places in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub groups: Vec<Option<Range<usize>>>,
}

impl Found {
    pub fn start(&self) -> usize {
        self.groups.first().and_then(Option::as_ref).map_or(0, |range| range.start)
    }

    pub fn end(&self) -> usize {
        self.groups.first().and_then(Option::as_ref).map_or(0, |range| range.end)
    }
}

impl JavaRegex {
    /// Compiles an expression; `flags` are the letters that Painless puts behind its slash (`i`, `m`, `s`, `x`, ..).
    pub fn compile(pattern: &str, flags: &str) -> Result<JavaRegex, String> {
        let translated = translate::translate(pattern, flags)?;
        let refuse = |error: &dyn std::fmt::Display| format!("invalid regular expression {pattern:?}: {error}");
        if translated.backtracks {
            let regex = backtracking(&translated.exact).map_err(|error| refuse(&error))?;
            return Ok(JavaRegex { engine: Engine::Backtracking(Box::new(regex)), literal: None, before_break: None });
        }
        let regex = regex::RegexBuilder::new(&translated.plain)
            .size_limit(PROGRAM_BYTES_MAX)
            .build()
            .map_err(|error| refuse(&error))?;
        let before_break =
            translated.has_dollar.then(|| Fallback { pattern: translated.exact, compiled: OnceLock::new() });
        let literal = if flags.is_empty() { literal(pattern) } else { None };
        let literal = literal.map(|literal| Finder::new(literal.as_bytes()).into_owned());
        Ok(JavaRegex { engine: Engine::Linear(regex), literal, before_break })
    }

    pub fn is_match(&self, text: &str) -> Result<bool, String> {
        if let Some(regex) = self.slow(text) {
            return regex.is_match(text).map_err(|error| interrupted(&error));
        }
        match &self.engine {
            Engine::Linear(regex) => Ok(regex.is_match(text)),
            Engine::Backtracking(regex) => regex.is_match(text).map_err(|error| interrupted(&error)),
        }
    }

    /// Whether the whole text matches. Java tries every way to reach the end; so does this.
    pub fn is_whole_match(&self, text: &str) -> Result<bool, String> {
        let pattern = match &self.engine {
            Engine::Linear(regex) => regex.as_str(),
            Engine::Backtracking(regex) => regex.as_str(),
        };
        // Most answers follow from the first match.
        match self.find_at(text, 0)? {
            None => return Ok(false),
            Some(found) if found.start() == 0 && found.end() == text.len() => return Ok(true),
            Some(_) => {}
        }
        let anchored = format!("\\A(?:{pattern})\\z");
        match &self.engine {
            Engine::Linear(_) => match regex::RegexBuilder::new(&anchored).size_limit(PROGRAM_BYTES_MAX).build() {
                Ok(regex) => Ok(regex.is_match(text)),
                Err(error) => Err(error.to_string()),
            },
            Engine::Backtracking(_) => match backtracking(&anchored) {
                Ok(regex) => regex.is_match(text).map_err(|error| interrupted(&error)),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    /// The first match that begins at `start` or behind it.
    pub fn find_at(&self, text: &str, start: usize) -> Result<Option<Found>, String> {
        match (self.slow(text), &self.engine) {
            (None, Engine::Linear(regex)) => Ok(regex.captures_at(text, start).map(|captures| Found {
                groups: (0..captures.len()).map(|group| captures.get(group).map(|found| found.range())).collect(),
            })),
            (Some(regex), _) => find_slowly(regex, text, start),
            (None, Engine::Backtracking(regex)) => find_slowly(regex, text, start),
        }
    }

    /// Where the first match lies that begins at `start` or behind it.
    fn range_at(&self, text: &str, start: usize) -> Result<Option<Range<usize>>, String> {
        if let Some(literal) = &self.literal {
            let rest = &text.as_bytes()[start..];
            let found = match literal.needle() {
                [byte] => memchr::memchr(*byte, rest),
                _ => literal.find(rest),
            };
            return Ok(found.map(|distance| start + distance..start + distance + literal.needle().len()));
        }
        match (self.slow(text), &self.engine) {
            (None, Engine::Linear(regex)) => Ok(regex.find_at(text, start).map(|found| found.range())),
            _ => Ok(self.find_at(text, start)?.map(|found| found.start()..found.end())),
        }
    }

    fn slow(&self, text: &str) -> Option<&fancy_regex::Regex> {
        let fallback = self.before_break.as_ref()?;
        if !text.ends_with(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
            return None;
        }
        fallback.compiled.get_or_init(|| backtracking(&fallback.pattern).ok().map(Box::new)).as_deref()
    }

    /// Each match in turn, as Java's `Matcher.find` gives them.
    pub fn find_all(&self, text: &str) -> Result<Vec<Found>, String> {
        let mut all = Vec::new();
        let mut start = 0;
        while start <= text.len() {
            let Some(found) = self.find_at(text, start)? else { break };
            start = match found.end() {
                end if end > found.start() => end,
                // After an empty match the search goes on one character further.
                end => end + text[end..].chars().next().map_or(1, char::len_utf8),
            };
            all.push(found);
        }
        Ok(all)
    }

    /// Java's `Pattern.split`. With `limit` 0 as many pieces as there are, without the empty ones at the end; with a
    /// positive limit at most so many, the last one being the rest; with a negative one all.
    pub fn split<'t>(&self, text: &'t str, limit: i32) -> Result<Vec<&'t str>, String> {
        let mut pieces = Vec::new();
        let mut from = 0;
        let pieces_max = usize::try_from(limit).unwrap_or(0);
        let mut start = 0;
        while start <= text.len() && (pieces_max == 0 || pieces.len() + 1 < pieces_max) {
            let Some(Range { start: begin, end }) = self.range_at(text, start)? else { break };
            start = if end > begin { end } else { end + text[end..].chars().next().map_or(1, char::len_utf8) };
            // An empty match at the beginning gives no empty piece.
            if begin == 0 && end == 0 {
                continue;
            }
            // Nor does one at the end give a piece behind it.
            if begin == end && begin == text.len() && limit == 0 {
                break;
            }
            pieces.push(&text[from..begin]);
            from = end;
        }
        if from == 0 && pieces.is_empty() {
            return Ok(vec![text]);
        }
        pieces.push(&text[from..]);
        if limit == 0 {
            while pieces.last().is_some_and(|piece| piece.is_empty()) {
                pieces.pop();
            }
        }
        Ok(pieces)
    }

    /// The two pieces of Java's `split` with limit 2; none where there is one.
    pub fn split_in_two<'t>(&self, text: &'t str) -> Result<Option<(&'t str, &'t str)>, String> {
        let mut start = 0;
        while start <= text.len() {
            let Some(found) = self.range_at(text, start)? else { break };
            if found.end > 0 {
                return Ok(Some((&text[..found.start], &text[found.end..])));
            }
            // An empty match at the beginning gives no empty piece.
            start = text.chars().next().map_or(1, char::len_utf8);
        }
        Ok(None)
    }

    /// Java's `replaceAll`.
    pub fn replace_all(&self, text: &str, replacement: &Replacement) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for found in self.find_all(text)? {
            out.push_str(&text[from..found.start()]);
            replacement.append(&mut out, text, &found)?;
            from = found.end();
        }
        out.push_str(&text[from..]);
        Ok(out)
    }

    /// The number of a named group.
    fn group_named(&self, name: &str) -> Option<usize> {
        match &self.engine {
            Engine::Linear(regex) => regex.capture_names().position(|known| known == Some(name)),
            Engine::Backtracking(regex) => regex.capture_names().position(|known| known == Some(name)),
        }
    }

    fn groups(&self) -> usize {
        match &self.engine {
            Engine::Linear(regex) => regex.captures_len(),
            Engine::Backtracking(regex) => regex.captures_len(),
        }
    }
}

/// The text that an expression is, when nothing in it has another meaning.
fn literal(pattern: &str) -> Option<String> {
    let mut literal = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        literal.push(match c {
            '\\' => chars.next().filter(char::is_ascii_punctuation)?,
            '^' | '$' | '.' | '|' | '?' | '*' | '+' | '(' | ')' | '[' | ']' | '{' | '}' | '#' | '&' => return None,
            c => c,
        });
    }
    (!literal.is_empty()).then_some(literal)
}

fn find_slowly(regex: &fancy_regex::Regex, text: &str, start: usize) -> Result<Option<Found>, String> {
    let captures = regex.captures_from_pos(text, start).map_err(|error| interrupted(&error))?;
    Ok(captures.map(|captures| Found {
        groups: (0..captures.len()).map(|group| captures.get(group).map(|found| found.range())).collect(),
    }))
}

fn backtracking(pattern: &str) -> Result<fancy_regex::Regex, fancy_regex::Error> {
    fancy_regex::RegexBuilder::new(pattern)
        .backtrack_limit(BACKTRACK_STEPS_MAX)
        .delegate_size_limit(PROGRAM_BYTES_MAX)
        .build()
}

fn interrupted(error: &fancy_regex::Error) -> String {
    format!("regular expression was interrupted: {error}")
}

#[cfg(test)]
mod tests;
