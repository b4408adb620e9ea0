//! Java's expressions against what Java does with them.

use super::{JavaRegex, Replacement};

fn check_split(pattern: &str, text: &str, limit: i32, expect: &[&str]) {
    let regex = JavaRegex::compile(pattern, "").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(regex.split(text, limit).unwrap(), expect, "{pattern:?} over {text:?}, limit {limit}");
    let two = regex.split(text, 2).unwrap();
    let two = if let [one, other] = two[..] { Some((one, other)) } else { None };
    assert_eq!(regex.split_in_two(text).unwrap(), two, "{pattern:?} over {text:?}");
}

#[test]
fn split_is_javas() {
    check_split(",", "a,b,,c,,", 0, &["a", "b", "", "c"]);
    check_split(r"\|=", "|=a|=b|c|=", 0, &["", "a", "b|c"]);
    check_split(",", ",,", 0, &[]);
    check_split("\u{e4}", "a\u{e4}\u{f6}\u{e4}", -1, &["a", "\u{f6}", ""]);
    check_split(",", "a,b,,c,,", -1, &["a", "b", "", "c", "", ""]);
    check_split(",", "a,b,,c,,", 2, &["a", "b,,c,,"]);
    check_split(",", ",a", 0, &["", "a"]);
    check_split(",", "", 0, &[""]);
    check_split(",", ",", 0, &[]);
    check_split("", "abc", 0, &["a", "b", "c"]);
    check_split("x*", "axbc", 0, &["a", "", "b", "c"]);
    check_split(" (?=[a-z]+=)", "a=1 2 b=3", 0, &["a=1 2", "b=3"]);
    check_split("\\s+", " a  b ", 0, &["", "a", "b"]);
}

fn check_replace(pattern: &str, replacement: &str, text: &str, expect: Result<&str, &str>) {
    let regex = JavaRegex::compile(pattern, "").unwrap_or_else(|error| panic!("{error}"));
    let replacement = Replacement::parse(replacement, &regex);
    let got = regex.replace_all(text, &replacement);
    assert_eq!(got.as_deref().map_err(String::as_str), expect, "{pattern:?} over {text:?}");
}

#[test]
fn replacing_is_javas() {
    check_replace("a(b)?", "[$1]", "abca", Ok("[b]c[]"));
    check_replace("(?<x>b)", "<${x}>", "abc", Ok("a<b>c"));
    check_replace("b", "\\$1", "abc", Ok("a$1c"));
    check_replace("b", "$1", "abc", Err("No group 1"));
    check_replace("x", "$1", "abc", Ok("abc"));
    check_replace("(b)", "$12", "abc", Ok("ab2c"));
    check_replace("$", "!", "ab\n", Ok("ab!\n!"));
    check_replace("^", "!", "a\nb", Ok("!a\nb"));
    check_replace("(?m)^", "!", "a\nb", Ok("!a\n!b"));
    check_replace("a*+", "x", "aab", Ok("xxbx"));
    check_replace("\\h", "_", "a\t b", Ok("a__b"));
    check_replace("[\\w&&[^b]]", "_", "abc", Ok("_b_"));
    check_replace("\\Qa.b\\E", "x", "a.b acb", Ok("x acb"));
    check_replace("\\p{Punct}", "", "a-b_c!", Ok("abc"));
    check_replace("(.)\\1", "<$1>", "aabcc", Ok("<a>b<c>"));
    check_replace("\\d", "#", "1٣", Ok("#٣"));
    check_replace("[[a-c]x-]", "", "ab-xz", Ok("z"));
    check_replace("[\\[\\]<>\"']", "", "[a]<b>\"'", Ok("ab"));
}

#[test]
fn whole_matches_try_every_way() {
    let check = |pattern: &str, text: &str, expect: bool| {
        let regex = JavaRegex::compile(pattern, "").unwrap();
        assert_eq!(regex.is_whole_match(text), Ok(expect), "{pattern:?} over {text:?}");
    };
    check("a|ab", "ab", true);
    check("a*?", "aaa", true);
    check("a.c", "xabc", false);
    check("(?:(?=a)a|ab)", "ab", true);
}

#[test]
fn what_is_no_expression_is_refused() {
    for pattern in ["(", ")", "[a", "*", "a{", "a{x}", "\\", "\\i", "(?<1a", "[b-a]", "\\p{No Such}", "(?q)"] {
        assert!(JavaRegex::compile(pattern, "").is_err(), "{pattern:?}");
    }
    assert!(JavaRegex::compile(&"(".repeat(100_000), "").is_err());
    assert!(JavaRegex::compile(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), "").is_err());
}

#[test]
fn exploding_expressions_end() {
    let text = "a".repeat(5000);
    let linear = JavaRegex::compile("(a+)+b", "").unwrap();
    assert_eq!(linear.is_match(&text), Ok(false));
    let backtracking = JavaRegex::compile("(?=(a+)+b)c", "").unwrap();
    // It is either quick or interrupted.
    assert!(!backtracking.is_match(&text).unwrap_or(false));
}
