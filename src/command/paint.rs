//! Colours on a terminal, and nothing elsewhere.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Whether standard output takes colours.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    coloured: bool,
}

/// A piece of text in a colour.
pub struct Painted<T>(T, Option<&'static str>);

impl Paint {
    /// Colours when standard output is a terminal, and nobody has set `NO_COLOR` (<https://no-color.org>).
    pub fn for_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { coloured: io::stdout().is_terminal() && !refused }
    }

    #[cfg(test)]
    pub const PLAIN: Self = Self { coloured: false };
    #[cfg(test)]
    pub const COLOURED: Self = Self { coloured: true };

    pub fn good<T: Display>(self, text: T) -> Painted<T> {
        self.paint(text, "32")
    }

    pub fn bad<T: Display>(self, text: T) -> Painted<T> {
        self.paint(text, "31")
    }

    pub fn changed<T: Display>(self, text: T) -> Painted<T> {
        self.paint(text, "33")
    }

    pub fn faint<T: Display>(self, text: T) -> Painted<T> {
        self.paint(text, "2")
    }

    pub fn strong<T: Display>(self, text: T) -> Painted<T> {
        self.paint(text, "1")
    }

    fn paint<T: Display>(self, text: T, code: &'static str) -> Painted<T> {
        Painted(text, self.coloured.then_some(code))
    }
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(code) => write!(f, "\x1b[{code}m{}\x1b[0m", self.0),
            None => self.0.fmt(f),
        }
    }
}

/// Text from outside for a terminal: control characters, which could move the cursor or worse, as escapes.
pub fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => safe.extend(character.escape_default()),
            false => safe.push(character),
        }
    }
    safe
}

/// What of `text` fits into `columns`, with a mark where something was left out.
pub fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.trim_end().to_owned();
    }
    let (mut shown, mut used) = (String::new(), 1);
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used > columns {
            break;
        }
        shown.push(character);
    }
    shown.trim_end().to_owned() + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_wide_is_cut_with_a_mark() {
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab…");
        // Two columns each.
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("abc", 1), "…");
    }

    #[test]
    fn nothing_from_outside_steers_the_terminal() {
        assert_eq!(safe("a\x1b[2Jb\nc ü"), "a\\u{1b}[2Jb\\nc ü");
        assert_eq!(Paint::PLAIN.bad("x").to_string(), "x");
        assert_eq!(Paint::COLOURED.bad("x").to_string(), "\x1b[31mx\x1b[0m");
    }
}
