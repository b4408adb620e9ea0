//! Whether Elasticsearch or OpenSearch lets us in, has the template, and has room.

use super::Probe;
use crate::command::{INDEX_DEFAULT, elasticsearch, index};
use crate::config::WorkerSection;
use crate::files::size;
use serde_json::Value;
use sink_elasticsearch::setup::{Options, Plan, SetUpError, State};
use sink_elasticsearch::{Connection, Method};
use std::time::Duration;

/// Somebody waits for the answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Where the servers keep what they do about full disks.
const DISK: &str = "cluster.routing.allocation.disk";
/// The servers' own defaults of `cluster.routing.allocation.disk.watermark`.
const WATERMARKS: [(&str, &str); 2] = [("flood_stage", "95%"), ("high", "90%")];

pub async fn all(section: &WorkerSection) -> Vec<Probe> {
    let Some(servers) = section.elasticsearch.as_ref().filter(|servers| !servers.urls.is_empty()) else {
        return Vec::new();
    };
    let connection =
        elasticsearch::connection(servers).map_err(|failure| failure.to_string()).and_then(|mut config| {
            config.connect_timeout = TIMEOUT;
            config.request_timeout = TIMEOUT;
            Connection::new(&config).map_err(|error| format!("{:#}", anyhow::Error::new(error)))
        });
    let connection = match connection {
        Ok(connection) => connection,
        Err(reason) => return vec![Probe::error("worker.elasticsearch", reason, "docs/config.md shows every key")],
    };
    let what = format!("worker.elasticsearch {}", connection.describe());
    let mut probes = template(&what, &connection, section).await;
    if probes.iter().all(|probe| probe.level != Some(crate::config::Level::Error)) {
        probes.push(health(&connection).await);
        probes.extend(disks(&connection).await);
    }
    probes
}

/// Who answers, and whether the template is there.
async fn template(what: &str, connection: &Connection, section: &WorkerSection) -> Vec<Probe> {
    let written = index::index(section).ok().flatten();
    let options = Options::for_index(written.as_deref().unwrap_or(INDEX_DEFAULT)).map(|mut options| {
        options.data_stream = index::is_data_stream(section);
        options
    });
    let plan = match options {
        Ok(options) => Plan::make(connection, &options).await,
        Err(error) => Err(error.into()),
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => {
            let hint = match &error {
                SetUpError::NoAnswer(_) => "is it running, and is worker.elasticsearch.urls right?",
                SetUpError::NotElasticsearch { status: 401 | 403, .. } | SetUpError::Forbidden { .. } => {
                    "give worker.elasticsearch the credentials of a user who may write to the index (and monitor, for this check)"
                }
                SetUpError::NotElasticsearch { .. } => {
                    "worker.elasticsearch.urls has to name Elasticsearch or OpenSearch"
                }
                SetUpError::Refused { .. } | SetUpError::Options(_) => {
                    "`sluice setup --dry-run` shows what it was asked"
                }
            };
            return vec![Probe::error(what, error.to_string(), hint)];
        }
    };
    let mut probes = vec![Probe::ok(what, format!("answers; {}", plan.server))];
    for step in &plan.steps {
        probes.push(match step.state {
            State::Same => Probe::ok(&step.what, "is there"),
            State::Others => Probe::ok(&step.what, "is there, made or changed by somebody else, and left alone"),
            State::Outdated | State::Overwritten => Probe::warning(
                &step.what,
                "is of another version of Sluice, or for other options",
                "`sluice setup` renews it",
            ),
            State::Missing => Probe::warning(
                &step.what,
                "is missing: the server would guess the types of fields",
                "run `sluice setup`, or set worker.elasticsearch.setup: true",
            ),
        });
    }
    probes
}

async fn health(connection: &Connection) -> Probe {
    let what = "cluster health";
    let hint = "`GET _cluster/allocation/explain` of the server says why";
    match get(connection, "/_cluster/health").await {
        Some(answer) => match answer["status"].as_str() {
            Some(status @ ("green" | "yellow")) => Probe::ok(what, status),
            Some(status) => Probe::warning(what, status, hint),
            None => Probe::warning(what, "the answer has no status", hint),
        },
        None => Probe::warning(what, "it is not told to us", "the privilege monitor lets this check ask"),
    }
}

/// Each node's disk against the watermarks at which the server moves shards away, or refuses to write.
async fn disks(connection: &Connection) -> Vec<Probe> {
    let stats = get(connection, "/_nodes/stats/fs?filter_path=nodes.*.name,nodes.*.fs.total").await;
    let settings = get(connection, "/_cluster/settings?include_defaults=true&flat_settings=true").await;
    let Some(nodes) = stats.as_ref().and_then(|stats| stats["nodes"].as_object()) else {
        return vec![Probe::warning("disks", "they are not told to us", "the privilege monitor lets this check ask")];
    };
    let setting = |key: &str| {
        let of = |kind: &str| settings.as_ref()?[kind][key].as_str().map(str::to_owned);
        of("transient").or_else(|| of("persistent")).or_else(|| of("defaults"))
    };
    let is_watched = setting(&format!("{DISK}.threshold_enabled")).is_none_or(|word| word != "false");
    let mut probes = Vec::new();
    for node in nodes.values() {
        let what = format!("disk of node {}", node["name"].as_str().unwrap_or("?"));
        let bytes = |key: &str| node["fs"]["total"][key].as_u64();
        let (Some(total), Some(free)) = (bytes("total_in_bytes"), bytes("available_in_bytes")) else { continue };
        let passed = WATERMARKS.iter().filter(|_| is_watched).find(|(name, default)| {
            let mark = setting(&format!("{DISK}.watermark.{name}"));
            // Elasticsearch since 8.5: of a large disk no more has to be free than this, whatever the percentage says.
            let headroom = setting(&format!("{DISK}.watermark.{name}.max_headroom"));
            let has_headroom = headroom.is_some_and(|room| is_size(&room) && !is_passed(&room, total, free));
            !has_headroom && is_passed(mark.as_deref().unwrap_or(default), total, free)
        });
        let says = format!("{} free of {}", size(free), size(total));
        probes.push(match passed {
            None => Probe::ok(what, says),
            Some(("flood_stage", _)) => Probe::error(
                what,
                format!("{says}: beyond the flood stage watermark, indices are read-only"),
                "make room there, or delete old indices; `sluice setup --retention 30d` does so in time",
            ),
            Some(_) => Probe::warning(
                what,
                format!("{says}: beyond the high watermark, shards are moved away"),
                "make room there before the flood stage, at which nothing is written any more",
            ),
        });
    }
    probes
}

/// Whether a disk has less free than its watermark leaves: `90%` of it used, or `20gb` free.
fn is_passed(mark: &str, total: u64, free: u64) -> bool {
    let mark = mark.trim().to_lowercase();
    if let Some(percent) = mark.strip_suffix('%') {
        return percent
            .parse::<f64>()
            .is_ok_and(|percent| (total - free.min(total)) as f64 >= total as f64 * percent / 100.0);
    }
    let digits = mark.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let power = match &mark[digits.len()..] {
        "kb" => 10,
        "mb" => 20,
        "gb" => 30,
        "tb" => 40,
        "b" => 0,
        // A ratio, as 0.9.
        "" => return digits.parse::<f64>().is_ok_and(|ratio| (total - free.min(total)) as f64 >= total as f64 * ratio),
        _ => return false,
    };
    digits.parse::<f64>().is_ok_and(|left| (free as f64) <= left * f64::from(2_u32).powi(power))
}

/// Whether a setting is bytes, as `100GB`, and not -1, which means none.
fn is_size(setting: &str) -> bool {
    let setting = setting.trim();
    setting.starts_with(|letter: char| letter.is_ascii_digit()) && setting.ends_with(['b', 'B'])
}

async fn get(connection: &Connection, path: &str) -> Option<Value> {
    let (status, body) = connection.ask(Method::GET, path, None).await.ok()?;
    status.is_success().then(|| serde_json::from_slice(&body).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{is_passed, is_size};

    #[test]
    fn watermarks() {
        let check =
            |mark: &str, free: u64, want: bool| assert_eq!(is_passed(mark, 100 << 30, free), want, "{mark} {free}");
        check("90%", 5 << 30, true);
        check("90%", 20 << 30, false);
        check("0.9", 5 << 30, true);
        check("20gb", 19 << 30, true);
        check("20GB", 21 << 30, false);
        check("500mb", 1 << 20, true);
        check("nonsense", 0, false);
        check("é", 0, false);
        check("95%", 200 << 30, false);
        assert!(is_size("100GB") && is_size("1b") && !is_size("-1") && !is_size("95%") && !is_size(""));
    }
}
