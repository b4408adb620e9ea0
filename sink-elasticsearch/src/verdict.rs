//! What the answer for one item means: judged by status, error type and reason, never by the status alone.

use crate::alarm::Condition;
use crate::hold::Scope;
use crate::response::{ErrorAnswer, ItemAnswer};
use pipelines::sink::{Item, Op, Rejection};
use std::sync::Arc;

/// What to do with an item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Done,
    AlreadyThere,
    /// The server is busy: the same again, later. What it says, if it says something.
    Again(ErrorAnswer),
    /// With what was sent beside it, it is more than the server takes even when it is idle.
    TooMuch(Rejection),
    /// The server stumbled. Most such faults pass; one that comes back for the same document is the document's.
    Stumbled(Rejection),
    /// The server will not take it before somebody has done something about the condition.
    Hold(Condition, Scope, Rejection),
    /// It will never take the document as it is.
    Reject(u16, ErrorAnswer),
}

/// Judges the answer for `item`.
pub(crate) fn judge(item: &Item, answer: ItemAnswer) -> Verdict {
    let Some(status) = answer.status else { return Verdict::Again(ErrorAnswer::default()) };
    let error = answer.error.unwrap_or_default();
    match (status, error.kind.as_str()) {
        (200 | 201, _) if answer.in_failure_store => Verdict::Reject(
            status,
            ErrorAnswer {
                kind: "failure_store".into(),
                reason: "the document went to the failure store of its data stream".into(),
            },
        ),
        (200 | 201, _) => Verdict::Done,
        (409, "version_conflict_engine_exception") if item.op == Op::Create && item.id.is_some() => {
            Verdict::AlreadyThere
        }
        // Elasticsearch 8.15 answers so for a document that is no object.
        (500, "not_x_content_exception") => Verdict::Reject(status, error),
        (500, _) => Verdict::Stumbled(error.rejection(status)),
        (429, _) if above_limit(&error.reason).is_some() => Verdict::TooMuch(error.rejection(status)),
        (409 | 408 | 429 | 501.., _) => Verdict::Again(error),
        (400..=499, _) => match hold(status, &error, &item.index) {
            Some((condition, scope)) => Verdict::Hold(condition, scope, error.rejection(status)),
            None => Verdict::Reject(status, error),
        },
        // No server answers an item like that; what it means is not known, so nothing is taken for granted.
        _ => Verdict::Again(error),
    }
}

/// The condition behind an error that says nothing about the document, if it is one, and whom it concerns. `subject` is
/// the index, or the server for an answer to a whole request.
pub(crate) fn hold(status: u16, error: &ErrorAnswer, subject: &Arc<str>) -> Option<(Condition, Scope)> {
    let ErrorAnswer { kind, reason } = error;
    let cluster = || Arc::from("the cluster");
    let (cause, scope, subject, way_out) = match (status, kind.as_str()) {
        (401, _) => (
            "credentials are refused",
            Scope::Server,
            cluster(),
            "give a user and password, an API key or a token that Elasticsearch knows",
        ),
        (403, "cluster_block_exception") if !reason.starts_with("index [") => {
            ("writing is blocked", Scope::Server, cluster(), "remove the block (cluster.blocks.read_only)")
        }
        (403, "cluster_block_exception") => (
            "index is blocked",
            Scope::Index,
            subject.clone(),
            "free disk space, or remove the block (index.blocks.write, index.blocks.read_only)",
        ),
        (403, _) => (
            "writing is forbidden",
            Scope::Unclear,
            subject.clone(),
            "give the user the privileges create_doc, index and auto_configure on it",
        ),
        (404, "index_not_found_exception") => (
            "index is missing",
            Scope::Index,
            subject.clone(),
            "create it, or allow its creation (action.auto_create_index)",
        ),
        (400, "index_closed_exception") => {
            ("index is closed", Scope::Index, subject.clone(), "open it (POST /INDEX/_open)")
        }
        (400, "illegal_argument_exception") if reason.contains("no write index is defined for alias") => {
            ("alias has no index to write to", Scope::Index, subject.clone(), "name one (is_write_index)")
        }
        (400, "illegal_argument_exception")
            if reason.contains("pipeline with id [") && reason.contains("not exist") =>
        {
            (
                "ingest pipeline is missing",
                Scope::Server,
                subject.clone(),
                "create it, or take it out of the index's settings",
            )
        }
        (400, "validation_exception") if reason.contains("maximum") && reason.contains("shards") => {
            ("shard limit is reached", Scope::Server, cluster(), "delete indices, or raise cluster.max_shards_per_node")
        }
        _ => return None,
    };
    let then = match scope {
        Scope::Server => "until then its documents wait",
        Scope::Index | Scope::Unclear => "until then its documents wait, and become dead letters when that takes long",
    };
    let text = format!("{cause} for {subject} ({status} {kind}: {reason}): {way_out}; {then}");
    Some((Condition { cause: (cause, subject), text }, scope))
}

/// Whether a refused request is larger than the server ever takes, even when it is idle: what it counted, and its limit.
/// Both are in the words of indexing pressure (Elasticsearch 7.9 on, OpenSearch).
pub(crate) fn above_limit(reason: &str) -> Option<(usize, usize)> {
    let number = |name: &str| -> Option<usize> {
        let start = reason.find(name)? + name.len();
        let digits = reason[start..].bytes().take_while(u8::is_ascii_digit).count();
        reason[start..start + digits].parse().ok()
    };
    // Elasticsearch 9 counts what a shard has to do for an item, four times its bytes.
    let (counted, limit) = match number("primary_operation_bytes=").zip(number("max_primary_bytes=")) {
        Some(primary) => primary,
        None => {
            let limit = number("max_coordinating_bytes=").or_else(|| number("max_coordinating_and_primary_bytes="))?;
            (number("coordinating_operation_bytes=")?, limit)
        }
    };
    (counted > limit).then_some((counted, limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipelines::sink::DocumentId;

    #[derive(Debug, PartialEq, Eq)]
    enum Want {
        Done,
        AlreadyThere,
        Again,
        TooMuch,
        Stumbled,
        HoldServer,
        HoldIndex,
        HoldUnclear,
        Rejected,
    }
    use Want::*;

    fn check(op: Op, status: Option<u16>, kind: &str, reason: &str, want: Want) {
        let item = Item {
            json: 0..2,
            id: Some(DocumentId::Text("a".into())),
            index: "i".into(),
            event_ms: 0,
            op,
            routing: None,
            pipeline: None,
        };
        let error = (!kind.is_empty()).then(|| ErrorAnswer { kind: kind.into(), reason: reason.into() });
        let got = match judge(&item, ItemAnswer { status, error, in_failure_store: false }) {
            Verdict::Done => Done,
            Verdict::AlreadyThere => AlreadyThere,
            Verdict::Again(_) => Again,
            Verdict::TooMuch(_) => TooMuch,
            Verdict::Stumbled(_) => Stumbled,
            Verdict::Hold(_, Scope::Server, _) => HoldServer,
            Verdict::Hold(_, Scope::Index, _) => HoldIndex,
            Verdict::Hold(_, Scope::Unclear, _) => HoldUnclear,
            Verdict::Reject(..) => Rejected,
        };
        assert_eq!(got, want, "{status:?} {kind} {reason}");
    }

    #[test]
    fn by_status_type_and_reason() {
        let create = |status, kind, reason, want| check(Op::Create, Some(status), kind, reason, want);
        create(201, "", "", Done);
        create(200, "", "", Done);
        create(409, "version_conflict_engine_exception", "", AlreadyThere);
        create(409, "some_other_exception", "", Again);
        check(Op::Index, Some(409), "version_conflict_engine_exception", "", Again);
        check(Op::Create, None, "", "", Again);
        create(429, "es_rejected_execution_exception", "", Again);
        create(429, "rejected_execution_exception", "", Again);
        create(429, "circuit_breaking_exception", "", Again);
        create(429, "cluster_block_exception", "blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded]", Again);
        create(503, "unavailable_shards_exception", "", Again);
        create(500, "", "", Stumbled);
        create(500, "not_x_content_exception", "", Rejected);
        create(408, "", "", Again);
        create(302, "", "", Again);
        create(401, "security_exception", "", HoldServer);
        create(403, "security_exception", "", HoldUnclear);
        create(403, "cluster_block_exception", "blocked by: [FORBIDDEN/6/cluster read-only (api)];", HoldServer);
        create(403, "cluster_block_exception", "index [i] blocked by: [FORBIDDEN/8/index write (api)];", HoldIndex);
        create(404, "index_not_found_exception", "no such index [i]", HoldIndex);
        create(400, "index_closed_exception", "closed", HoldIndex);
        create(400, "illegal_argument_exception", "no write index is defined for alias [i].", HoldIndex);
        create(400, "illegal_argument_exception", "pipeline with id [p] does not exist", HoldServer);
        create(
            400,
            "validation_exception",
            "this action would add [2] shards, but this cluster currently has [1000]/[1000] maximum normal shards open;",
            HoldServer,
        );
        create(400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded", Rejected);
        create(400, "document_parsing_exception", "", Rejected);
        create(400, "mapper_parsing_exception", "", Rejected);
        create(400, "strict_dynamic_mapping_exception", "", Rejected);
        create(400, "invalid_index_name_exception", "", Rejected);
        create(400, "", "", Rejected);
    }

    #[test]
    fn the_failure_store_is_not_the_index() {
        let item = Item {
            json: 0..2,
            id: None,
            index: "i".into(),
            event_ms: 0,
            op: Op::Create,
            routing: None,
            pipeline: None,
        };
        let answer = ItemAnswer { status: Some(201), error: None, in_failure_store: true };
        assert!(matches!(judge(&item, answer), Verdict::Reject(201, _)));
    }

    #[test]
    fn a_hold_names_the_way_out() {
        let error = ErrorAnswer { kind: "index_closed_exception".into(), reason: "closed".into() };
        let (condition, _) = hold(400, &error, &"logs".into()).expect("a condition");
        assert!(condition.text.starts_with("index is closed for logs") && condition.text.contains("_open"));
    }

    #[test]
    fn requests_above_the_limit_of_an_idle_server() {
        let reason = |counted: u32, limit: &str| {
            format!(
                "rejected execution of coordinating operation [coordinating_and_primary_bytes=0, replica_bytes=0, \
                 all_bytes=0, coordinating_operation_bytes={counted}, {limit}=1048576]"
            )
        };
        let old = "max_coordinating_and_primary_bytes";
        assert_eq!(above_limit(&reason(2_097_393, old)), Some((2_097_393, 1_048_576)));
        assert_eq!(above_limit(&reason(2_097_393, "max_coordinating_bytes")), Some((2_097_393, 1_048_576)));
        assert_eq!(above_limit(&reason(1000, old)), None);
        assert_eq!(above_limit("rejected execution of TimedRunnable"), None);
        let primary = |counted: u32| {
            format!(
                "rejected execution of primary operation [coordinating_and_primary_bytes=20000156, replica_bytes=0, \
                 all_bytes=20000156, primary_operation_bytes={counted}, max_primary_bytes=53687091]"
            )
        };
        assert_eq!(above_limit(&primary(80_000_048)), Some((80_000_048, 53_687_091)));
        assert_eq!(above_limit(&primary(40_000)), None);
        check(Op::Create, Some(429), "es_rejected_execution_exception", &primary(80_000_048), TooMuch);
        check(Op::Create, Some(429), "es_rejected_execution_exception", &primary(40_000), Again);
        assert_eq!(above_limit("coordinating_operation_bytes=, max_coordinating_bytes="), None);
    }
}
