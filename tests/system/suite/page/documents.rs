//! Documents as our pipelines make them, of a quarter of an hour with a storm of errors in it.

use crate::harness::scene::Scene;
use crate::harness::{http, sluice};
use anyhow::ensure;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Documents of the calm time, 440 ms apart.
const CALM: usize = 2_000;
const STEP_MS: i64 = 440;
/// The storm: so many more, 50 ms apart, from here on.
const STORM: usize = 700;
const STORM_STEP_MS: i64 = 70;
const STORM_AT_MS: i64 = 520_000;
/// For `sluice setup`.
const SET_UP: Duration = Duration::from_secs(60);

pub struct Documents {
    /// The first part of the names of their indices.
    pub index: String,
    /// Of the first document, in milliseconds since 1970.
    pub first_ms: i64,
    pub last_ms: i64,
    pub all: Vec<Value>,
}

pub fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    i64::try_from(since.as_millis()).expect("it is earlier than the year 292 million")
}

/// `2026-11-28T13:45:01.250Z`.
pub fn iso(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|at| format!("{at:.3}")).unwrap_or_default()
}

impl Documents {
    pub fn new(index: String) -> Self {
        let last_ms = now_ms() - 1_000;
        let first_ms = last_ms - (CALM as i64 - 1) * STEP_MS;
        let calm = (0..CALM).map(|number| (first_ms + number as i64 * STEP_MS, number, false));
        let storm = (0..STORM).map(|number| (first_ms + STORM_AT_MS + number as i64 * STORM_STEP_MS + 7, number, true));
        let mut planned: Vec<(i64, usize, bool)> = calm.chain(storm).collect();
        planned.sort_unstable();
        let mut positions = HashMap::new();
        let all =
            planned.into_iter().map(|(ms, number, in_storm)| document(ms, number, in_storm, &mut positions)).collect();
        Self { index, first_ms, last_ms, all }
    }

    /// How many of them `fits` takes.
    pub fn count(&self, fits: impl Fn(&Value) -> bool) -> u64 {
        self.all.iter().filter(|document| fits(document)).count() as u64
    }

    /// The template of `sluice setup`, and all documents.
    pub fn set_up(&self, scene: &Scene, server: &str) -> anyhow::Result<()> {
        let index = format!("{}-<dataset>-<yyyy.MM>", self.index);
        let process = scene.start("setup", sluice::command(["setup", "--elasticsearch", server, "--index", &index]));
        let ended = process.wait(SET_UP)?;
        ensure!(ended.success(), "sluice setup ended with {ended}");
        self.add(server, &self.all)
    }

    /// Writes documents; they can be found when it returns.
    pub fn add(&self, server: &str, documents: &[Value]) -> anyhow::Result<()> {
        let mut body = String::new();
        for document in documents {
            let dataset = text(document, "/event/dataset");
            let action = json!({ "create": { "_index": format!("{}-{dataset}-2026.11", self.index) } });
            body.push_str(&format!("{action}\n{document}\n"));
        }
        let request = http::client().post(format!("{server}/_bulk?refresh=true"));
        let answer = request.header("content-type", "application/x-ndjson").body(body).send()?.error_for_status()?;
        let answer: Value = answer.json()?;
        ensure!(answer["errors"] == false, "a bulk item failed: {}", first_error(&answer));
        Ok(())
    }
}

fn first_error(answer: &Value) -> String {
    let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .map(|item| &item["create"])
        .find(|item| !item["error"].is_null())
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn document(ms: i64, number: usize, in_storm: bool, positions: &mut HashMap<&'static str, i64>) -> Value {
    let pick = |from: &[&'static str], by: usize| from[(number / by) % from.len()];
    let (file, mut document) = match number % 5 {
        0..=2 => {
            let path = pick(
                &["/", "/api/orders", "/api/cart", "/static/app.css", "/login", "/search?q=lamp", "/api/orders/8831"],
                3,
            );
            let status = match number % 41 {
                _ if in_storm && number % 3 != 2 => 504,
                0 => 404,
                1 => 301,
                2 => 304,
                3 => 502,
                _ => 200,
            };
            let address = format!("203.0.113.{}", number % 89 + 1);
            let agent = pick(&["Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0", "curl/8.16.0", "okhttp/5.1.0"], 7);
            let bytes = (number * 7919) % 60_000 + 120;
            let time = jiff::Timestamp::from_millisecond(ms)
                .map(|at| at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string())
                .unwrap_or_default();
            let line = format!("{address} - - [{time}] \"GET {path} HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\"");
            let fields = json!({
                "message": line, "event": { "dataset": "nginx.access" }, "source": { "ip": address, "address": address },
                "http": { "version": "1.1", "request": { "method": "GET" }, "response": { "status_code": status, "body": { "bytes": bytes } } },
                "url": { "original": path }, "user_agent": { "original": agent },
            });
            ("/var/log/nginx/access.log", fields)
        }
        3 => {
            let (level, line) = match number % 19 {
                _ if in_storm => ("error", "payment gateway timeout after 3000 ms, order 8831 kept"),
                0 => ("error", "cannot reserve stock: connection reset by peer"),
                1 | 2 => ("warn", "slow query: 1240 ms in select_orders"),
                3..=6 => ("debug", "cache miss for key cart:8831"),
                _ => ("info", pick(&["order placed", "order paid", "mail sent to customer", "basket updated"], 5)),
            };
            let fields = json!({
                "message": line, "log": { "level": level }, "event": { "dataset": "shop", "duration": (number * 104_729) % 2_000_000_000 },
                "service": { "name": "shop" }, "trace": { "id": format!("{:032x}", number as u128 * 0x9e37_79b9_7f4a_7c15_f39c) },
            });
            ("/srv/shop/app.log", fields)
        }
        _ => {
            let line = pick(
                &[
                    "Started daily package activities.",
                    "Accepted publickey for deploy from 198.51.100.7 port 52144",
                    "session opened for user root(uid=0)",
                ],
                5,
            );
            let name = pick(&["systemd", "sshd", "CRON"], 5);
            let fields = json!({
                "message": line, "log": { "level": "info" }, "event": { "dataset": "syslog" },
                "process": { "name": name, "pid": 400 + number % 7000 },
            });
            ("/var/log/syslog", fields)
        }
    };
    let line_bytes = i64::try_from(text(&document, "/message").len() + 1).expect("a line is short");
    let position = positions.entry(file).or_default();
    document["@timestamp"] = json!(iso(ms));
    document["host"] = json!({ "name": "web-1" });
    document["log"]["file"] = json!({ "path": file });
    document["log"]["offset"] = json!(*position);
    *position += line_bytes;
    document
}
