//! Reads the answer to a bulk request, whole or per item.

use pipelines::sink::Rejection;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};
use std::fmt;

/// Longest reason that is kept: a server quotes documents in it.
const REASON_BYTES_MAX: usize = 2048;

/// The answer to a bulk request that the server has worked on.
#[derive(Debug, Deserialize)]
pub(crate) struct BulkAnswer {
    #[serde(default)]
    pub items: Vec<ItemAnswer>,
}

/// The answer for one item.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct ItemAnswer {
    pub status: Option<u16>,
    pub error: Option<ErrorAnswer>,
    /// The document went to the failure store of its data stream (Elasticsearch 9.1 on), not to its index.
    pub in_failure_store: bool,
}

/// What the server says is wrong.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct ErrorAnswer {
    /// Such as `document_parsing_exception`; empty where there is none.
    pub kind: String,
    /// The reason, and that of its cause.
    pub reason: String,
}

impl ErrorAnswer {
    /// As the reason for a rejection; how often the document was sent is known elsewhere.
    pub fn rejection(self, status: u16) -> Rejection {
        Rejection { status, kind: self.kind, reason: self.reason, attempts: 0 }
    }
}

/// Whether `body` says that all of `items` items are done, in the very words of a server that was asked for no more than
/// `FILTER_PATH`. Any other form, with spaces or with an error in it, has to be parsed: it may say the same.
pub(crate) fn is_all_done(body: &[u8], items: usize) -> bool {
    const ITEMS: [&[u8]; 3] =
        [br#"{"create":{"status":201}}"#, br#"{"index":{"status":201}}"#, br#"{"index":{"status":200}}"#];
    let Some(mut rest) = body.strip_prefix(br#"{"errors":false,"items":["#) else { return false };
    for place in 0..items {
        if place > 0 {
            let Some(behind) = rest.strip_prefix(b",") else { return false };
            rest = behind;
        }
        let Some(behind) = ITEMS.iter().find_map(|item| rest.strip_prefix(*item)) else { return false };
        rest = behind;
    }
    rest == b"]}"
}

/// The error of an answer to a whole request, when it has Elasticsearch's form.
pub(crate) fn error_of(body: &[u8]) -> Option<ErrorAnswer> {
    #[derive(Deserialize)]
    struct Whole {
        error: ErrorAnswer,
    }
    serde_json::from_slice::<Whole>(body).ok().map(|whole| whole.error)
}

// `{"create":{"status":201}}`: the op is the only key, and its name does not matter here.
impl<'de> Deserialize<'de> for ItemAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Inner {
            status: Option<u16>,
            error: Option<ErrorAnswer>,
            failure_store: Option<String>,
        }
        struct OneKey;
        impl<'de> Visitor<'de> for OneKey {
            type Value = ItemAnswer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a bulk item")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ItemAnswer, A::Error> {
                let mut answer = ItemAnswer::default();
                while map.next_key::<IgnoredAny>()?.is_some() {
                    let inner: Inner = map.next_value()?;
                    answer = ItemAnswer {
                        status: inner.status,
                        error: inner.error,
                        in_failure_store: inner.failure_store.as_deref() == Some("used"),
                    };
                }
                Ok(answer)
            }
        }
        deserializer.deserialize_map(OneKey)
    }
}

// An object in all servers of today; a string in very old ones and in proxies that imitate them.
impl<'de> Deserialize<'de> for ErrorAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrObject;
        impl<'de> Visitor<'de> for TextOrObject {
            type Value = ErrorAnswer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an error")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ErrorAnswer, E> {
                Ok(ErrorAnswer { kind: String::new(), reason: shorten(text.to_owned()) })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ErrorAnswer, A::Error> {
                let mut answer = ErrorAnswer::default();
                let mut cause = None;
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "type" => answer.kind = map.next_value::<Option<String>>()?.unwrap_or_default(),
                        "reason" => answer.reason = map.next_value::<Option<String>>()?.unwrap_or_default(),
                        "caused_by" => cause = map.next_value::<Option<Cause>>()?.and_then(|cause| cause.reason),
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                if let Some(cause) = cause {
                    answer.reason = format!("{}: {cause}", answer.reason);
                }
                answer.reason = shorten(answer.reason);
                Ok(answer)
            }
        }
        #[derive(Deserialize)]
        struct Cause {
            reason: Option<String>,
        }
        deserializer.deserialize_any(TextOrObject)
    }
}

fn shorten(mut reason: String) -> String {
    if reason.len() > REASON_BYTES_MAX {
        let end = (0..=REASON_BYTES_MAX).rev().find(|&at| reason.is_char_boundary(at)).unwrap_or_default();
        reason.truncate(end);
        reason.push_str("...");
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items() {
        let check = |body: &str, want: &[(Option<u16>, &str, &str, bool)]| {
            let answer: BulkAnswer = serde_json::from_str(body).expect("an answer");
            let got: Vec<_> = answer
                .items
                .iter()
                .map(|item| {
                    let error = item.error.clone().unwrap_or_default();
                    (item.status, error.kind, error.reason, item.in_failure_store)
                })
                .collect();
            let want: Vec<_> = want.iter().map(|w| (w.0, w.1.to_owned(), w.2.to_owned(), w.3)).collect();
            assert_eq!(got, want);
        };
        check(r#"{"errors":false}"#, &[]);
        check(
            r#"{"errors":true,"items":[{"create":{"status":201}},{"create":{}},{},{"index":{"status":400,"error":{
               "type":"document_parsing_exception","reason":"[1:2] failed","caused_by":{"type":"x","reason":"why"}}}}]}"#,
            &[
                (Some(201), "", "", false),
                (None, "", "", false),
                (None, "", "", false),
                (Some(400), "document_parsing_exception", "[1:2] failed: why", false),
            ],
        );
        check(
            r#"{"items":[{"create":{"status":201,"failure_store":"used"}},
                {"create":{"status":201,"failure_store":"not_applicable_or_unknown"}},
                {"create":{"status":500,"error":"boom"}}]}"#,
            &[(Some(201), "", "", true), (Some(201), "", "", false), (Some(500), "", "boom", false)],
        );
    }

    #[test]
    fn what_is_done_is_seen_without_parsing() {
        let check = |body: &str, items: usize, want: bool| {
            assert_eq!(is_all_done(body.as_bytes(), items), want, "{body}");
            if want {
                let answer: BulkAnswer = serde_json::from_str(body).expect("an answer");
                assert!(answer.items.iter().all(|item| matches!(item.status, Some(200 | 201))));
                assert_eq!(answer.items.len(), items);
            }
        };
        let two = r#"{"errors":false,"items":[{"create":{"status":201}},{"index":{"status":200}}]}"#;
        check(two, 2, true);
        check(two, 1, false);
        check(two, 3, false);
        check(&format!("{two} "), 2, false);
        check(&two[..two.len() - 1], 2, false);
        check(&two.replace("false", "true"), 2, false);
        check(&two.replace("201", "200"), 2, false);
        check(&two.replace("201}", r#"201,"failure_store":"used"}"#), 2, false);
        check(r#"{"errors":false}"#, 0, false);
    }

    #[test]
    fn errors_of_a_whole_request() {
        let body =
            br#"{"error":{"root_cause":[{"type":"t"}],"type":"illegal_argument_exception","reason":"r"},"status":400}"#;
        let want = ErrorAnswer { kind: "illegal_argument_exception".into(), reason: "r".into() };
        assert_eq!(error_of(body), Some(want));
        assert_eq!(error_of(b"<html>Bad Request</html>"), None);
        assert_eq!(error_of(b""), None);
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let text = shorten("ä".repeat(REASON_BYTES_MAX));
        assert_eq!(text.len(), REASON_BYTES_MAX + 3);
    }
}
