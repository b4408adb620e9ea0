//! Tests of formats: what they read, what they refuse, and years that are missing.

use super::*;
use crate::pipeline::MissingYear;

/// 2026-03-01T00:30:00Z.
const REFERENCE_MS: i64 = 1_772_325_000_000;

fn read_at(format: &str, text: &str, zone_name: &str, context: &Context) -> Option<String> {
    let formats = Format::parse(format).unwrap_or_else(|error| panic!("{error}"));
    let zone = zone(zone_name).unwrap_or_else(|| panic!("no zone {zone_name}"));
    let moment = formats.iter().find_map(|format| format.read(text, &zone, context))?;
    Some(OutputFormat::parse(OUTPUT_FORMAT).unwrap().write(moment, &zone).into())
}

fn reference() -> Context {
    let time = Timestamp::from_millisecond(REFERENCE_MS).unwrap();
    Context { reference: time, now: time, year: MissingYear::Nearest }
}

fn check(format: &str, text: &str, expect: &str) {
    assert_eq!(read_at(format, text, "UTC", &reference()).as_deref(), Some(expect), "{format} on {text:?}");
}

fn check_zone(format: &str, text: &str, zone: &str, expect: &str) {
    assert_eq!(read_at(format, text, zone, &reference()).as_deref(), Some(expect), "{format} on {text:?}");
}

fn check_not_read(format: &str, text: &str) {
    assert_eq!(read_at(format, text, "UTC", &reference()), None, "{format} on {text:?}");
}

fn check_refused(format: &str, expect: &str) {
    assert_eq!(Format::parse(format).unwrap_err().to_string(), expect);
}

#[test]
fn iso8601_may_end_early() {
    check("ISO8601", "2023", "2023-01-01T00:00:00.000Z");
    check("ISO8601", "2023-02", "2023-02-01T00:00:00.000Z");
    check("ISO8601", "2023-02-03", "2023-02-03T00:00:00.000Z");
    check("ISO8601", "2023-02-03T04", "2023-02-03T04:00:00.000Z");
    check("ISO8601", "2023-02-03T04:05Z", "2023-02-03T04:05:00.000Z");
    check("ISO8601", "2023-02-03T04:05:06,7+02:00", "2023-02-03T02:05:06.700Z");
    check("ISO8601", "2023-02-03T04:05:06.123456789-0130", "2023-02-03T05:35:06.123Z");
    check_zone("ISO8601", "2023-07-03T04:05:06", "Europe/Berlin", "2023-07-03T04:05:06.000+02:00");
    check_zone("ISO8601", "2023-07-03T04:05:06Z", "Europe/Berlin", "2023-07-03T06:05:06.000+02:00");
    for text in [
        "",
        "23",
        "2023-1-1",
        "2023-02-30",
        "2023-02-03 04:05",
        "2023-02-03T25",
        "2023-02T04",
        "2023-02-03T04:05:06.",
        "2023-02-03x",
    ] {
        check_not_read("ISO8601", text);
    }
}

#[test]
fn counts_since_1970_are_times() {
    check("UNIX", "1458256482", "2016-03-17T23:14:42.000Z");
    check("UNIX", "1458256482.125", "2016-03-17T23:14:42.125Z");
    check("UNIX", "1.458256482E9", "2016-03-17T23:14:42.000Z");
    check("UNIX_MS", "1458256482125", "2016-03-17T23:14:42.125Z");
    check("UNIX_MS", "-1", "1969-12-31T23:59:59.999Z");
    check("TAI64N", "4000000050d506482dbdf024", "2012-12-22T01:00:46.767Z");
    check("TAI64N", "@4000000050d506482dbdf024", "2012-12-22T01:00:46.767Z");
    for text in ["", "x", "1e300", "NaN"] {
        check_not_read("UNIX", text);
    }
    check_not_read("UNIX_MS", "9223372036854775807");
    check_not_read("TAI64N", "40000000");
}

#[test]
fn java_patterns_are_read() {
    check("dd/MMM/yyyy:HH:mm:ss Z", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36.000Z");
    check("yyyy-MM-dd HH:mm:ss,SSS", "2024-02-29 23:59:59,999", "2024-02-29T23:59:59.999Z");
    check("yyyyMMddHHmmss", "20240229235959", "2024-02-29T23:59:59.000Z");
    check("EEE MMM dd HH:mm:ss yyyy", "Tue Mar 05 01:02:03 2024", "2024-03-05T01:02:03.000Z");
    check("EEEE, d MMMM yy h:mm a", "Tuesday, 5 March 24 12:07 PM", "2024-03-05T12:07:00.000Z");
    check("yyyy-MM-dd'T'HH:mm:ss[.SSS]XXX", "2024-03-05T01:02:03+01:00", "2024-03-05T00:02:03.000Z");
    check(
        "yyyy-MM-dd'T'HH:mm:ss[.SSS]XXX",
        "2024-03-05T01:02:03.5Z".replace(".5", ".500").as_str(),
        "2024-03-05T01:02:03.500Z",
    );
    check("yyyy-MM-dd HH:mm:ss z", "2024-07-05 01:02:03 EST", "2024-07-05T05:02:03.000Z");
    check("yyyy-MM-dd HH:mm:ss VV", "2024-07-05 01:02:03 Europe/Berlin", "2024-07-04T23:02:03.000Z");
    check("yyyy-DDD", "2024-366", "2024-12-31T00:00:00.000Z");
    check("yyyy||yyyy-MM", "2024-03", "2024-03-01T00:00:00.000Z");
    check("8yyyy", "2024", "2024-01-01T00:00:00.000Z");
    check("H 'o''clock' yyyy", "7 o'clock 2024", "2024-01-01T07:00:00.000Z");
    check_not_read("dd/MM/yyyy", "1/02/2024");
    check_not_read("dd/MM/yyyy", "30/02/2024");
    check_not_read("yyyy-DDD", "2023-366");
    check_not_read("HH:mm yyyy", "24:00 2024");
    check_not_read("hh:mm yyyy", "01:00 2024");
    check_not_read("MMM yyyy", "mar 2024");
    check_not_read("yyyy", "2024 ");
}

#[test]
fn patterns_that_java_does_not_know_are_refused() {
    check_refused("yyyyTHH", "unknown pattern letter 'T' in \"yyyyTHH\"");
    check_refused("ddd", "pattern letter 'd' cannot stand 3 times in \"ddd\"");
    check_refused("yyyy 'x", "pattern \"yyyy 'x\" has an unclosed quote");
    check_refused("yyyy]", "pattern \"yyyy]\" has a closing bracket without an opening one");
    check_refused("yyyy#", "pattern \"yyyy#\" has a reserved character '#'");
}

#[test]
fn a_missing_year_is_the_nearest() {
    check("MMM d HH:mm:ss", "Feb 28 23:00:00", "2026-02-28T23:00:00.000Z");
    check("MMM  d HH:mm:ss", "Mar  1 01:00:00", "2026-03-01T01:00:00.000Z");
    check("MMM dd HH:mm:ss", "Dec 31 23:59:59", "2025-12-31T23:59:59.000Z");
    check("MMM d HH:mm:ss", "Aug 30 00:00:00", "2026-08-30T00:00:00.000Z");
    check("MMM d HH:mm:ss", "Feb 29 12:00:00", "2024-02-29T12:00:00.000Z");
    check_not_read("MMM d HH:mm:ss", "Feb 30 12:00:00");
    let current = Context { year: MissingYear::Current, ..reference() };
    let read = |text| read_at("MMM d HH:mm:ss", text, "UTC", &current);
    assert_eq!(read("Dec 31 23:59:59").as_deref(), Some("2026-12-31T23:59:59.000Z"));
    assert_eq!(read("Feb 29 12:00:00").as_deref(), Some("2026-02-28T12:00:00.000Z"));
}

#[test]
fn clocks_that_change_have_java_s_answer() {
    let format = "yyyy-MM-dd HH:mm";
    check_zone(format, "2024-03-31 02:30", "Europe/Berlin", "2024-03-31T03:30:00.000+02:00");
    check_zone(format, "2024-10-27 02:30", "Europe/Berlin", "2024-10-27T02:30:00.000+02:00");
    check_zone(format, "2024-10-27 02:30", "+05:30", "2024-10-27T02:30:00.000+05:30");
    check_zone(format, "2024-10-27 02:30", "GMT-3", "2024-10-27T02:30:00.000-03:00");
}

/// A zone with a name is for the calendar, a distance is for arithmetic.
#[test]
fn a_missing_year_is_the_same_by_arithmetic_and_by_the_calendar() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut told = 0;
    for _ in 0..5000 {
        let mut fields = fields::Fields {
            month: Some(random.i64(1..=12)),
            day: Some(random.i64(1..=31)),
            hour: Some(random.i64(0..24)),
            minute: Some(random.i64(0..60)),
            second: Some(random.i64(0..60)),
            nanosecond: random.bool().then(|| random.i64(0..1_000_000_000)),
            ..fields::Fields::default()
        };
        // From 1640 to 2300.
        let context = Context::at(random.i64(-10_000_000_000_000..10_000_000_000_000), Timestamp::UNIX_EPOCH);
        let by_arithmetic = fields.resolve(&TimeZone::UTC, &context);
        fields.zone = Some(fields::Zone::Named(TimeZone::UTC));
        assert_eq!(by_arithmetic, fields.resolve(&TimeZone::UTC, &context), "{fields:?} {context:?}");
        told += usize::from(by_arithmetic.is_some());
    }
    assert!((4500..5000).contains(&told), "{told} are times");
}
