//! Access-log lines with a stream and a sequence number in them, so that a line found anywhere says which one it is.

use super::random::Random;
use std::fmt::Write;

/// Lines of one writer, each a pure function of its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stream {
    pub number: u32,
    pub seed: u64,
    /// Seconds since 1970 of the first line; every later one is a hundredth of a second after the one before it.
    pub start: i64,
}

const METHODS: [&str; 4] = ["GET", "GET", "GET", "POST"];
const STATUSES: [u16; 6] = [200, 200, 200, 304, 404, 500];
const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "curl/8.16.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
];
/// Longest addition to a path: lines differ in length, so that no boundary falls on the same place in every block.
const PATH_BYTES_MAX: u64 = 120;

impl Stream {
    /// A stream whose events are of now, as indices by event time want them.
    pub fn new(number: u32, seed: u64) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("the clock is after 1970");
        let start = i64::try_from(now.as_secs()).expect("seconds fit for aeons");
        Self { number, seed, start }
    }

    /// Line `sequence`, without its newline: the combined format of nginx and Apache.
    pub fn line(&self, sequence: u64) -> String {
        let mut random = Random::new(self.seed ^ (u64::from(self.number) << 40) ^ sequence);
        let mut pick = |count: usize| usize::try_from(random.of(0..count as u64)).expect("smaller than count");
        let (method, status, agent) = (METHODS[pick(4)], STATUSES[pick(6)], AGENTS[pick(3)]);
        let (client, bytes) = (pick(250), pick(100_000));
        let path: String =
            (0..random.of(0..PATH_BYTES_MAX)).map(|_| char::from(b'a' + (random.next() % 26) as u8)).collect();
        let mut line = String::with_capacity(320);
        write!(
            line,
            "192.0.2.{client} - - [{}] \"{method} /stream/{}/line/{sequence}?q={path} HTTP/1.1\" {status} {bytes} \
             \"https://shop.example/\" \"{agent}\"",
            clf_time(self.start + i64::try_from(sequence / 100).expect("a test writes few lines")),
            self.number,
        )
        .expect("a string takes everything");
        line
    }
}

/// Seconds since 1970 as the common log format writes them, in UTC.
fn clf_time(seconds: i64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant, chrono-compatible low-level date algorithms: civil_from_days.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12;
    let year = year_of_era + era * 400 + i64::from(month < 2);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    let month = MONTHS[usize::try_from(month).expect("below twelve")];
    format!("{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000")
}

/// The tests of the yardstick itself.
pub fn clf_times_are_right() -> anyhow::Result<()> {
    let check = |seconds: i64, expect: &str| assert_eq!(clf_time(seconds), expect);
    check(0, "01/Jan/1970:00:00:00 +0000");
    check(951_782_400, "29/Feb/2000:00:00:00 +0000");
    check(1_763_856_005, "23/Nov/2025:00:00:05 +0000");
    check(1_767_225_599, "31/Dec/2025:23:59:59 +0000");
    Ok(())
}
