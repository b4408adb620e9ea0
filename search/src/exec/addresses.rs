//! Ranges and networks of addresses.

use super::keywords::Keywords;
use super::terms::Matches;
use crate::query::ast::Range;
use crate::query::{Refusal, mapped};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Bound;
use std::sync::Arc;
use tantivy::query::{EmptyQuery, Query};

/// Documents with an address between two, both included. Every known one of the field is looked at: they are keywords.
pub fn between(path: &str, first: Ipv6Addr, last: Ipv6Addr) -> Box<dyn Query> {
    let matches: Matches =
        Arc::new(move |value| value.parse::<IpAddr>().is_ok_and(|address| (first..=last).contains(&mapped(address))));
    Keywords::matching(path, String::new(), matches)
}

/// Documents with an address in a range.
pub fn range(path: &str, range: &Range) -> Result<Box<dyn Query>, Refusal> {
    let step = |address: Ipv6Addr, up: bool| {
        let number = u128::from(address);
        if up { number.checked_add(1) } else { number.checked_sub(1) }.map(Ipv6Addr::from)
    };
    let first = match &range.lower {
        Bound::Included(value) => Some(value.addresses()?.0),
        Bound::Excluded(value) => step(value.addresses()?.1, true),
        Bound::Unbounded => Some(Ipv6Addr::UNSPECIFIED),
    };
    let last = match &range.upper {
        Bound::Included(value) => Some(value.addresses()?.1),
        Bound::Excluded(value) => step(value.addresses()?.0, false),
        Bound::Unbounded => Some(Ipv6Addr::from(u128::MAX)),
    };
    Ok(match (first, last) {
        (Some(first), Some(last)) => between(path, first, last),
        _ => Box::new(EmptyQuery),
    })
}
