//! How near a backlog is to what its topic deletes: what is not done by then is lost.

use super::assigned::Position;
use super::source::Retention;
use kafka_client::TopicPartition;
use std::time::Duration;

/// From this part of the retention on a backlog is an alarm: there is as much time left as has passed.
const ALARM_SHARE: f64 = 0.5;

/// The part of the topic's retention that the backlog of a partition takes, in time or in bytes, whichever is more; 1 and
/// above: it is being deleted. 0 when the topic keeps everything.
pub(crate) fn share(position: &Position, retention: Retention, now_ms: i64) -> f64 {
    let by_time = retention.time.zip(position.oldest_ms).map(|(time, oldest_ms)| {
        let age_ms = now_ms.saturating_sub(oldest_ms).max(0);
        age_ms as f64 / (time.as_millis() as f64).max(1.0)
    });
    let by_bytes = retention.bytes.map(|bytes| position.lag_bytes as f64 / (bytes as f64).max(1.0));
    by_time.unwrap_or_default().max(by_bytes.unwrap_or_default())
}

/// The alarm about a partition, if its backlog takes so much of the retention.
pub(crate) fn alarm(name: &TopicPartition, share: f64, retention: Retention) -> Option<String> {
    if share < ALARM_SHARE {
        return None;
    }
    let time = retention.time.map(|time| format!("retention.ms {}", time.as_millis()));
    let bytes = retention.bytes.map(|bytes| format!("retention.bytes {bytes}"));
    let limits: Vec<String> = time.into_iter().chain(bytes).collect();
    Some(format!(
        "partition {} of topic {:?}: the backlog takes {:.0} % of what the topic keeps ({}); records that are deleted before \
         they are read are lost: add workers, let Elasticsearch take more, or raise the topic's retention",
        name.partition,
        name.topic,
        share * 100.0,
        limits.join(", ")
    ))
}

impl Retention {
    /// From the values of Kafka's `retention.ms` and `retention.bytes`, of which -1 is none.
    pub fn parse(time_ms: Option<&str>, bytes: Option<&str>) -> Self {
        let number = |text: Option<&str>| text?.parse().ok();
        Self { time: number(time_ms).map(Duration::from_millis), bytes: number(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn half_of_the_retention_is_an_alarm() {
        let name = TopicPartition { topic: "logs".into(), partition: 3 };
        let check = |time_ms: &str, bytes: &str, age_ms: Option<i64>, lag_bytes: u64, want: Option<&str>| {
            let retention = Retention::parse(Some(time_ms), Some(bytes));
            let position = Position {
                done: 0,
                committed: 0,
                high_watermark: 10,
                oldest_ms: age_ms.map(|age_ms| 100 * HOUR_MS - age_ms),
                paused: false,
                lag_bytes,
            };
            let alarm = alarm(&name, share(&position, retention, 100 * HOUR_MS), retention);
            assert_eq!(alarm.is_some(), want.is_some(), "{alarm:?}");
            if let Some(want) = want {
                assert!(alarm.as_deref().is_some_and(|text| text.contains(want)), "{alarm:?}: want {want}");
            }
        };
        check("3600000", "-1", Some(HOUR_MS / 2 - 1), 0, None);
        check("3600000", "-1", Some(HOUR_MS / 2), 0, Some("takes 50 % of what the topic keeps (retention.ms 3600000)"));
        check("3600000", "-1", Some(2 * HOUR_MS), 0, Some("200 %"));
        check("3600000", "-1", None, 1 << 40, None);
        // A clock that is ahead.
        check("3600000", "-1", Some(-HOUR_MS), 0, None);
        check("-1", "-1", Some(50 * HOUR_MS), 1 << 40, None);
        check("-1", "1000", Some(50 * HOUR_MS), 499, None);
        check("-1", "1000", Some(50 * HOUR_MS), 600, Some("60 % of what the topic keeps (retention.bytes 1000)"));
        check("3600000", "1000", Some(HOUR_MS / 4), 700, Some("70 %"));
        check("0", "0", Some(1), 1, Some("100 %"));
    }
}
