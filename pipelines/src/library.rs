//! The ready-made pipelines that come with the program.

/// Name and text of each, in the order in which a list shows them.
const PIPELINES: &[(&str, &str)] = &[
    ("nginx-access", include_str!("../library/nginx-access.yml")),
    ("apache-access", include_str!("../library/apache-access.yml")),
    ("syslog", include_str!("../library/syslog.yml")),
    ("journald", include_str!("../library/journald.yml")),
    ("json", include_str!("../library/json.yml")),
    ("generic", include_str!("../library/generic.yml")),
];

/// The pipeline for lines of which nothing is known.
pub const GENERIC: &str = "generic";

/// Datasets whose pipeline has another name; any other dataset has the pipeline of its own name, dots as hyphens.
const DATASETS: &[(&str, &str)] = &[
    ("apache", "apache-access"),
    ("httpd.access", "apache-access"),
    ("nginx", "nginx-access"),
    ("ndjson", "json"),
    ("system.syslog", "syslog"),
    ("system.auth", "syslog"),
];

/// The names of the ready-made pipelines.
pub fn names() -> impl Iterator<Item = &'static str> {
    PIPELINES.iter().map(|(name, _)| *name)
}

/// The text of a ready-made pipeline.
pub fn text(name: &str) -> Option<&'static str> {
    PIPELINES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The name of the pipeline for lines of a dataset (`event.dataset`); `generic` for those that nobody knows.
pub fn for_dataset(dataset: &str) -> &'static str {
    let own = dataset.replace('.', "-");
    DATASETS
        .iter()
        .find(|(known, _)| *known == dataset)
        .map(|(_, name)| *name)
        .or_else(|| names().find(|name| **name == own))
        .unwrap_or(GENERIC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Pipeline;

    #[test]
    fn every_ready_made_pipeline_loads() {
        for name in names() {
            Pipeline::load(name).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    #[test]
    fn datasets_have_their_pipeline() {
        for (dataset, name) in [
            ("nginx.access", "nginx-access"),
            ("apache.access", "apache-access"),
            ("syslog", "syslog"),
            ("json", "json"),
            ("journald", "journald"),
            ("shop", "generic"),
            ("", "generic"),
        ] {
            assert_eq!(for_dataset(dataset), name, "{dataset:?}");
        }
    }
}
