//! Faults of every kind, at random; none of them lasts.

use crate::{Answer, BulkItem, Fault, FaultSource, ItemFault};
use fastrand::Rng;
use std::collections::BTreeMap;
use std::time::Duration;

/// A source of random faults. A document that is sent again and again is taken in the end, so that a test can say what
/// must be there; refusals for good are [`StandIn::refuse`](crate::StandIn::refuse)'s.
pub fn mixture(mut random: Rng) -> FaultSource {
    Box::new(move |_, items| fault(&mut random, items))
}

fn fault(random: &mut fastrand::Rng, items: &[BulkItem]) -> Fault {
    // Most requests have items of mixed fates, or none that is wrong: so there is an end to it.
    match random.u32(0..32) {
        0 => Fault::Close,
        1 => Fault::CloseAfter,
        2 => Fault::CutAnswer,
        3 => Fault::Garbage,
        4 => Fault::MissingItems(random.usize(1..4)),
        5 => Fault::ExtraItems(random.usize(1..4)),
        6 => Fault::Slow(Duration::from_millis(random.u64(1..20))),
        7..=11 => Fault::Status(whole(random)),
        // Alone, a document would be rejected for good by such answers, which is another test's subject.
        12 if items.len() > 1 => Fault::Status(Answer::error(400, "illegal_argument_exception", "something in it")),
        13 if items.len() > 1 => Fault::Status(Answer::bare(413)),
        14..=21 => {
            let faults = (0..items.len()).filter(|_| random.u32(0..4) == 0).collect::<Vec<_>>();
            let faults = faults.into_iter().map(|place| (place, item_fault(random)));
            Fault::Items(faults.collect::<BTreeMap<_, _>>())
        }
        _ => Fault::None,
    }
}

/// An answer for a whole request that passes. Few are 429: a server that refuses more than one request in twenty gets less
/// and less, which is right and takes time.
fn whole(random: &mut fastrand::Rng) -> Answer {
    match random.u32(0..20) {
        0 => Answer { retry_after: Some("0".into()), ..Answer::bare(429) },
        1 => Answer {
            retry_after: Some("Sun, 06 Nov 1994 08:49:37 GMT".into()),
            ..Answer::error(429, "circuit_breaking_exception", "[parent] Data too large")
        },
        2 => Answer::error(429, "es_rejected_execution_exception", "rejected execution of coordinating operation"),
        3..=6 => Answer::bare(random.choice([408, 500, 502, 503, 504]).unwrap_or(500)),
        7 | 8 => Answer::error(503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/2/no master];"),
        9 | 10 => Answer::error(401, "security_exception", "who are you"),
        11 | 12 => Answer::error(403, "security_exception", "action [indices:data/write/bulk] is unauthorized"),
        13 | 14 => Answer::bare(random.choice([301, 302, 307, 404, 405, 406]).unwrap_or(404)),
        15 | 16 => Answer { body: "<html>Bad Request</html>".into(), ..Answer::bare(400) },
        17 | 18 => Answer { body: "<html>Bad Gateway</html>".into(), ..Answer::bare(502) },
        _ => Answer::bare(200),
    }
}

fn item_fault(random: &mut fastrand::Rng) -> ItemFault {
    match random.u32(0..18) {
        0 => ItemFault::error(429, "rejected_execution_exception", "busy"),
        1 => ItemFault::error(429, "es_rejected_execution_exception", "busy"),
        2 => ItemFault::error(429, "circuit_breaking_exception", "[parent] Data too large"),
        3 => {
            ItemFault::error(429, "cluster_block_exception", "index [i] blocked by: [TOO_MANY_REQUESTS/12/disk usage]")
        }
        4 => ItemFault::error(503, "unavailable_shards_exception", "not yet"),
        5 => ItemFault::error(random.choice([500, 502, 504, 507]).unwrap_or(500), "", ""),
        6 => ItemFault::error(500, "null_pointer_exception", ""),
        7 => ItemFault::error(408, "timeout_exception", ""),
        8 => ItemFault::NoStatus,
        9 => ItemFault::error(404, "index_not_found_exception", "no such index [i]"),
        10 => ItemFault::error(400, "index_closed_exception", "closed"),
        11 => ItemFault::error(403, "cluster_block_exception", "index [i] blocked by: [FORBIDDEN/8/index write (api)]"),
        12 => ItemFault::error(403, "security_exception", "action [indices:data/write/bulk] is unauthorized"),
        13 => ItemFault::error(401, "security_exception", "token expired"),
        14 => ItemFault::error(400, "illegal_argument_exception", "pipeline with id [p] does not exist"),
        15 => ItemFault::error(
            400,
            "validation_exception",
            "Validation Failed: 1: this action would add [2] shards, but this cluster currently has [10]/[10] maximum \
             normal shards open;",
        ),
        16 => ItemFault::error(409, "some_other_conflict_exception", ""),
        _ => ItemFault::error(302, "", ""),
    }
}
