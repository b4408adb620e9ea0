//! Conditions against what Painless answered, and what is refused.

use super::Condition;
use crate::document::{Document, Map};

/// `expect` is `true`, `false`, or the text of the failure.
fn check(condition: &str, document: &str, expect: &str) {
    let condition_text = condition;
    let condition = Condition::parse(condition, Map::new()).unwrap_or_else(|error| panic!("{condition}: {error}"));
    let document = Document::from_json(document).unwrap_or_else(|error| panic!("{document}: {error}"));
    let got = match condition.holds(&document, &mut 0) {
        Ok(holds) => holds.to_string(),
        Err(reason) => reason,
    };
    assert_eq!(got, expect, "{condition_text} over {document:?}");
}

fn check_refused(condition: &str, reason: &str) {
    let error = Condition::parse(condition, Map::new()).err().unwrap_or_else(|| panic!("{condition:?} was taken"));
    assert!(error.to_string().contains(reason), "{condition:?}: {error}");
}

const NULL_CALL: &str = "Cannot invoke \"Object.getClass()\" because \"callArgs[0]\" is null";

#[test]
fn paths_and_null() {
    check("ctx.a.b == 1", r#"{"a":{"b":1}}"#, "true");
    check("ctx.a.b == 1", "{}", NULL_CALL);
    check("ctx.a?.b == 1", "{}", "false");
    check("ctx.a?.b?.c == null", "{}", "true");
    check("ctx.a?.b.c == null", "{}", NULL_CALL);
    check("ctx?.a == null", "{}", "true");
    check("ctx['a.b'] == 1", r#"{"a.b":1}"#, "true");
    check("ctx['a']['b'] == 1", r#"{"a":{"b":1}}"#, "true");
    check("ctx.a[0] == 1 && ctx.a.0 == 1 && ctx.a.length == 1 && ctx.a[-1] == 1", r#"{"a":[1]}"#, "true");
    check("ctx.a[1] == 1", r#"{"a":[1]}"#, "Index 1 out of bounds for length 1");
    check("ctx.a.b", r#"{"a":"x"}"#, "dynamic getter [java.lang.String, b] not found");
    check("ctx._index == 'i' && ctx._id == null", r#"{"_index":"i"}"#, "true");
}

#[test]
fn truth_values() {
    check("ctx.a", r#"{"a":true}"#, "true");
    check("ctx.a", r#"{"a":"x"}"#, "cannot cast def [java.lang.String] to boolean");
    check("ctx.a", r#"{"a":1}"#, "cannot cast def [int] to boolean");
    check("!ctx.a", "{}", "Cannot invoke \"Object.getClass()\" because \"value\" is null");
    check("ctx.a?.contains('x')", "{}", "Cannot invoke \"Object.getClass()\" because \"value\" is null");
    check("ctx.a == null || ctx.a.contains('x')", "{}", "true");
    check("ctx.a != null && ctx.a.b == 1", "{}", "false");
    check("ctx.a ? true : false", r#"{"a":true}"#, "true");
    check("ctx.a ?: true", "{}", "true");
    check("(ctx.a ?: ctx.b ?: 'z') == 'z'", "{}", "true");
    check("return ctx.a == 1;", r#"{"a":1}"#, "true");
}

#[test]
fn comparing() {
    check("ctx.a == 1.0", r#"{"a":1}"#, "true");
    check("ctx.a == '1'", r#"{"a":1}"#, "false");
    check("ctx.a == 99999999999L", r#"{"a":99999999999}"#, "true");
    check("ctx.a < 5", "{}", "Cannot invoke \"Object.getClass()\" because \"left\" is null");
    let strings = "Cannot apply [<] operation to types [java.lang.String] and [java.lang.Integer].";
    check("ctx.a < 5", r#"{"a":"x"}"#, strings);
    check("ctx.a == ctx.b", r#"{"a":[1],"b":[1]}"#, "false");
    check("ctx.a === 'x'", r#"{"a":"x"}"#, "false");
    check("ctx.a === 1", r#"{"a":1}"#, "true");
    check("ctx.a >= 1 && ctx.a <= 1 && !(ctx.a > 1)", r#"{"a":1}"#, "true");
    check("ctx.a == (char)'x'", r#"{"a":"x"}"#, "false");
    check("ctx.a.charAt(0) == (char)'x'", r#"{"a":"xy"}"#, "true");
}

#[test]
fn methods() {
    check("ctx.a.contains('b')", r#"{"a":"abc"}"#, "true");
    check("ctx.a.contains(1)", r#"{"a":[1]}"#, "true");
    check("ctx.a.contains(1L)", r#"{"a":[1]}"#, "false");
    check("[1, 2].contains(ctx.a)", r#"{"a":1}"#, "true");
    check("['a', 'b'].contains(ctx.a)", "{}", "false");
    let odd = "cannot convert MethodHandle(String,CharSequence)boolean to (Object,int)Object";
    check("ctx.a.contains(1)", r#"{"a":"x"}"#, odd);
    check("ctx.a.contains('x')", r#"{"a":5}"#, "dynamic method [java.lang.Integer, contains/1] not found");
    check("ctx.a.size() > 0", r#"{"a":"x"}"#, "dynamic method [java.lang.String, size/0] not found");
    check("ctx.a.equals('x') && ctx.a.equalsIgnoreCase('X')", r#"{"a":"x"}"#, "true");
    check("ctx.a.equals(1L)", r#"{"a":1}"#, "false");
    check("ctx.containsKey('a') && !ctx.containsKey('b')", r#"{"a":1}"#, "true");
    check("ctx.a.toLowerCase().startsWith('x') && ctx.a.toUpperCase().endsWith('Y')", r#"{"a":"Xy"}"#, "true");
    check("ctx.a.toString() == '1.0'", r#"{"a":1.0}"#, "true");
    check("ctx.a.isEmpty()", r#"{"a":""}"#, "true");
    check("ctx.a.substring(5) == ''", r#"{"a":"abc"}"#, "Range [5, 3) out of bounds for length 3");
    check("ctx.a.length() > 3 && ctx.a.substring(0, 2) == 'ab'", r#"{"a":"abcd"}"#, "true");
}

#[test]
fn types_casts_and_arithmetic() {
    check(
        "ctx.a instanceof List && ctx.b instanceof Map && ctx.c instanceof String",
        r#"{"a":[],"b":{},"c":""}"#,
        "true",
    );
    check("ctx.a instanceof ArrayList", r#"{"a":[1]}"#, "false");
    check("ctx.a instanceof Integer && !(ctx.a instanceof Long)", r#"{"a":1}"#, "true");
    check("(int)ctx.a == 1", r#"{"a":1.5}"#, "true");
    check("(int)ctx.a == 1", r#"{"a":"x"}"#, "cannot explicitly cast def [java.lang.String] to int");
    check("ctx.a + 1 == 2 && ctx.a * 2 - 1 == 1 && 7 % 4 / 2 == 1", r#"{"a":1}"#, "true");
    check("ctx.a + 'x' == 'nullx'", "{}", "true");
    check("ctx.a / 0 == 2", r#"{"a":1}"#, "/ by zero");
    check("-ctx.a == -1", r#"{"a":1}"#, "true");
}

#[test]
fn regular_expressions() {
    check("ctx.a =~ /b/ && ctx.a ==~ /a.c/ && ctx.a ==~ /A.C/i", r#"{"a":"abc"}"#, "true");
    check("ctx.a =~ /b/", r#"{"a":5}"#, "cannot implicitly cast def [int] to java.lang.String");
    check("/x/.matcher(ctx.a).find() && !/x/.matcher(ctx.a).matches()", r#"{"a":"xy"}"#, "true");
    check("4 / 2 == 2 // a comment", "{}", "true");
    check("/* a comment */ 4 / 2 / 2 == 1", "{}", "true");
}

#[test]
fn what_is_no_condition_is_refused() {
    check_refused("", "expected a value");
    check_refused("ctx.a ==", "expected a value");
    check_refused("ctx.a = 1", "assignments are not supported");
    check_refused("if (ctx.a) { return true }", "statements such as \"if\" are not supported");
    check_refused("def x = 1; return x", "statements such as \"def\" are not supported");
    check_refused("x == 1", "unknown variable [x]");
    check_refused("ctx.a.foo()", "method \"foo\" is not supported");
    check_refused("ctx.a.contains()", "does not take 0 arguments");
    check_refused("ctx.a == 99999999999", "invalid number");
    check_refused("ctx.a == 'x", "unclosed string");
    check_refused("ctx.a =~ 'x'", "needs a regular expression");
    check_refused("ctx.a =~ /(/", "invalid regular expression");
    check_refused("ctx.a ctx.b", "only one expression");
    check_refused(&"(".repeat(100_000), "longer than");
    check_refused(&"(".repeat(60_000), "nested deeper than");
    check_refused(&"!".repeat(60_000), "nested deeper than");
    check_refused(&format!("true{}", " && true".repeat(5000)), "more than 500 operators");
}

#[test]
fn random_conditions_do_no_harm() {
    const PIECES: &[&str] = &[
        "ctx",
        ".a",
        "?.b",
        "[0]",
        "['a']",
        " == ",
        " != ",
        " && ",
        " || ",
        "!",
        "(",
        ")",
        "1",
        "'x'",
        "null",
        "true",
        " < ",
        " =~ ",
        "/x/",
        ".contains(",
        ".size()",
        " instanceof ",
        "List",
        " ? ",
        " : ",
        " ?: ",
        "-",
        "+",
        "/",
        "%",
        "(int)",
        "(char)",
        "[1, 'a']",
        ".substring(1)",
        ".charAt(-1)",
        ".indexOf('é', 1)",
        "1L",
        "1.5",
        "9",
        "\"",
        "é",
        ";",
    ];
    let seed =
        std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| std::process::id().into());
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let documents =
        [r#"{"a":"aé😀x","b":{"a":[1,2.5,null,"x"]}}"#, r#"{"a":[{"b":1}],"b":null}"#, r#"{"a":1,"b":true}"#, "{}"]
            .map(|text| Document::from_json(text).unwrap());
    let mut taken = 0;
    for _ in 0..20_000 {
        let text: String = (0..random.usize(1..12)).map(|_| PIECES[random.usize(..PIECES.len())]).collect();
        let Ok(condition) = Condition::parse(&text, Map::new()) else { continue };
        taken += 1;
        for document in &documents {
            let _ = condition.holds(document, &mut 0);
        }
    }
    assert!(taken > 100, "only {taken} texts were conditions");
}
