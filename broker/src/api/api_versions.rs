//! ApiVersions (key 18): which APIs this broker speaks, in which versions.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_wire::protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{ADVERTISED, Call, text};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=4;

/// `metadata.version` of Apache Kafka 4.1, so that tools which show a version have one.
const METADATA_VERSION: i16 = 27;
/// Lowest `metadata.version` of Apache Kafka 4.
const METADATA_VERSION_MIN: i16 = 7;

/// The correlation id of a request for versions in a version that we do not know. Kafka answers that in version 0
/// instead of closing the connection (KIP-511), or no newer client could ever find out.
pub(super) fn asked_in_unknown_version(frame: &[u8]) -> Option<i32> {
    let (head, _) = frame.split_first_chunk::<8>()?;
    let [key, version] = [[head[0], head[1]], [head[2], head[3]]].map(i16::from_be_bytes);
    (key == ApiKey::ApiVersions as i16 && !VERSIONS.contains(&version))
        .then(|| i32::from_be_bytes([head[4], head[5], head[6], head[7]]))
}

pub(super) fn unknown_version() -> ApiVersionsResponse {
    ApiVersionsResponse::default()
        .with_error_code(ResponseError::UnsupportedVersion.code())
        .with_api_keys(vec![range(ApiKey::ApiVersions, &VERSIONS)])
}

pub async fn handle(_node: &Arc<Node>, call: &Call, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let named = is_software_name(&request.client_software_name) && is_software_name(&request.client_software_version);
    if call.version >= 3 && !named {
        return ApiVersionsResponse::default().with_error_code(ResponseError::InvalidRequest.code());
    }
    let response = ApiVersionsResponse::default()
        .with_api_keys(ADVERTISED.iter().map(|(key, versions)| range(*key, versions)).collect());
    if call.version < 3 {
        return response;
    }
    let name = || text("metadata.version");
    response
        .with_supported_features(vec![
            SupportedFeatureKey::default()
                .with_name(name())
                .with_min_version(METADATA_VERSION_MIN)
                .with_max_version(METADATA_VERSION),
        ])
        .with_finalized_features_epoch(1)
        .with_finalized_features(vec![
            FinalizedFeatureKey::default()
                .with_name(name())
                .with_min_version_level(METADATA_VERSION)
                .with_max_version_level(METADATA_VERSION),
        ])
}

fn range(key: ApiKey, versions: &RangeInclusive<i16>) -> ApiVersion {
    ApiVersion::default().with_api_key(key as i16).with_min_version(*versions.start()).with_max_version(*versions.end())
}

/// Kafka's `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`.
fn is_software_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expect: bool) {
        assert_eq!(is_software_name(name), expect, "{name:?}");
    }

    #[test]
    fn software_names() {
        check("apache-kafka-java", true);
        check("4.1.1", true);
        check("k", true);
        check("", false);
        check("-a", false);
        check("a.", false);
        check("a b", false);
    }

    #[test]
    fn librdkafka_needs_these_versions_to_be_advertised() {
        // It tests whether its own range overlaps these before it compresses, joins groups or is idempotent.
        let needs = [
            (ApiKey::Produce, 0),
            (ApiKey::Produce, 7),
            (ApiKey::Fetch, 4),
            (ApiKey::Fetch, 10),
            (ApiKey::ListOffsets, 1),
            (ApiKey::OffsetCommit, 2),
            (ApiKey::OffsetFetch, 1),
            (ApiKey::JoinGroup, 0),
            (ApiKey::SyncGroup, 0),
            (ApiKey::Heartbeat, 0),
            (ApiKey::LeaveGroup, 0),
            (ApiKey::FindCoordinator, 0),
            (ApiKey::InitProducerId, 0),
        ];
        for (key, version) in needs {
            let found = ADVERTISED.iter().any(|(known, versions)| *known == key && versions.contains(&version));
            assert!(found, "{key:?} version {version}");
        }
    }

    #[test]
    fn an_unknown_version_is_seen_before_anything_else() {
        assert_eq!(asked_in_unknown_version(b"\0\x12\0\x63\0\0\0\x07rest"), Some(7));
        assert_eq!(asked_in_unknown_version(b"\0\x12\0\x04\0\0\0\x07rest"), None);
        assert_eq!(asked_in_unknown_version(b"\0\x12\0\x63\0\0\0"), None);
    }
}
