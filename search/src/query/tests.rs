//! Queries in all three languages, and what they are refused for.

use super::ast::{Pattern, Query};
use super::{FieldNames, Refusal, dsl};
use serde_json::{Value, json};

/// Two fields of words and two others.
struct Known;

impl FieldNames for Known {
    fn matching(&self, pattern: &Pattern) -> Vec<String> {
        let names = ["message", "host.name", "host.ip", "status"];
        names.iter().filter(|name| pattern.matches(name)).map(|name| (*name).to_owned()).collect()
    }
}

fn parse(query: &Value) -> Result<Query, Refusal> {
    dsl::parse(query, &Known)
}

/// A query in short: `+must #filter should -must_not`.
fn short(query: &Query) -> String {
    let list = |sign: &str, queries: &[Query]| {
        queries.iter().map(|query| format!("{sign}{}", short(query))).collect::<Vec<_>>()
    };
    match query {
        Query::All => "*:*".to_owned(),
        Query::None => "none".to_owned(),
        Query::Term { field, value, .. } => format!("{field}={value}"),
        Query::Match { field, text, operator, .. } => format!("{field}:{text}/{operator:?}"),
        Query::Phrase { field, text, slop, .. } => format!("{field}:\"{text}\"~{slop}"),
        Query::Exists { field } => format!("{field}:*"),
        Query::Range { field, range } => format!("{field}:{:?}..{:?}", range.lower, range.upper).replace("Text", ""),
        Query::Prefix { field, value, .. } => format!("{field}:{value}*"),
        Query::Wildcard { field, pattern, .. } => format!("{field}~{}", pattern.0.len()),
        Query::Ids(ids) => format!("ids{ids:?}"),
        Query::Bool(bool) => {
            let mut parts = list("+", &bool.must);
            parts.extend(list("#", &bool.filter));
            parts.extend(list("", &bool.should));
            parts.extend(list("-", &bool.must_not));
            format!("({}){}", parts.join(" "), bool.minimum_should_match)
        }
        Query::AnyOf(queries) => format!("[{}]", list("", queries).join("|")),
        Query::ConstantScore(query) | Query::Lenient(query) => short(query),
        Query::Boosted(query, boost) => format!("{}^{boost}", short(query)),
        other => format!("{other:?}"),
    }
}

fn check_text(text: &str, expect: &str) {
    let query = parse(&json!({ "query_string": { "query": text, "default_field": "message" } }));
    assert_eq!(query.as_ref().map(short).map_err(|error| error.to_string()), Ok(expect.to_owned()), "{text}");
}

fn check_simple(text: &str, expect: &str) {
    let query = parse(&json!({ "simple_query_string": { "query": text, "fields": ["message"] } }));
    assert_eq!(query.as_ref().map(short).map_err(|error| error.to_string()), Ok(expect.to_owned()), "{text}");
}

fn check_refused(query: Value, kind: &str, reason: &str) {
    let error = parse(&query).expect_err("is refused");
    assert!(error.kind == kind && error.reason.contains(reason), "{query}\n{error:?}");
}

#[test]
fn lucene_syntax() {
    check_text("a", "message:a/Or");
    check_text("a b", "message:a b/Or");
    check_text("a AND b", "(+message:a/Or +message:b/Or)0");
    check_text("a OR b AND c", "(+message:b/Or +message:c/Or message:a/Or)0");
    check_text("a b c AND d", "(+message:c/Or +message:d/Or message:a b/Or)0");
    check_text("+a -b c", "(+message:a/Or message:c/Or -message:b/Or)0");
    check_text("NOT a", "(+*:* -message:a/Or)0");
    check_text("a NOT (b c)", "(message:a/Or -message:b c/Or)1");
    check_text("status:(200 OR 404)^2", "(status:200/Or status:404/Or)1^2");
    check_text("host.\\*:web", "[host.name:web/Or|host.ip:web/Or]");
    check_text("\"a \\\" b\"~2", "message:\"a \" b\"~2");
    check_text("status:[200 TO 299]", "status:Included((\"200\"))..Included((\"299\"))");
    check_text("status:{200 TO *}", "status:Excluded((\"200\"))..Unbounded");
    check_text("status:>=500", "status:Included((\"500\"))..Unbounded");
    check_text("_exists_:host.name", "host.name:*");
    check_text("status:*", "status:*");
    check_text("*:*", "*:*");
    check_text("*", "*:*");
    check_text("we?b*", "message~4");
    check_text("a\\:b\\u0041", "message:a:bA/Or");
    check_text("a - b", "message:a - b/Or");
    check_text("a && b || !c", "(+message:a/Or +message:b/Or -message:c/Or)0");
    check_text("ANDROID", "message:ANDROID/Or");
    check_text("_id:x", "ids[\"x\"]");
    check_text("", "none");
}

#[test]
fn lucene_syntax_is_refused() {
    for text in ["a AND", "(a", "a)", "\"a", "status:[1 TO", "a^x", "AND", "a:", "a\\", "]"] {
        check_refused(json!({ "query_string": { "query": text } }), "query_shard_exception", "Failed to parse query");
    }
    check_refused(json!({ "query_string": { "query": "path:/a.*/" } }), "illegal_argument_exception", "regular");
    check_refused(json!({ "query_string": { "query": "colour~1" } }), "illegal_argument_exception", "fuzzy");
}

#[test]
fn simple_syntax_never_fails() {
    check_simple("a b", "(message:a/Or message:b/Or)1");
    check_simple("a + b | c", "((+message:a/Or +message:b/Or)0 message:c/Or)1");
    check_simple("-a", "(+*:* -message:a/Or)0");
    check_simple("(a | b) + \"c d\"~3", "(+(message:a/Or message:b/Or)1 +message:\"c d\"~3)0");
    check_simple("ab*", "message:ab*");
    check_simple("a\\+b", "message:a+b/Or");
    check_simple("((a \"b", "(message:a/Or message:b/Or)1");
    check_simple("", "none");
    check_simple("+ | - )", "none");
    check_simple("\"\" () a", "message:a/Or");
}

#[test]
fn fields_without_a_name_are_all_fields() {
    let query = parse(&json!({ "query_string": { "query": "x" } }));
    assert_eq!(query.as_ref().map(short), Ok("[message:x/Or|host.name:x/Or|host.ip:x/Or|status:x/Or]".to_owned()));
    assert!(matches!(query, Ok(Query::Lenient(_))));
}

#[test]
fn bool_queries() {
    let query = parse(&json!({ "bool": {
        "should": [{ "term": { "status": 1 } }, { "term": { "status": { "value": 2 } } }],
        "must_not": { "exists": { "field": "host.ip" } },
    } }));
    assert_eq!(query.as_ref().map(short), Ok("(status=1 status=2 -host.ip:*)1".to_owned()));
    let filtered =
        parse(&json!({ "bool": { "filter": [{ "match_all": {} }], "should": [{ "term": { "status": 1 } }] } }));
    assert_eq!(filtered.as_ref().map(short), Ok("(#*:* status=1)0".to_owned()));
    let percent = parse(
        &json!({ "bool": { "should": [{ "match_all": {} }, { "match_all": {} }], "minimum_should_match": "100%" } }),
    );
    assert_eq!(percent.as_ref().map(short), Ok("(*:* *:*)2".to_owned()));
}

#[test]
fn unknown_parts_are_named() {
    check_refused(json!({ "fuzzy": { "a": "b" } }), "parsing_exception", "unknown query [fuzzy]");
    check_refused(
        json!({ "term": { "a": { "value": 1, "x": 2 } } }),
        "parsing_exception",
        "[term] query does not support [x]",
    );
    check_refused(json!({ "term": { "a": 1, "b": 2 } }), "parsing_exception", "multiple fields");
    check_refused(
        json!({ "range": { "a": { "gte": 1, "above": 2 } } }),
        "parsing_exception",
        "[range] query does not support [above]",
    );
    check_refused(
        json!({ "range": { "a": { "gte": 1, "format": "QQ" } } }),
        "illegal_argument_exception",
        "Invalid format",
    );
    check_refused(json!({ "range": { "a": { "gte": 1, "time_zone": "Mars" } } }), "date_time_exception", "Mars");
    check_refused(json!({ "bool": { "musst": [] } }), "parsing_exception", "[bool] query does not support [musst]");
    check_refused(
        json!({ "query_string": { "query": "a", "flag": 1 } }),
        "parsing_exception",
        "does not support [flag]",
    );
    check_refused(json!({ "match_all": {}, "term": {} }), "parsing_exception", "malformed query");
    check_refused(json!({}), "illegal_argument_exception", "empty clause");
    check_refused(json!([]), "parsing_exception", "start_object");
}

#[test]
fn hostile_queries_are_bounded() {
    let mut nested = json!({ "match_all": {} });
    for _ in 0..40 {
        nested = json!({ "bool": { "must": [nested] } });
    }
    check_refused(nested, "illegal_argument_exception", "depth");
    let parentheses = "(".repeat(15_000) + &")".repeat(15_000);
    check_refused(json!({ "query_string": { "query": parentheses } }), "illegal_argument_exception", "depth");
    check_refused(
        json!({ "simple_query_string": { "query": "(".repeat(40) + "a" + &")".repeat(40) } }),
        "illegal_argument_exception",
        "depth",
    );
    let words = "a OR ".repeat(5000) + "a";
    check_refused(json!({ "query_string": { "query": words } }), "too_many_clauses", "maxClauseCount");
    check_refused(json!({ "query_string": { "query": "a".repeat(40_000) } }), "illegal_argument_exception", "length");
    check_refused(json!({ "terms": { "a": vec![1; 70_000] } }), "illegal_argument_exception", "65536");
    check_refused(json!({ "wildcard": { "a": "*a".repeat(2000) } }), "illegal_argument_exception", "length");
    check_refused(json!({ "term": { "a": { "value": 1, "boost": -1 } } }), "illegal_argument_exception", "negative");
    let alternatives = vec![json!({ "match_all": {} }); 9000];
    check_refused(json!({ "bool": { "should": alternatives } }), "too_many_clauses", "8192");
}
