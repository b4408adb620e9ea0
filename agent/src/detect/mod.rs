//! Guesses from a file's first lines, and its name, what kind of lines it has: the `event.dataset` of its records.

mod application;
mod confidence;
mod json;
mod server;
mod shape;
mod system;
mod table;
#[cfg(test)]
mod tests;
mod web;

pub use confidence::confidence;
use std::path::Path;

/// Lines that are looked at: enough that a banner or a stray line does not decide.
const LINES_MAX: usize = 20;
/// Bytes of a line that are looked at, but for JSON, which must be whole.
const LINE_BYTES_MAX: usize = 4096;

pub const GENERIC: &str = "generic";

/// A kind of lines: its dataset and how one is recognised.
type Kind = (&'static str, fn(&[u8]) -> bool);

/// What is tried, in this order: forms that nothing else has come first, those that others contain last.
const KINDS: &[Kind] = &[
    ("nginx.error", web::is_nginx_error),
    ("apache.error", web::is_apache_error),
    ("haproxy", web::is_haproxy),
    ("cri", system::is_cri),
    ("dpkg", system::is_dpkg),
    ("postgresql", server::is_postgresql),
    ("mysql.error", server::is_mysql_error),
    ("redis", server::is_redis),
    ("elasticsearch", server::is_elasticsearch),
    ("kafka", server::is_kafka),
    ("java", application::is_java),
    ("python", application::is_python),
    ("syslog", system::is_syslog),
    ("logfmt", application::is_logfmt),
    ("go", application::is_go),
];

/// The dataset of a file that begins with `head`. A kind must fit more than half of the first lines, without those that go
/// on with a line before them, such as a stack trace.
pub fn dataset(path: &Path, head: &[u8]) -> &'static str {
    let whole: Vec<&[u8]> = lines_of(head).take(LINES_MAX).collect();
    if let Some(kind) = json_of(&whole) {
        return kind;
    }
    let lines: Vec<&[u8]> = whole.iter().copied().filter(|line| !application::continues(line)).map(cut).collect();
    let most = |fits: fn(&[u8]) -> bool| lines.iter().filter(|line| fits(line)).count() * 2 > lines.len();
    if most(web::is_access) {
        return access_of(path);
    }
    // Between the heads of slow queries stand statements of any number of lines.
    if lines.first().is_some_and(|line| server::is_mysql_slow(line)) || slow_behind_banner(&lines) {
        return "mysql.slow";
    }
    match KINDS.iter().find(|(_, fits)| most(*fits)) {
        Some(("syslog", _)) => syslog_of(path, most(system::is_auth)),
        Some((kind, _)) => kind,
        None if table::is_csv(&whole) => "csv",
        None => GENERIC,
    }
}

/// The lines of `head` that have something in them.
fn lines_of(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.is_empty())
}

fn cut(line: &[u8]) -> &[u8] {
    &line[..line.len().min(LINE_BYTES_MAX)]
}

/// Most lines are objects: the kind that most of them have, or `json` when they differ.
fn json_of(lines: &[&[u8]]) -> Option<&'static str> {
    let kinds: Vec<&str> = lines.iter().filter_map(|line| json::kind(line)).collect();
    if kinds.len() * 2 <= lines.len() {
        return None;
    }
    let of_most = |kind: &&&str| kinds.iter().filter(|other| other == kind).count() * 2 > kinds.len();
    Some(kinds.iter().find(of_most).copied().unwrap_or("json"))
}

/// The server's banner of three lines stands above its slow queries.
fn slow_behind_banner(lines: &[&[u8]]) -> bool {
    lines.iter().take(4).any(|line| line.starts_with(b"Time                 Id Command"))
        && lines.iter().any(|line| server::is_mysql_slow(line))
}

/// Both servers write the same formats; only the path tells them apart, and nginx writes the combined one by default.
fn access_of(path: &Path) -> &'static str {
    let path = path.to_string_lossy().to_ascii_lowercase();
    if path.contains("apache") || path.contains("httpd") || path.contains("other_vhosts") {
        "apache.access"
    } else {
        "nginx.access"
    }
}

/// `auth.log` of Debian and `secure` of Red Hat have cron's lines too, and what has everything may begin with lines of sshd.
fn syslog_of(path: &Path, most_is_auth: bool) -> &'static str {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let is_all = name.starts_with("syslog") || name.starts_with("messages");
    let is_auth = name.starts_with("auth.log") || name == "secure" || name.starts_with("secure-");
    if is_auth || (most_is_auth && !is_all) { "system.auth" } else { "syslog" }
}
