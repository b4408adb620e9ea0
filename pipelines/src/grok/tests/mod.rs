//! Tests of grok patterns: captures, Ruby's meanings, refusals, and lines that make backtracking engines explode.

mod native;
mod oracle;
mod reference;
mod sample;

use super::*;

/// What Elasticsearch refuses of its own patterns: they have a bracket too many or too few.
const REFUSED: [&str; 8] = [
    "CISCOFW106023",
    "CISCOFW106100",
    "CISCOFW106100_2_3",
    "EXIM",
    "EXIM_MESSAGE_ARRIVAL",
    "EXIM_NAMED_FIELDS",
    "EXIM_REMOTE_HOST",
    "S3_ACCESS_LOG",
];

fn compile(patterns: &[&str]) -> Grok {
    compile_with(patterns, Compatibility::Disabled)
}

fn compile_with(patterns: &[&str], compatibility: Compatibility) -> Grok {
    let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    Grok::compile(&patterns, &Definitions::new(Vec::new(), compatibility)).unwrap_or_else(|error| panic!("{error}"))
}

fn found(grok: &Grok, line: &str) -> Option<String> {
    let found = grok.find(line).unwrap()?;
    Some(found.texts().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>().join(" "))
}

fn check(pattern: &str, line: &str, expect: &str) {
    assert_eq!(found(&compile(&[pattern]), line).as_deref(), Some(expect), "{pattern} on {line:?}");
}

fn check_no_match(pattern: &str, line: &str) {
    assert_eq!(found(&compile(&[pattern]), line), None, "{pattern} on {line:?}");
}

fn check_refused(pattern: &str, expect: &str) {
    let error = Grok::compile(&[pattern.to_owned()], &Definitions::new(Vec::new(), Compatibility::Disabled));
    assert_eq!(error.unwrap_err().to_string(), expect);
}

#[test]
fn every_built_in_pattern_compiles() {
    for compatibility in [Compatibility::Disabled, Compatibility::EcsV1] {
        for name in definitions::built_in(compatibility).keys() {
            if compatibility == Compatibility::Disabled || !REFUSED.contains(name) {
                compile_with(&[&format!("%{{{name}}}")], compatibility);
            }
        }
    }
}

#[test]
fn access_lines_take_linear_time() {
    let line = r#"192.0.2.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326 "-" "Mozilla/4.08""#;
    let grok = compile(&["%{COMBINEDAPACHELOG}"]);
    assert!(grok.is_linear());
    assert_eq!(
        found(&grok, line).unwrap(),
        "clientip=192.0.2.1 ident=- auth=frank timestamp=10/Oct/2000:13:55:36 -0700 verb=GET request=/a.gif \
         httpversion=1.0 response=200 bytes=2326 referrer=\"-\" agent=\"Mozilla/4.08\""
    );
    let grok = compile_with(&["%{COMBINEDAPACHELOG}"], Compatibility::EcsV1);
    assert_eq!(
        found(&grok, line).unwrap(),
        "source.address=192.0.2.1 user.name=frank timestamp=10/Oct/2000:13:55:36 -0700 http.request.method=GET \
         url.original=/a.gif http.version=1.0 http.response.status_code=200 http.response.body.bytes=2326 \
         user_agent.original=Mozilla/4.08"
    );
}

#[test]
fn names_may_hold_dots_and_signs() {
    check("%{WORD:a.b} %{WORD:@c} %{WORD:d-e} %{WORD:[f][g]}", "1 2 3 4", "a.b=1 @c=2 d-e=3 [f][g]=4");
    check("(?<x.y>a+)(?<z>b)?", "aa", "x.y=aa");
    check("(?<NUMBER:n:int>[0-9]+)", "12", "n=12");
    check("%{MINE:m=[a-c]+}", "xxabc", "m=abc");
}

#[test]
fn assertions_hold_although_the_linear_engine_has_none() {
    check("%{NUMBER:n}", "a-1.5", "n=-1.5");
    check("%{IPV4:ip}", "1234.1.1.1 10.0.0.1", "ip=10.0.0.1");
    check_no_match("^x%{IPV4}", "x1.2.3.4567");
    check("x(?!y)(?<c>.)", "xy xz", "c=z");
    check("(?<=ab)(?<c>.)", "aX abY", "c=Y");
    check("%{TIME:t}", "12:34:56", "t=12:34:56");
    assert!(compile(&["%{TIME:t} %{IPV4}"]).is_linear());
    assert!(!compile(&["(?=.*a)(?<x>.*)"]).is_linear());
    check("(?=.*a)(?<x>.*)", "ba", "x=ba");
    check(r"(?<q>['`]).*?\k<q>", "a 'b' c", "q='");
}

#[test]
fn ruby_means_lines_by_its_anchors() {
    check("^b(?<x>.*)$", "a\nbc\nd", "x=c");
    check("(?m)a(?<x>.*)", "a1\n2", "x=1\n2");
    check("(?m)a%{GREEDYDATA:x}", "a1\n2", "x=1\n2");
    check("a(?<x>.*)", "a1\n2", "x=1");
    check("(?i)abc|(?<x>D)", "d", "x=d");
    check(r"(?<x>\h+)", "xyzbeefg", "x=beef");
    check(r"(?<x>[\h:]+)\Z", "de:ad\n", "x=de:ad");
    check(r"(?<x>\w+)", "müll", "x=m");
    check("(?<x>[[:alpha:]]+)", "müll1", "x=müll");
    check("(?<x>[]a]+){2}", "a]", "x=]");
    check("{(?<x>a{1,2}b{,3})}", "{aab}", "x=aab");
    check("(?<a>x)++(?>y|yz)(?<b>z)", "xxyz", "a=x b=z");
    check(r"(?x) (?<x> \d+ ) # digits", "a42", "x=42");
}

#[test]
fn the_pattern_that_matches_leftmost_wins() {
    let grok = compile(&["%{INT:number:int}", "%{WORD:word}"]);
    let line = "12 abc";
    let first = grok.find(line).unwrap().unwrap();
    assert_eq!(first.pattern(), 0);
    let second = grok.find("abc").unwrap().unwrap();
    assert_eq!(second.pattern(), 1);
}

#[test]
fn bad_patterns_are_refused() {
    check_refused("%{NUMBR:x}", "pattern \"%{NUMBR:x}\": unable to find pattern [NUMBR] in Grok's pattern dictionary");
    check_refused("(a", "pattern \"(a\": unclosed group");
    check_refused("a)", "pattern \"a)\": closing bracket without an opening one");
    check_refused("[a", "pattern \"[a\": unclosed character class");
    check_refused("*a", "pattern \"*a\": nothing to repeat before '*'");
    check_refused(r"(?<a>.)\g<a>", "pattern \"(?<a>.)\\\\g<a>\": \"\\\\g\" is not supported");
    let own = vec![("A".to_owned(), "x%{B}".to_owned()), ("B".to_owned(), "%{A}".to_owned())];
    let error = Grok::compile(&["%{A}".to_owned()], &Definitions::new(own, Compatibility::Disabled)).unwrap_err();
    assert_eq!(error.to_string(), "pattern \"%{A}\": circular reference in pattern [A]");
    let bomb = (0..60).map(|i| (format!("P{i}"), format!("%{{P{}}}%{{P{}}}", i + 1, i + 1)));
    let bomb = bomb.chain([("P60".to_owned(), "x".to_owned())]).collect();
    let error = Grok::compile(&["%{P0}".to_owned()], &Definitions::new(bomb, Compatibility::Disabled)).unwrap_err();
    assert!(error.to_string().contains("larger than"), "{error}");
    let deep = format!("{}x{}", "(".repeat(1000), ")".repeat(1000));
    assert!(Grok::compile(&[deep], &Definitions::new(Vec::new(), Compatibility::Disabled)).is_err());
}

#[test]
fn no_line_keeps_an_engine_busy() {
    let line = format!("/a {}", "/very/long path with blanks ".repeat(20));
    let grok = compile(&["%{PATH:a} %{DATA:b} %{PATH:c}%{GREEDYDATA:d}$x"]);
    assert!(grok.is_linear());
    assert_eq!(found(&grok, &line), None);
    let grok = compile(&["^(?:a(?=.*)|a(?=a*))*b"]);
    assert_eq!(found(&grok, &"a".repeat(60)), None);
    let grok = compile(&[r"^(?<x>a|aa)(?:\k<x>|a\k<x>)*$"]);
    let error = grok.find(&format!("{}b", "a".repeat(200))).unwrap_err();
    assert!(error.to_string().starts_with("grok pattern matching was interrupted"), "{error}");
}

#[test]
fn patterns_that_explode_take_linear_time() {
    let line = format!("{}!", "a".repeat(1 << 20));
    for pattern in [
        "(a+)+$x",
        "(a|a)*b",
        "(a|aa)+$x",
        "(a*)*b",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(.*)*x",
        ".*.*.*x",
        "(?:a?){30}a{30}b",
        "%{GREEDYDATA}%{DATA}%{GREEDYDATA} x",
    ] {
        let started = std::time::Instant::now();
        let grok = compile(&[pattern]);
        assert!(grok.is_linear(), "{pattern}");
        let short = grok.find(&line[line.len() - 2_000..]).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        assert!(short.is_none(), "{pattern}");
        if pattern.len() < 8 {
            // A line of a MiB is answered or given up.
            assert!(grok.find(&line).map_or(true, |found| found.is_none()), "{pattern}");
        }
        assert!(started.elapsed().as_secs() < 60, "{pattern} took {:?}", started.elapsed());
    }
    let symantec = format!("/a {}", "/very/long path with blanks ".repeat(9));
    let grok = compile(&["%{PATH:a} %{DATA:b} %{PATH:c}%{GREEDYDATA:d}"]);
    let started = std::time::Instant::now();
    for _ in 0..20 {
        assert!(grok.find(&symantec).unwrap().is_some());
    }
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[test]
fn any_text_is_a_pattern_or_is_refused() {
    const PARTS: [&str; 36] = [
        "(",
        ")",
        "(?:",
        "(?<a>",
        "(?=",
        "(?!",
        "(?<=",
        "(?<!",
        "(?>",
        "[",
        "]",
        "[^",
        "-",
        "|",
        "*",
        "+",
        "?",
        "{2}",
        "{,3}",
        "{1,",
        "\\",
        "\\k<a>",
        "\\h",
        "\\p{L}",
        "(?i)",
        "(?m)",
        "^",
        "$",
        ".",
        "a",
        "é",
        "%{IP:x}",
        "%{",
        "}",
        "[:alpha:]",
        "\\b",
    ];
    let seed: u64 =
        std::env::var("SLUICE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("SLUICE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut compiled = 0;
    for _ in 0..4000 {
        let pattern: String = (0..random.usize(1..9)).map(|_| PARTS[random.usize(..PARTS.len())]).collect();
        let definitions = Definitions::new(Vec::new(), Compatibility::Disabled);
        let Ok(grok) = Grok::compile(std::slice::from_ref(&pattern), &definitions) else { continue };
        compiled += 1;
        for _ in 0..3 {
            let line: String = (0..random.usize(..20)).map(|_| PARTS[random.usize(..PARTS.len())]).collect();
            if let Ok(Some(found)) = grok.find(&line) {
                let (start, end) = found.range();
                assert!(line.get(start..end).is_some(), "{pattern:?} on {line:?}");
                assert!(found.texts().all(|(_, text)| text.len() <= line.len()));
            } else {
                assert!(
                    grok.explain(&line).is_ok_and(|said| said.matched_bytes <= line.len()),
                    "{pattern:?} on {line:?}"
                );
            }
        }
    }
    assert!(compiled > 100, "{compiled}");
}

#[test]
fn what_does_not_match_is_explained() {
    let grok = compile(&["^%{IP:ip} %{WORD:verb} took %{NUMBER:ms}ms$"]);
    let said = grok.explain("10.0.0.1 GET took long").unwrap();
    assert_eq!(said, Explanation { matched_bytes: 18, expected: "%{NUMBER:ms}".to_owned() });
    let said = grok.explain("10.0.0.1 GET tok").unwrap();
    assert_eq!(said, Explanation { matched_bytes: 15, expected: "\" took \"".to_owned() });
    // A request that is no request would take all of the line.
    let grok = compile(&["%{COMBINEDAPACHELOG}"]);
    let request = r#"1.2.3.4 - - [23/Nov/2025:00:00:00 +0000] "GET /x HTTP/1.1" "#;
    let said = grok.explain(&format!("{request}abc 17")).unwrap();
    assert_eq!(said.matched_bytes, request.len());
    // A line that was cut.
    let said = grok.explain(r#"1.2.3.4 - - [23/Nov/2025:00:00:00 +0000] "GET /x HT"#).unwrap();
    assert_eq!(said.matched_bytes, 51);
}

/// Rows and literals are looked at by many bytes at once: of every length, at every distance from the line's end.
#[test]
fn rows_and_literals_of_all_lengths() {
    for length in 1..70 {
        let row = |of: &str| of.chars().cycle().take(length).collect::<String>();
        let (word, text) = (row("aZ_9b"), row("aZ-\u{e4}9\u{1f600}"));
        let (number, literal) = (row("1234567890"), row("-=#:;<>!@&%~"));
        for rest in ["", " ", "x", "\u{e4}", " rest of the line"] {
            let line = format!("{word}{literal}{number},{text}] {text}{rest}");
            let pattern = format!(r"^(?<a>\w+){literal}(?<b>[0-9]+),(?<c>[^\]]+)\] (?<d>\S*)");
            let end = if rest.starts_with(' ') { "" } else { rest };
            check(&pattern, &line, &format!("a={word} b={number} c={text} d={text}{end}"));
            let short = &literal[..length - 1];
            check_no_match(&pattern, &format!("{word}{short}{number},{text}] {text}{rest}"));
            check_no_match(&pattern, &format!("{word}{short}"));
        }
    }
}
