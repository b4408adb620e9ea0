//! Faults of every kind, at random; none of them lasts.

use crate::{Answer, BulkItem, Fault, FaultSource, ItemFault};
use fastrand::Rng;
use std::collections::BTreeMap;

/// A source of random faults. A document that is sent again and again is taken in the end, so that a test can say what
/// must be there; refusals for good are [`StandIn::refuse`](crate::StandIn::refuse)'s.
pub fn mixture(mut random: Rng) -> FaultSource {
    Box::new(move |_, items| fault(&mut random, items))
}

fn fault(random: &mut fastrand::Rng, items: &[BulkItem]) -> Fault {
    match random.u32(0..15) {
        0 => Fault::Close,
        1 => Fault::CloseAfter,
        2 => Fault::CutAnswer,
        3 => Fault::Garbage,
        4 => Fault::MissingItems(random.usize(1..4)),
        5 => Fault::Status(Answer::bare(random.choice([408, 500, 502, 503, 504]).unwrap_or(500))),
        6 => Fault::Status(Answer { retry_after: Some("0".into()), ..Answer::bare(429) }),
        7 => Fault::Status(Answer::error(429, "circuit_breaking_exception", "too much")),
        8 if items.len() > 1 => Fault::Status(Answer::error(400, "illegal_argument_exception", "something in it")),
        9 => Fault::Status(Answer::error(401, "security_exception", "who are you")),
        10 | 11 => {
            let faults = (0..items.len()).filter(|_| random.bool()).collect::<Vec<_>>();
            let faults = faults.into_iter().map(|place| (place, item_fault(random)));
            Fault::Items(faults.collect::<BTreeMap<_, _>>())
        }
        // Alone, a document would be rejected for good by such an answer, which is another test's subject.
        12 if items.len() > 1 => Fault::Status(Answer::bare(413)),
        _ => Fault::None,
    }
}

fn item_fault(random: &mut fastrand::Rng) -> ItemFault {
    match random.u32(0..8) {
        0 => ItemFault::error(429, "rejected_execution_exception", "busy"),
        1 => ItemFault::error(429, "es_rejected_execution_exception", "busy"),
        2 => ItemFault::error(503, "unavailable_shards_exception", "not yet"),
        3 => ItemFault::error(500, "", ""),
        4 => ItemFault::NoStatus,
        5 => ItemFault::error(404, "index_not_found_exception", "no such index"),
        6 => ItemFault::error(400, "index_closed_exception", "closed"),
        _ => ItemFault::error(403, "cluster_block_exception", "blocked by: [FORBIDDEN/8/index write (api)]"),
    }
}
