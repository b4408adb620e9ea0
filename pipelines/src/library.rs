//! The ready-made pipelines that come with the program.

/// Name and text of each, in the order in which a list shows them.
const PIPELINES: &[(&str, &str)] = &[
    ("nginx-access", include_str!("../library/nginx-access.yml")),
    ("nginx-error", include_str!("../library/nginx-error.yml")),
    ("apache-access", include_str!("../library/apache-access.yml")),
    ("apache-error", include_str!("../library/apache-error.yml")),
    ("haproxy", include_str!("../library/haproxy.yml")),
    ("syslog", include_str!("../library/syslog.yml")),
    ("system-auth", include_str!("../library/system-auth.yml")),
    ("journald", include_str!("../library/journald.yml")),
    ("cri", include_str!("../library/cri.yml")),
    ("docker", include_str!("../library/docker.yml")),
    ("dpkg", include_str!("../library/dpkg.yml")),
    ("json", include_str!("../library/json.yml")),
    ("json-ecs", include_str!("../library/json-ecs.yml")),
    ("json-bunyan", include_str!("../library/json-bunyan.yml")),
    ("json-go", include_str!("../library/json-go.yml")),
    ("json-serilog", include_str!("../library/json-serilog.yml")),
    ("logfmt", include_str!("../library/logfmt.yml")),
    ("java", include_str!("../library/java.yml")),
    ("python", include_str!("../library/python.yml")),
    ("go", include_str!("../library/go.yml")),
    ("postgresql", include_str!("../library/postgresql.yml")),
    ("mysql-error", include_str!("../library/mysql-error.yml")),
    ("mysql-slow", include_str!("../library/mysql-slow.yml")),
    ("mongodb", include_str!("../library/mongodb.yml")),
    ("redis", include_str!("../library/redis.yml")),
    ("kafka", include_str!("../library/kafka.yml")),
    ("elasticsearch", include_str!("../library/elasticsearch.yml")),
    ("csv", include_str!("../library/csv.yml")),
    ("generic", include_str!("../library/generic.yml")),
];

/// Those that somebody has to choose by name, since they need what only the user can give: databases for `geoip`.
const BY_NAME: &[(&str, &str)] = &[
    ("nginx-access-geoip", include_str!("../library/nginx-access-geoip.yml")),
    ("apache-access-geoip", include_str!("../library/apache-access-geoip.yml")),
];

/// Those that only others call: what several kinds of lines have in common.
const PARTS: &[(&str, &str)] = &[
    ("log-level", include_str!("../library/log-level.yml")),
    ("syslog-priority", include_str!("../library/syslog-priority.yml")),
    ("java-exception", include_str!("../library/java-exception.yml")),
    ("web-client", include_str!("../library/web-client.yml")),
    ("elasticsearch-json", include_str!("../library/elasticsearch-json.yml")),
];

/// The pipeline for lines of which nothing is known.
pub const GENERIC: &str = "generic";

/// Datasets whose pipeline has another name; any other dataset has the pipeline of its own name, dots as hyphens.
const DATASETS: &[(&str, &str)] = &[
    ("apache", "apache-access"),
    ("auth", "system-auth"),
    ("containerd", "cri"),
    ("ecs", "json-ecs"),
    ("elasticsearch.server", "elasticsearch"),
    ("haproxy.log", "haproxy"),
    ("httpd.access", "apache-access"),
    ("httpd.error", "apache-error"),
    ("json.pino", "json-bunyan"),
    ("kafka.log", "kafka"),
    ("klog", "go"),
    ("mariadb.error", "mysql-error"),
    ("mongodb.log", "mongodb"),
    ("mysql", "mysql-error"),
    ("mysql.slowlog", "mysql-slow"),
    ("ndjson", "json"),
    ("nginx", "nginx-access"),
    ("opensearch", "elasticsearch"),
    ("postgresql.log", "postgresql"),
    ("redis.log", "redis"),
    ("sshd", "system-auth"),
    ("sudo", "system-auth"),
    ("system.syslog", "syslog"),
    ("valkey", "redis"),
];

/// The names of the ready-made pipelines.
pub fn names() -> impl Iterator<Item = &'static str> {
    PIPELINES.iter().chain(BY_NAME).map(|(name, _)| *name)
}

/// The names of those that [`for_dataset`] chooses from.
pub fn names_for_datasets() -> impl Iterator<Item = &'static str> {
    PIPELINES.iter().map(|(name, _)| *name)
}

/// The text of a ready-made pipeline, or of one that only others call.
pub fn text(name: &str) -> Option<&'static str> {
    PIPELINES.iter().chain(BY_NAME).chain(PARTS).find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The name of the pipeline for lines of a dataset (`event.dataset`); `generic` for those that nobody knows.
pub fn for_dataset(dataset: &str) -> &'static str {
    let own = dataset.replace('.', "-");
    DATASETS
        .iter()
        .find(|(known, _)| *known == dataset)
        .map(|(_, name)| *name)
        .or_else(|| names_for_datasets().find(|name| **name == own))
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
            ("system.auth", "system-auth"),
            ("mysql.slow", "mysql-slow"),
            ("log.level", "generic"),
            ("nginx.access.geoip", "generic"),
            ("shop", "generic"),
            ("", "generic"),
        ] {
            assert_eq!(for_dataset(dataset), name, "{dataset:?}");
        }
    }
}
