//! Tests of documents: round trips, paths and the line's first document.

use super::*;

fn json(document: &Document) -> String {
    let mut out = Vec::new();
    document.write_json(&mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn check_round_trip(text: &str) {
    assert_eq!(json(&Document::from_json(text).unwrap()), text);
}

fn check_refused(text: &str, expect: &str) {
    assert_eq!(Document::from_json(text).unwrap_err().to_string(), expect, "{text:?}");
}

#[test]
fn what_is_read_is_written_again() {
    check_round_trip("{}");
    check_round_trip(r#"{"z":1,"a":[1,-2,0.5,true,false,null,"x",[],{}],"m":{"k":{"l":"v"}}}"#);
    check_round_trip(r#"{"max":9223372036854775807,"min":-9223372036854775808}"#);
    check_round_trip(r#"{"u64":18446744073709551615,"big":123456789012345678901234567890}"#);
    check_round_trip(r#"{"escapes":"\"\\\b\t\n\f\r\u0001 / ü 😀"}"#);
    check_round_trip(r#"{"":{"":1}}"#);
}

#[test]
fn escapes_are_read() {
    let document = Document::from_json(r#"{"a":"\u00fc\ud83d\ude00\/","lone":"\ud83dx"}"#).unwrap();
    assert_eq!(document.get("a"), Some(&Value::from("ü😀/")));
    assert_eq!(document.get("lone"), Some(&Value::from("\u{fffd}x")));
}

#[test]
fn what_is_not_json_is_refused() {
    check_refused("", "unexpected end of text at position 0");
    check_refused("[]", "expected an object at position 0");
    check_refused(r#"{"a":1,"a":2}"#, "Duplicate field 'a' at position 10");
    check_refused(r#"{"a":01}"#, "a number cannot begin with a zero at position 7");
    check_refused(r#"{"a":1}x"#, "unexpected text after the value at position 7");
    check_refused(r#"{"a":tru}"#, "unexpected word at position 5");
    check_refused("{\"a\":\"\n\"}", "control character in a string at position 6");
    check_refused(r#"{"a":"\ud83"}"#, "expected four hex digits at position 8");
    check_refused(r#"{"a":1e999}"#, "number out of range at position 10");
    for end in 0..r#"{"a":[1,"\u00fc",{"b":null}]}"#.len() {
        assert!(Document::from_json(&r#"{"a":[1,"\u00fc",{"b":null}]}"#[..end]).is_err());
    }
}

#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    check_round_trip(&nested(NESTING_MAX));
    let error = Document::from_json(&nested(NESTING_MAX + 1)).unwrap_err();
    assert!(error.reason.starts_with("nested deeper than 1000"), "{error}");
}

#[test]
fn paths_lead_through_maps_and_lists() {
    let mut document = Document::from_json(r#"{"a":{"b":[{"c":1},2]},"d.e":3}"#).unwrap();
    assert_eq!(document.get("a.b.0.c"), Some(&Value::Integer(1)));
    assert_eq!(document.get("_source.a.b.1"), Some(&Value::Integer(2)));
    assert_eq!(document.get("d.e"), None, "a literal dot cannot be named");
    document.set("a.b.0.x.y", "new").unwrap();
    document.set("a.b.1", Value::Null).unwrap();
    assert_eq!(document.remove("a.b.0.c").unwrap(), Value::Integer(1));
    document.rename("d", "f").unwrap_err();
    document.rename("a.b", "list").unwrap();
    assert_eq!(json(&document), r#"{"a":{},"d.e":3,"list":[{"x":{"y":"new"}},null]}"#);
}

#[test]
fn paths_that_lead_nowhere_say_why() {
    let mut document = Document::from_json(r#"{"a":"text","n":null,"l":[1]}"#).unwrap();
    let mut check = |path: &str, expect: &str| {
        assert_eq!(document.set(path, 1i64).unwrap_err().to_string(), expect);
    };
    check("a.b", "cannot set [b] with parent object of type [java.lang.String] as part of path [a.b]");
    check("a.b.c", "cannot resolve [b] from object of type [java.lang.String] as part of path [a.b.c]");
    check("n.b", "cannot set [b] with null parent as part of path [n.b]");
    check("l.x", "For input string: \"x\"");
    check("l.1", "[1] is out of bounds for array with length [1] as part of path [l.1]");
    check("l.-1", "[-1] is out of bounds for array with length [1] as part of path [l.-1]");
    check("", "path cannot be null nor empty");
    check(".", "path [.] is not valid");
    let missing = document.remove("x.y").unwrap_err().to_string();
    assert_eq!(missing, "field [x] not present as part of path [x.y]");
}

#[test]
fn metadata_stays_outside_the_source() {
    let mut document = Document::from_json(r#"{"_id":"1","a":1}"#).unwrap();
    document.set("_index", "logs").unwrap();
    document.set("_routing", "r").unwrap();
    assert_eq!((document.index(), document.id(), document.routing()), (Some("logs"), Some("1"), Some("r")));
    assert_eq!(json(&document), r#"{"a":1}"#);
}

#[test]
fn a_line_becomes_a_document_with_its_source() {
    let origin = Origin {
        timestamp_ms: 1_700_000_000_123,
        host_name: Some("web1"),
        file_path: Some("/var/log/x.log"),
        position: Some(42),
        dataset: Some("nginx.access"),
        ..Origin::default()
    };
    let document = Document::from_line(b"hello", &origin);
    assert_eq!(
        json(&document),
        r#"{"@timestamp":"2023-11-14T22:13:20.123Z","message":"hello","host":{"name":"web1"},"log":{"file":{"path":"/var/log/x.log"},"offset":42},"event":{"dataset":"nginx.access"},"ecs":{"version":"8.17.0"}}"#
    );
    assert_eq!(document.timestamp_ms(), Some(1_700_000_000_123));
}

#[test]
fn a_line_that_is_not_utf8_says_so() {
    let document = Document::from_line(b"a\xff\xfeb", &Origin { timestamp_ms: i64::MAX, ..Origin::default() });
    assert_eq!(document.get("message"), Some(&Value::from("a\u{fffd}\u{fffd}b")));
    assert_eq!(document.get("tags.0"), Some(&Value::from("_invalid_utf8")));
    let failure =
        Failure { message: "no".to_owned(), processor_type: "grok", processor_tag: Some("t".into()), pipeline: None };
    let document = Document::from_failed_line(b"\xff", &Origin::default(), &failure);
    assert_eq!(document.get("error.message"), Some(&Value::from("processor grok (t): no")));
    assert_eq!(document.get("tags.1"), Some(&Value::from("_pipeline_failure")));
}

#[test]
fn what_the_record_says_besides_becomes_fields() {
    let labels = [("env".into(), "prod".into()), ("a.b".into(), "x".into())];
    let origin = Origin {
        timestamp_ms: 0,
        labels: &labels,
        stream: Some("stderr"),
        source_address: Some("192.0.2.1"),
        written_at: Some("2026-01-02T03:04:05.678901234Z"),
        truncated: true,
        ..Origin::default()
    };
    let document = Document::from_line(b"a", &origin);
    let text = |path: &str| document.get(path).and_then(Value::as_str).map(str::to_owned);
    assert_eq!(text("labels.env").as_deref(), Some("prod"));
    assert_eq!(text("stream").as_deref(), Some("stderr"));
    assert_eq!(text("log.source.address").as_deref(), Some("192.0.2.1"));
    assert_eq!(text("@timestamp").as_deref(), Some("2026-01-02T03:04:05.678Z"));
    assert_eq!(document.get("log.flags"), Some(&Value::List(vec![Value::from("truncated")])));
    let odd = Origin { written_at: Some("yesterday"), ..Origin::default() };
    assert_eq!(
        Document::from_line(b"a", &odd).get("@timestamp").and_then(Value::as_str),
        Some("1970-01-01T00:00:00.000Z")
    );
}
