//! What one program writes at one moment, in the format of its log.

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// Who writes; each has a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The web server: combined access log.
    Web,
    /// The shop behind it: JSON with the names of ECS, with trace ids.
    Shop,
    /// The payment service behind that: Java's logback, with stack traces.
    Payment,
    /// The machine: syslog with ISO times.
    System,
}

impl Source {
    pub const ALL: [Self; 4] = [Self::Web, Self::Shop, Self::Payment, Self::System];

    pub fn file_name(self) -> &'static str {
        match self {
            Self::Web => "access.log",
            Self::Shop => "shop.log",
            Self::Payment => "payment.log",
            Self::System => "syslog.log",
        }
    }

    /// The format, for a person.
    pub fn format(self) -> &'static str {
        match self {
            Self::Web => "combined access log",
            Self::Shop => "JSON lines with trace ids",
            Self::Payment => "Java with stack traces",
            Self::System => "syslog",
        }
    }
}

/// One entry of a log: a line, or a line with a stack trace below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub source: Source,
    pub at: Timestamp,
    /// Without the newline at its end.
    pub text: String,
}

impl Entry {
    pub fn lines(&self) -> u64 {
        1 + self.text.matches('\n').count() as u64
    }
}

/// A request as the web server and the shop log it.
pub struct Request<'a> {
    pub at: Timestamp,
    pub client: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub status: u16,
    pub bytes: u64,
    pub millis: u64,
    pub agent: &'a str,
    pub trace: &'a str,
}

pub fn web(request: &Request) -> Entry {
    let Request { client, method, path, status, bytes, agent, .. } = request;
    let at = time("%d/%b/%Y:%H:%M:%S +0000", request.at);
    let text = format!(
        "{client} - - [{at}] \"{method} {path} HTTP/1.1\" {status} {bytes} \"https://shop.example/\" \"{agent}\""
    );
    Entry { source: Source::Web, at: request.at, text }
}

pub fn shop(request: &Request, level: &str, message: &str) -> Entry {
    let text = serde_json::json!({
        "@timestamp": time("%Y-%m-%dT%H:%M:%S%.3fZ", request.at),
        "log.level": level,
        "message": message,
        "ecs.version": "8.11.0",
        "service.name": "shop",
        "trace.id": request.trace,
        "http.request.method": request.method,
        "http.response.status_code": request.status,
        "url.path": request.path.split('?').next(),
        "event.duration": request.millis * 1_000_000,
    });
    Entry { source: Source::Shop, at: request.at, text: text.to_string() }
}

pub fn payment(at: Timestamp, thread: u8, level: &str, class: &str, message: &str, trace: &str) -> Entry {
    let time = time("%Y-%m-%d %H:%M:%S%.3f", at);
    let text = format!(
        "{time} [http-nio-8080-exec-{thread}] {level:5} com.example.payment.{class} - {message}{trace}",
        trace = if trace.is_empty() { String::new() } else { format!("\n{trace}") },
    );
    Entry { source: Source::Payment, at, text }
}

pub fn system(at: Timestamp, program: &str, message: &str) -> Entry {
    let time = time("%Y-%m-%dT%H:%M:%S%.6f+00:00", at);
    Entry { source: Source::System, at, text: format!("{time} web1 {program}: {message}") }
}

/// In UTC, which is what a pipeline takes a time for that has no zone.
fn time(format: &str, at: Timestamp) -> String {
    strtime::format(format, &at.to_zoned(TimeZone::UTC)).expect("the formats are sound")
}
