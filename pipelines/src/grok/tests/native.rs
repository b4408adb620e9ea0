//! Code of its own for parts of patterns, beside what the definitions do when they are matched as any other text.

use super::super::*;
use super::sample::Random;

/// Texts for each pattern.
const TEXTS: usize = 4000;

/// The same pattern twice: with the built-in definition, and with that of the pipeline, which is the same text.
fn check(pattern: &str, name: &str, usual: &[&str]) {
    let built_in = definitions::built_in(Compatibility::Disabled)[name].clone();
    let compile = |own: Vec<(String, String)>| {
        Grok::compile(&[pattern.to_owned()], &Definitions::new(own, Compatibility::Disabled)).unwrap()
    };
    let (native, plain) = (compile(Vec::new()), compile(vec![(name.to_owned(), built_in)]));
    let mut random = Random::new(name);
    let mut matches = 0;
    for _ in 0..TEXTS {
        let mut text: Vec<char> = usual[random.below(usual.len())].chars().collect();
        for _ in 0..random.below(3) {
            let place = random.below(text.len());
            let others: Vec<char> = "0123456789 :/.,+-\"'\\\n_aJäx".chars().collect();
            let c = others[random.below(others.len())];
            match random.below(3) {
                0 => text[place] = c,
                1 => text.insert(place, c),
                _ => drop(text.remove(place)),
            }
        }
        let text: String = text.into_iter().collect();
        let expect = super::found(&plain, &text);
        assert_eq!(super::found(&native, &text), expect, "{pattern} on {text:?}");
        matches += usize::from(expect.is_some());
    }
    assert!((TEXTS / 8..TEXTS).contains(&matches), "{matches} of {TEXTS} texts match {pattern}");
}

#[test]
fn times_of_access_lines_are_those_of_their_definition() {
    let usual = [
        "[23/Nov/2025:07:08:09 +0000]",
        "[01/Jan/1999:23:59:59 -1130] x",
        "[3/march/25:7:08:60.5 +1] 31/Dec/2024:00:00:00 0",
    ];
    check("%{HTTPDATE:time}", "HTTPDATE", &usual);
    check(r"\[%{HTTPDATE:time}\]", "HTTPDATE", &usual);
    // The digits at the end are given back.
    check("%{HTTPDATE:time}%{INT:rest}", "HTTPDATE", &usual);
    check("%{HTTPDATE:time}0(?<rest>.*)", "HTTPDATE", &usual);
}

#[test]
fn times_of_syslog_are_those_of_their_definition() {
    let usual = ["Nov 23 07:08:09 web1 x", "x Jan  3 23:59:59", "<1>June 11 1:02:03.25 y", "Dec 31 00:00:60,5"];
    check("%{SYSLOGTIMESTAMP:time}", "SYSLOGTIMESTAMP", &usual);
    check("%{SYSLOGTIMESTAMP:time}(?<rest>.*)", "SYSLOGTIMESTAMP", &usual);
}

#[test]
fn addresses_are_those_of_their_definition() {
    let usual = [
        "1.2.3.4 x",
        "[192.0.2.17] ",
        "10.0.0.1.example.com -",
        "web1.example.org 255.0.0.9:80",
        "2001:db8::7 1.2.3.4",
    ];
    for name in ["IP", "IPORHOST"] {
        check(&format!("^%{{{name}:it}}(?: |x|$)"), name, &usual);
        check(&format!("%{{{name}:it}} (?<rest>.*)"), name, &usual);
        // What is given back is followed by these.
        check(&format!("^%{{{name}:it}}[.:0-9](?<rest>.*)"), name, &usual);
        check(&format!(r"^\W?%{{{name}:it}}(?: |$|\])"), name, &usual);
    }
}

#[test]
fn users_are_those_of_their_definition() {
    let usual = ["1 - - x", "- frank [", "a@example.org -", "-.x - ", "x-y -@z "];
    check("%{HTTPDUSER:user} ", "HTTPDUSER", &usual);
    check("%{HTTPDUSER:one} %{HTTPDUSER:other}", "HTTPDUSER", &usual);
    check("^%{HTTPDUSER:user}(?<rest> .*)", "HTTPDUSER", &usual);
}

#[test]
fn quoted_texts_are_those_of_their_definition() {
    let usual = [r#"a "b c" d"#, r#""b \"c\" \\" 'x'"#, r#"'' "" `a"b`"#, r#"\"a" "ä\ä" 'b'"#];
    check("%{QUOTEDSTRING:text}", "QUOTEDSTRING", &usual);
    // Longer than what is looked at without a call.
    let long = [
        r#""Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" "https://shop.example/""#,
        r#"'a text of some words, \'quoted\', that goes on and on, up to here\\' "and another \" one""#,
    ];
    check("^%{QUOTEDSTRING:one} %{QUOTEDSTRING:two}$", "QUOTEDSTRING", &long);
    check("%{QUOTEDSTRING:one} ?%{QUOTEDSTRING:two}", "QUOTEDSTRING", &usual);
}

#[test]
fn a_pipelines_own_definitions_count_inside_of_built_in_ones() {
    let own = vec![("MONTH".to_owned(), "M[0-9]+".to_owned())];
    let definitions = Definitions::new(own, Compatibility::Disabled);
    let grok = Grok::compile(&["%{HTTPDATE:time}".to_owned()], &definitions).unwrap();
    assert_eq!(super::found(&grok, "23/Nov/2025:07:08:09 +0000"), None);
    assert_eq!(super::found(&grok, "23/M11/2025:07:08:09 +0000").as_deref(), Some("time=23/M11/2025:07:08:09 +0000"));
}
