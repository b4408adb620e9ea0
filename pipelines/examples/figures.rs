//! CPU seconds for each GiB of log lines: our pipelines on one core, and beside them crates that people would take.
//!
//!     cargo run --release -p pipelines --example figures -- [--mib 64] [--rounds 5] [--alone] [NAME..]
//!
//! `--alone` leaves out the crates, so that a profile shows ours.
//!
//! Prints a JSON object a line for each program and kind of line; `bench/run --only pipelines` makes a table of them.

#[path = "../tests/geoip/mmdb.rs"]
mod mmdb;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;

use pipelines::pipeline::{Pipeline, Settings};
use rustix::time::{ClockId, clock_gettime};

const MIB: usize = 1 << 20;

const ACCESS: &str = r#"
processors:
  - grok: {field: message, patterns: ['%{COMBINEDAPACHELOG}']}
  - date: {field: timestamp, formats: ['dd/MMM/yyyy:HH:mm:ss Z']}
  - convert: {field: response, type: long}
  - convert: {field: bytes, type: long}
  - remove: {field: timestamp}
"#;
const SYSLOG: &str = r#"
processors:
  - grok: {field: message, patterns: ['%{SYSLOGBASE} %{GREEDYDATA:text}']}
  - date: {field: timestamp, formats: ['MMM d HH:mm:ss', 'MMM  d HH:mm:ss']}
  - remove: {field: timestamp}
"#;
const JSON: &str = r#"
processors:
  - json: {field: message, target_field: json}
  - remove: {field: message}
"#;
const KV: &str = r#"
processors:
  - kv: {field: message, field_split: ' ', value_split: '='}
"#;

/// Lines of one kind, and what runs over them.
struct Kind {
    name: &'static str,
    line: fn(&mut fastrand::Rng) -> String,
    pipeline: &'static str,
}

/// The ready-made pipeline that needs databases, and those that call each other by their names.
const NGINX_GEOIP: &str = "nginx-access-geoip";

const KINDS: &[Kind] = &[
    Kind { name: "access", line: access_line, pipeline: ACCESS },
    Kind { name: "syslog", line: syslog_line, pipeline: SYSLOG },
    Kind { name: "json", line: json_line, pipeline: JSON },
    Kind { name: "kv", line: firewall_line, pipeline: KV },
    Kind { name: "nginx", line: access_line, pipeline: include_str!("../library/nginx-access.yml") },
    Kind { name: NGINX_GEOIP, line: access_line, pipeline: "" },
];

fn main() {
    let (mut mib, mut rounds, mut alone, mut names) = (32, 5, false, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|text| text.parse().ok()).expect("a number follows");
        match arg.as_str() {
            "--mib" => mib = number(),
            "--rounds" => rounds = number(),
            "--alone" => alone = true,
            _ => names.push(arg),
        }
    }
    let databases = tempfile::tempdir().expect("a temporary folder");
    write_databases(databases.path());
    let settings = Settings { geoip_folder: databases.path().to_owned(), ..Settings::default() };
    for kind in KINDS.iter().filter(|kind| names.is_empty() || names.iter().any(|name| name == kind.name)) {
        let lines = generate(kind.line, mib * MIB);
        let pipeline = match kind.name {
            NGINX_GEOIP => Pipeline::load_with(kind.name, &settings),
            _ => Pipeline::parse(kind.name, kind.pipeline),
        };
        match pipeline {
            Ok(pipeline) => measure(kind.name, "sluice", &lines, rounds, |lines| ours(&pipeline, lines)),
            Err(error) => eprintln!("{}: {error}", kind.name),
        }
        if kind.name == "access" && !alone {
            beside(&lines, rounds.min(3));
        }
    }
}

/// A city and a network for each /16 of IPv4, out of 500 each.
fn write_databases(folder: &Path) {
    let addresses: Vec<String> = (0..=u16::MAX).map(|high| format!("{}.{}.0.0", high >> 8, high & 255)).collect();
    let networks: Vec<(&str, u8, usize)> =
        addresses.iter().enumerate().map(|(number, address)| (address.as_str(), 16, number % 500)).collect();
    let city = |number: usize| {
        serde_json::json!({
            "city": {"names": {"de": format!("Stadt {number}"), "en": format!("City {number}"), "fr": format!("Ville {number}")}},
            "continent": {"code": "EU", "names": {"de": "Europa", "en": "Europe"}},
            "country": {"iso_code": "DE", "names": {"de": "Deutschland", "en": "Germany"}},
            "location": {"accuracy_radius": 10, "latitude": 52.5, "longitude": 13.4, "time_zone": "Europe/Berlin"},
            "subdivisions": [{"iso_code": "BE", "names": {"en": "Land Berlin"}}],
        })
    };
    let network = |number: usize| {
        serde_json::json!({
            "autonomous_system_number": 64_500 + number, "autonomous_system_organization": format!("Network {number}"),
        })
    };
    let (cities, systems): (Vec<_>, Vec<_>) = (0..500).map(|number| (city(number), network(number))).unzip();
    for (name, values) in [("GeoLite2-City", cities), ("GeoLite2-ASN", systems)] {
        let path = folder.join(format!("{name}.mmdb"));
        std::fs::write(path, mmdb::database(name, &networks, &values)).expect("a file in a temporary folder");
    }
}

/// The crates, over an eighth of the lines.
fn beside(lines: &[u8], rounds: usize) {
    let part = &lines[..lines.len() / 8];
    let part = &part[..part.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)];
    let grok = grok::Grok::with_default_patterns();
    let grok = grok.compile("%{COMBINEDAPACHELOG}", true).expect("it is a pattern of the crate");
    measure("access", "grok + fancy-regex + serde_json", part, rounds, |lines| with_grok(&grok, lines));
    let regex = regex::Regex::new(ACCESS_REGEX).expect("the expression is right");
    measure("access", "regex + serde_json", part, rounds, |lines| with_regex(&regex, lines));
}

/// Runs something over lines, a round to warm up first, and prints the CPU seconds of each round.
fn measure(kind: &str, program: &str, lines: &[u8], rounds: usize, mut run: impl FnMut(&[u8]) -> usize) {
    let mut seconds = Vec::new();
    let mut written = 0;
    for round in 0..=rounds {
        let start = cpu_seconds();
        written = run(black_box(lines));
        if round > 0 {
            seconds.push(cpu_seconds() - start);
        }
    }
    let gib = lines.len() as f64 / (1 << 30) as f64;
    let count = lines.iter().filter(|byte| **byte == b'\n').count();
    let figures = serde_json::json!({
        "kind": kind, "program": program, "line_bytes": lines.len() / count,
        "written_per_byte": written as f64 / lines.len() as f64,
        "seconds_per_gib": seconds.iter().map(|seconds| seconds / gib).collect::<Vec<_>>(),
        "ns_per_line": seconds.iter().map(|seconds| seconds * 1e9 / count as f64).collect::<Vec<_>>(),
    });
    println!("{figures}");
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn ours(pipeline: &Pipeline, lines: &[u8]) -> usize {
    let mut out = Counted(0);
    let now = "2025-11-23T12:00:00Z".parse().expect("a time");
    let run = pipelines::run_lines(pipeline, now, lines, &mut out).expect("memory takes everything");
    assert_eq!(run.failed, 0, "every line is of the pipeline's form");
    out.0
}

/// Takes what is written, and keeps its length.
struct Counted(usize);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += black_box(bytes).len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const ACCESS_REGEX: &str = concat!(
    r#"^(?<clientip>\S+) (?<ident>\S+) (?<auth>\S+) \[(?<timestamp>[^\]]+)\] "(?:(?<verb>[A-Z]+) (?<request>\S+)"#,
    r#"(?: HTTP/(?<httpversion>[0-9.]+))?|(?<rawrequest>[^\n]*?))" (?<response>[0-9]+) (?:(?<bytes>[0-9]+)|-)"#,
    r#" (?<referrer>"[^"\n]*") (?<agent>"[^"\n]*")"#,
);

fn with_grok(grok: &grok::Pattern, lines: &[u8]) -> usize {
    each(lines, |line| {
        let found = grok.match_against(line)?;
        let fields: BTreeMap<String, serde_json::Value> = found
            .iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| (name.to_owned(), text.into()))
            .collect();
        finish(line, fields)
    })
}

fn with_regex(regex: &regex::Regex, lines: &[u8]) -> usize {
    let names: Vec<&str> = regex.capture_names().flatten().collect();
    each(lines, |line| {
        let found = regex.captures(line)?;
        let text = |name: &&str| Some((name.to_string(), found.name(name)?.as_str().into()));
        finish(line, names.iter().filter_map(text).collect())
    })
}

/// What the pipeline does behind its grok processor.
fn finish(line: &str, mut fields: BTreeMap<String, serde_json::Value>) -> Option<Vec<u8>> {
    let time = fields.remove("timestamp")?;
    let time = jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", time.as_str()?).ok()?.to_timestamp().ok()?;
    fields.insert("@timestamp".to_owned(), format!("{time:.3}").into());
    for number in ["response", "bytes"] {
        if let Some(field) = fields.get_mut(number) {
            *field = field.as_str()?.parse::<i64>().ok()?.into();
        }
    }
    fields.insert("message".to_owned(), line.into());
    serde_json::to_vec(&fields).ok()
}

fn each(lines: &[u8], run: impl Fn(&str) -> Option<Vec<u8>>) -> usize {
    let mut written = 0;
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line = std::str::from_utf8(line).expect("the lines are text");
        written += black_box(run(line).expect("every line is of that form")).len() + 1;
    }
    written
}

fn generate(line: fn(&mut fastrand::Rng) -> String, bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut lines = Vec::with_capacity(bytes);
    while lines.len() < bytes {
        lines.extend_from_slice(line(&mut random).as_bytes());
        lines.push(b'\n');
    }
    lines
}

fn one<'a>(random: &mut fastrand::Rng, of: &[&'a str]) -> &'a str {
    of[random.usize(..of.len())]
}

/// The lines of `bench/run`.
fn access_line(random: &mut fastrand::Rng) -> String {
    format!(
        "{}.{}.{}.{} - - [23/Nov/2025:{:02}:{:02}:{:02} +0000] \"{} /shop/{}/{}?session={:016x} HTTP/1.1\" {} {} \
         \"https://shop.example/\" \"Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox/140.0\"",
        random.u8(1..),
        random.u8(..),
        random.u8(..),
        random.u8(1..),
        random.u8(..24),
        random.u8(..60),
        random.u8(..60),
        one(random, &["GET", "GET", "GET", "POST"]),
        one(random, &["item", "cart", "search", "img"]),
        random.u32(..1_000_000),
        random.u64(..),
        one(random, &["200", "200", "200", "304", "404", "500"]),
        random.u32(..50_000),
        random.u8(100..144),
    )
}

fn syslog_line(random: &mut fastrand::Rng) -> String {
    format!(
        "Nov {:2} {:02}:{:02}:{:02} web{} sshd[{}]: Accepted publickey for deploy from 10.{}.{}.{} port {} ssh2",
        random.u8(1..29),
        random.u8(..24),
        random.u8(..60),
        random.u8(..60),
        random.u8(1..9),
        random.u16(1..),
        random.u8(..),
        random.u8(..),
        random.u8(1..),
        random.u16(1024..),
    )
}

/// An object of 40 fields and 4 KiB.
fn json_line(random: &mut fastrand::Rng) -> String {
    let mut line = String::from("{");
    for field in 0..40 {
        if field > 0 {
            line.push(',');
        }
        let value = match field % 5 {
            0 => random.u32(..).to_string(),
            1 => format!("{:.3}", random.f64() * 1000.0),
            2 => one(random, &["true", "false", "null"]).to_owned(),
            _ => {
                format!("\"{}\"", format!("{:016x} is what the service \\\"said\\\" here. ", random.u64(..)).repeat(4))
            }
        };
        line.push_str(&format!("\"field_{field}_name\":{value}"));
    }
    line.push('}');
    line
}

fn firewall_line(random: &mut fastrand::Rng) -> String {
    format!(
        "date=2025-11-23 time={:02}:{:02}:{:02} devname=fw{} devid=FG100D3G{} logid=0000000013 type=traffic \
         subtype=forward level=notice vd=root srcip=10.{}.{}.{} srcport={} srcintf=port{} dstip=192.0.2.{} dstport={} \
         dstintf=wan1 policyid={} sessionid={} proto=6 action={} service=HTTPS duration={} sentbyte={} rcvdbyte={}",
        random.u8(..24),
        random.u8(..60),
        random.u8(..60),
        random.u8(1..9),
        random.u32(..),
        random.u8(..),
        random.u8(..),
        random.u8(1..),
        random.u16(1024..),
        random.u8(1..9),
        random.u8(1..),
        one(random, &["443", "80", "53"]),
        random.u8(..),
        random.u32(..),
        one(random, &["accept", "deny", "close"]),
        random.u16(..),
        random.u32(..),
        random.u32(..),
    )
}
