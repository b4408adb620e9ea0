//! What the answer for one item means: judged by status, error type and reason, never by the status alone.

use crate::alarm::Condition;
use crate::response::{ErrorAnswer, ItemAnswer};
use pipelines::sink::{Item, Op, Outcome, Rejection};

/// What to do with an item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Final(Outcome),
    /// The server is busy or stumbled: the same again, later.
    Again,
    /// The server will not take it before somebody has done something about the condition.
    Hold(Condition),
}

/// Judges the answer for `item`.
pub(crate) fn judge(item: &Item, answer: ItemAnswer) -> Verdict {
    let Some(status) = answer.status else { return Verdict::Again };
    let error = answer.error.unwrap_or_default();
    match status {
        200 | 201 if answer.in_failure_store => reject(
            status,
            ErrorAnswer {
                kind: "failure_store".into(),
                reason: "the document went to the failure store of its data stream".into(),
            },
        ),
        200 | 201 => Verdict::Final(Outcome::Done),
        409 if error.kind == "version_conflict_engine_exception" && item.op == Op::Create && item.id.is_some() => {
            Verdict::Final(Outcome::AlreadyThere)
        }
        409 | 408 | 429 | 500.. => Verdict::Again,
        400..=499 => match hold(status, &error, &item.index) {
            Some(condition) => Verdict::Hold(condition),
            None => reject(status, error),
        },
        // No server answers an item like that; what it means is not known, so nothing is taken for granted.
        _ => Verdict::Again,
    }
}

fn reject(status: u16, error: ErrorAnswer) -> Verdict {
    Verdict::Final(Outcome::Rejected(Rejection { status, kind: error.kind, reason: error.reason, attempts: 1 }))
}

/// The condition behind an error that says nothing about the document, if it is one. `subject` is the index, or the
/// server for an answer to a whole request.
pub(crate) fn hold(status: u16, error: &ErrorAnswer, subject: &std::sync::Arc<str>) -> Option<Condition> {
    let ErrorAnswer { kind, reason } = error;
    let (cause, way_out) = match (status, kind.as_str()) {
        (401, _) => ("credentials are refused", "give a user and password or an API key that Elasticsearch knows"),
        (403, "cluster_block_exception") => {
            ("index is blocked", "free disk space, or remove the block (index.blocks.write, index.blocks.read_only)")
        }
        (403, _) => ("writing is forbidden", "give the user the privileges create_doc, index and auto_configure on it"),
        (404, "index_not_found_exception") => {
            ("index is missing", "create it, or allow its creation (action.auto_create_index)")
        }
        (400, "index_closed_exception") => ("index is closed", "open it (POST /INDEX/_open)"),
        (400, "illegal_argument_exception")
            if reason.contains("pipeline with id [") && reason.contains("not exist") =>
        {
            ("ingest pipeline is missing", "create it, or take it out of the index's settings")
        }
        (400, "validation_exception") if reason.contains("maximum") && reason.contains("shards") => {
            ("shard limit is reached", "delete indices, or raise cluster.max_shards_per_node")
        }
        _ => return None,
    };
    let text = format!("{cause} for {subject} ({status} {kind}: {reason}): {way_out}; until then its documents wait");
    Some(Condition { cause: (cause, subject.clone()), text })
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
        Hold,
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
            Verdict::Final(Outcome::Done) => Done,
            Verdict::Final(Outcome::AlreadyThere) => AlreadyThere,
            Verdict::Final(Outcome::Rejected(_)) => Rejected,
            Verdict::Again => Again,
            Verdict::Hold(_) => Hold,
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
        create(500, "", "", Again);
        create(408, "", "", Again);
        create(302, "", "", Again);
        create(401, "security_exception", "", Hold);
        create(403, "security_exception", "", Hold);
        create(403, "cluster_block_exception", "index [i] blocked by: [FORBIDDEN/8/index write (api)];", Hold);
        create(404, "index_not_found_exception", "no such index [i]", Hold);
        create(400, "index_closed_exception", "closed", Hold);
        create(400, "illegal_argument_exception", "pipeline with id [p] does not exist", Hold);
        create(
            400,
            "validation_exception",
            "this action would add [2] shards, but this cluster currently has [1000]/[1000] maximum normal shards open;",
            Hold,
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
        assert!(matches!(judge(&item, answer), Verdict::Final(Outcome::Rejected(_))));
    }

    #[test]
    fn a_hold_names_the_way_out() {
        let error = ErrorAnswer { kind: "index_closed_exception".into(), reason: "closed".into() };
        let condition = hold(400, &error, &"logs".into()).expect("a condition");
        assert!(condition.text.starts_with("index is closed for logs") && condition.text.contains("_open"));
    }
}
