//! The command lines of `sluice search` and `sluice tail`.

use clap::Args;
use jiff::SignedDuration;
use std::str::FromStr;

/// Documents that are shown when nothing else is said: some screens.
const LIMIT_DEFAULT: u16 = 100;
/// The servers' own limit of one answer (`index.max_result_window`).
const LIMIT_MAX: i64 = 10_000;

#[derive(Debug, Args)]
pub struct SearchArgs {
    /// What documents must have, in Lucene's syntax, such as 'status:>=500 AND host.name:web*'; everything without it. Where documents
    /// have no such fields, file, host, ip, level, method, path, service and status stand for those of ECS.
    #[arg(value_name = "QUERY")]
    pub query: Option<String>,

    /// Only documents of so long a time up to now: 90s, 15m, 1h, 3d.
    #[arg(long, value_name = "TIME")]
    pub last: Option<Ago>,

    /// At most so many, the newest ones.
    #[arg(long, value_name = "N", default_value_t = LIMIT_DEFAULT, value_parser = clap::value_parser!(u16).range(1..=LIMIT_MAX))]
    pub limit: u16,

    /// The documents as NDJSON instead of short lines; of a histogram, its bars.
    #[arg(long)]
    pub json: bool,

    /// How many documents there are over the time, instead of the documents.
    #[arg(long)]
    pub histogram: bool,

    #[command(flatten)]
    pub place: PlaceArgs,
}

#[derive(Debug, Args)]
pub struct TailArgs {
    /// What documents must have, in Lucene's syntax, such as 'level:error'; everything without it.
    #[arg(value_name = "QUERY")]
    pub query: Option<String>,

    /// The documents as NDJSON instead of short lines.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Where documents are looked for.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// Elasticsearch or OpenSearch [default: worker.elasticsearch of the config file, or http://127.0.0.1:9200].
    #[arg(long, value_name = "URL")]
    pub elasticsearch: Vec<String>,

    /// Index or pattern; may be a list with commas [default: what the worker writes, sluice-*].
    #[arg(long, value_name = "NAME")]
    pub index: Option<String>,
}

/// How long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ago(pub SignedDuration);

impl FromStr for Ago {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        /// A hundred years: more cannot be taken from a time of today.
        const SECONDS_MAX: i64 = 100 * 366 * 86_400;
        let read = || {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let (number, unit) = text.split_at(digits);
            let seconds = match unit {
                "s" => 1,
                "m" | "min" => 60,
                "h" => 3600,
                "d" => 86_400,
                "w" => 7 * 86_400,
                _ => return None,
            };
            let whole = number.parse::<i64>().ok()?.checked_mul(seconds)?;
            (1..=SECONDS_MAX).contains(&whole).then(|| Self(SignedDuration::from_secs(whole)))
        };
        read().ok_or_else(|| format!("got {text:?}; want a number and s, m, h, d or w, such as 90s, 15m, 1h, 3d"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_lie_back() {
        let check = |text: &str, want: Option<i64>| {
            assert_eq!(text.parse::<Ago>().ok().map(|ago| ago.0.as_secs()), want, "{text:?}");
        };
        check("90s", Some(90));
        check("15m", Some(900));
        check("1h", Some(3600));
        check("3d", Some(259_200));
        for wrong in ["", "h", "1", "0h", "-1h", "1 h", "1y", "99999999999999999999d", "1000000w", "é"] {
            check(wrong, None);
        }
    }
}
