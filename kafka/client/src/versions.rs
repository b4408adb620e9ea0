//! The versions of each API that a broker speaks, and the choice among them (KIP-35, KIP-511).

use std::collections::HashMap;

use kafka_wire::protocol::messages::ApiVersionsResponse;
use kafka_wire::protocol::protocol::{Message, Request};

/// Lowest and highest version by API key, as a broker told them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Versions {
    ranges: HashMap<i16, (i16, i16)>,
}

impl Versions {
    pub fn new(response: &ApiVersionsResponse) -> Self {
        Self { ranges: response.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect() }
    }

    /// The highest version of request and response that both sides know, at most `max`.
    pub fn pick<R: Request>(&self, max: i16) -> Option<i16> {
        // The crate's response may know versions that its request does not, and the other way round.
        let ours = R::VERSIONS.intersect(&<R::Response as Message>::VERSIONS);
        let &(theirs_min, theirs_max) = self.ranges.get(&R::KEY)?;
        let version = ours.max.min(theirs_max).min(max);
        (version >= ours.min && version >= theirs_min).then_some(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_wire::protocol::messages::{ProduceRequest, api_versions_response::ApiVersion};

    fn check(theirs: (i16, i16), max: i16, expect: Option<i16>) {
        let mut api = ApiVersion::default();
        (api.api_key, api.min_version, api.max_version) = (0, theirs.0, theirs.1);
        let versions = Versions::new(&ApiVersionsResponse::default().with_api_keys(vec![api]));
        assert_eq!(versions.pick::<ProduceRequest>(max), expect);
    }

    #[test]
    fn the_highest_common_version() {
        check((0, 13), i16::MAX, Some(13));
        check((0, 99), i16::MAX, Some(13));
        check((0, 13), 12, Some(12));
        check((3, 7), 12, Some(7));
        check((0, 2), 12, None);
        check((14, 20), i16::MAX, None);
    }

    #[test]
    fn an_api_that_the_broker_lacks() {
        assert_eq!(Versions::default().pick::<ProduceRequest>(12), None);
    }
}
