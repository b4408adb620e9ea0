//! Which dead letters are meant.

use super::letter::Letter;
use crate::cli::DeadFilter;
use crate::failure::Failure;
use jiff::{SignedDuration, Timestamp};

/// What letters have to have in common.
#[derive(Debug, Default)]
pub struct Filter {
    kind: Option<String>,
    status: Option<u16>,
    reason: Option<String>,
    index: Option<String>,
    since_ms: Option<i64>,
    until_ms: Option<i64>,
    pub limit: Option<u64>,
    /// Also those that are resolved.
    pub all: bool,
}

impl Filter {
    pub fn new(written: DeadFilter, limit: Option<u64>, all: bool) -> Result<Self, Failure> {
        let DeadFilter { r#type, status, reason, index, since, until } = written;
        let now = Timestamp::now();
        let since_ms = since.map(|text| moment(&text, now)).transpose()?;
        let until_ms = until.map(|text| moment(&text, now)).transpose()?;
        Ok(Self { kind: r#type, status, reason, index, since_ms, until_ms, limit, all })
    }

    /// Every letter is meant.
    pub fn is_empty(&self) -> bool {
        let Self { kind, status, reason, index, since_ms, until_ms, .. } = self;
        let texts = [kind, reason, index].iter().all(|text| text.is_none());
        texts && status.is_none() && since_ms.is_none() && until_ms.is_none()
    }

    pub fn matches(&self, letter: &Letter) -> bool {
        let has =
            |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|wanted| text.contains(wanted.as_str()));
        self.kind.as_ref().is_none_or(|kind| *kind == letter.kind)
            && self.status.is_none_or(|status| status == letter.status)
            && has(&self.reason, &letter.reason)
            && has(&self.index, &letter.index)
            && self.since_ms.is_none_or(|since| letter.rejected_ms >= since)
            && self.until_ms.is_none_or(|until| letter.rejected_ms < until)
    }
}

/// A time of RFC 3339, or one that lies so long back: `90m`, `2h`, `3 days`.
fn moment(text: &str, now: Timestamp) -> Result<i64, Failure> {
    let earlier = |ago: SignedDuration| now.checked_sub(ago.abs()).ok();
    let ago = text.parse::<SignedDuration>().ok().and_then(earlier);
    let ago = ago.or_else(|| days(text).and_then(earlier));
    let moment = text.parse::<Timestamp>().ok().or(ago);
    moment.map(Timestamp::as_millisecond).ok_or_else(|| {
        Failure::new(
            format!("{text:?} is no time"),
            "for example 2026-11-28T07:00:00Z, or 90m, 2h or 3d for so long ago",
        )
    })
}

/// Days are no part of jiff's exact durations.
fn days(text: &str) -> Option<SignedDuration> {
    let number = text.trim_end_matches(|c: char| c.is_alphabetic() || c == ' ');
    let unit = text[number.len()..].trim();
    let days: i64 = number.parse().ok()?;
    ["d", "day", "days"].contains(&unit).then(|| SignedDuration::from_hours(days.saturating_mul(24)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_times_ago() {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().expect("a time");
        let check = |text: &str, want: Option<&str>| {
            let want = want.map(|want| want.parse::<Timestamp>().expect("a time").as_millisecond());
            assert_eq!(moment(text, now).ok(), want, "{text:?}");
        };
        check("2h", Some("2026-11-28T10:00:00Z"));
        check("90m", Some("2026-11-28T10:30:00Z"));
        check("3d", Some("2026-11-25T12:00:00Z"));
        check("1 day", Some("2026-11-27T12:00:00Z"));
        check("2026-11-01T00:00:00Z", Some("2026-11-01T00:00:00Z"));
        check("yesterday", None);
        check("", None);
    }
}
