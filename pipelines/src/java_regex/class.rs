//! Character classes of Java's expressions as the engines write them.

/// Java's `\h`.
pub(super) const HORIZONTAL: &str = r" \t\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}";
/// Java's `\v`.
pub(super) const VERTICAL: &str = r"\n\x0B\x0C\r\x{85}\x{2028}\x{2029}";

/// What stands between the brackets of a predefined class, and whether it is turned round.
pub(super) fn predefined(letter: char, unicode: bool) -> Option<(&'static str, bool)> {
    Some(match letter {
        'd' if unicode => (r"\d", false),
        'D' if unicode => (r"\d", true),
        'w' if unicode => (r"\w", false),
        'W' if unicode => (r"\w", true),
        's' if unicode => (r"\s", false),
        'S' if unicode => (r"\s", true),
        'd' => ("0-9", false),
        'D' => ("0-9", true),
        'w' => ("a-zA-Z0-9_", false),
        'W' => ("a-zA-Z0-9_", true),
        's' => (r" \t\n\x0B\x0C\r", false),
        'S' => (r" \t\n\x0B\x0C\r", true),
        'h' => (HORIZONTAL, false),
        'H' => (HORIZONTAL, true),
        'v' => (VERTICAL, false),
        'V' => (VERTICAL, true),
        _ => return None,
    })
}

/// What stands between the brackets for a name behind `\p`.
pub(super) fn property(name: &str) -> Option<String> {
    let posix = match name {
        "Lower" => "a-z",
        "Upper" => "A-Z",
        "ASCII" => r"\x00-\x7F",
        "Alpha" => "a-zA-Z",
        "Digit" => "0-9",
        "Alnum" => "a-zA-Z0-9",
        "Punct" => r##"!-/:-@\[-`{-~"##,
        "Graph" => "!-~",
        "Print" => " -~",
        "Blank" => r" \t",
        "Cntrl" => r"\x00-\x1F\x7F",
        "XDigit" => "0-9a-fA-F",
        "Space" => r" \t\n\x0B\x0C\r",
        "javaLowerCase" => r"\p{Lowercase}",
        "javaUpperCase" => r"\p{Uppercase}",
        "javaWhitespace" => r"\s",
        "javaLetter" => r"\p{L}",
        "javaDigit" => r"\p{Nd}",
        "javaLetterOrDigit" => r"\p{L}\p{Nd}",
        _ => {
            let name = name
                .strip_prefix("Is")
                .or_else(|| name.strip_prefix("general_category="))
                .or_else(|| name.strip_prefix("gc="))
                .unwrap_or(name);
            let known = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '='));
            return known.then(|| format!(r"\p{{{name}}}"));
        }
    };
    Some(posix.to_owned())
}

/// A character as it can stand outside and inside of brackets.
pub(super) fn push_literal(out: &mut String, c: char) {
    if c.is_ascii_alphanumeric()
        || matches!(c, '_' | ' ' | '/' | ',' | '"' | '\'' | '%' | ';' | '@' | '`')
        || !c.is_ascii()
    {
        out.push(c);
    } else if c.is_ascii_punctuation() && !matches!(c, '<' | '>' | '=' | '!' | ':') {
        out.push('\\');
        out.push(c);
    } else {
        out.push_str(&format!("\\x{{{:X}}}", u32::from(c)));
    }
}
