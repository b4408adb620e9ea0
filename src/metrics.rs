//! Metrics that belong to no part: the program's version, and how far each file is.

use crate::followed::{Followed, FollowedFiles};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;

/// Files that have series of their own: those with the greatest lag. `/files` has all.
const FILES_MAX: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabel {
    path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabel {
    version: &'static str,
}

/// Read anew at each request.
pub fn of_process(files: &FollowedFiles) -> Registry {
    let mut registry = Registry::default();
    let version: Family<VersionLabel, Gauge> = Family::default();
    version.get_or_create(&VersionLabel { version: env!("CARGO_PKG_VERSION") }).set(1);
    registry.register("sluice_build", "The version of the program; always 1", version);
    let bytes: Family<PathLabel, Gauge> = Family::default();
    let seconds: Family<PathLabel, Gauge> = Family::default();
    for (path, (lag_bytes, lag_seconds)) in by_path(&files.files) {
        let label = PathLabel { path: path.to_owned() };
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        bytes.get_or_create(&label).set(gauge(lag_bytes));
        seconds.get_or_create(&label).set(gauge(lag_seconds));
    }
    if !files.files.is_empty() {
        registry.register("sluice_agent_file_lag_bytes", "Bytes of a file that are not acknowledged", bytes);
        registry.register(
            "sluice_agent_file_lag_seconds",
            "How long the oldest line of a file that is not acknowledged has been waiting",
            seconds,
        );
    }
    registry
}

/// Bytes and seconds by path; files that had the same path one after the other count together.
fn by_path(files: &[Followed]) -> Vec<(&str, (u64, u64))> {
    let mut lags: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for file in files {
        let (bytes, seconds) = lags.entry(&file.path).or_default();
        *bytes = bytes.saturating_add(file.lag_bytes);
        *seconds = (*seconds).max(file.lag_seconds);
    }
    let mut lags: Vec<_> = lags.into_iter().collect();
    lags.sort_by_key(|(_, lag)| std::cmp::Reverse(*lag));
    lags.truncate(FILES_MAX);
    lags
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text;

    #[test]
    fn files_of_one_path_count_together_and_are_bounded() {
        let file = |path: String, lag_bytes: u64, lag_seconds: u64| {
            let mut file: Followed = serde_json::from_value(serde_json::json!({
                "path": path, "id": "1", "dataset": null, "position": 0, "acknowledged": 0, "size": 0, "lag_bytes": 0,
                "lag_seconds": 0, "compressed_bytes": null, "compressed_read": null, "renamed": false, "problem": null,
                "last_error": null
            }))
            .expect("a file");
            (file.lag_bytes, file.lag_seconds) = (lag_bytes, lag_seconds);
            file
        };
        let mut files = vec![file("/a".into(), 7, 1), file("/a".into(), 3, 5)];
        files.extend((0..2 * FILES_MAX).map(|n| file(format!("/b{n}"), 1, 0)));
        let mut body = String::new();
        text::encode(&mut body, &of_process(&FollowedFiles { files })).expect("memory can be written");
        assert!(body.contains("sluice_agent_file_lag_bytes{path=\"/a\"} 10"), "{body}");
        assert!(body.contains("sluice_agent_file_lag_seconds{path=\"/a\"} 5"));
        assert_eq!(body.matches("sluice_agent_file_lag_bytes{").count(), FILES_MAX);
    }
}
