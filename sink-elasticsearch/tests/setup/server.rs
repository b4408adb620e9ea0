//! A server that keeps what is put into it, in the form in which real servers give it back: with what no server that can be had
//! for tests has, lifecycle management.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Which lifecycle management it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    Ilm,
    Ism,
}

/// The server; it ends with the test's process.
pub struct Server {
    pub url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    lifecycle: Lifecycle,
    /// What was put, by path.
    kept: HashMap<String, Value>,
    /// Method and path of every request that changes something.
    writes: Vec<String>,
    /// Every request is answered with this.
    refusal: Option<u16>,
}

impl Server {
    pub fn start(lifecycle: Lifecycle) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let url = format!("http://{}", listener.local_addr().expect("a listener has an address"));
        let state = State { lifecycle, kept: HashMap::new(), writes: Vec::new(), refusal: None };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                // A client that goes away is no failure of the server's.
                thread::spawn(move || serve(stream, &state).unwrap_or_default());
            }
        });
        Self { url, state }
    }

    pub fn writes(&self) -> Vec<String> {
        self.state.lock().expect("nothing panics").writes.clone()
    }

    /// Answers everything with this status from now on; 0: no more.
    pub fn refuse(&self, status: u16) {
        self.state.lock().expect("nothing panics").refusal = (status != 0).then_some(status);
    }

    /// Changes what is kept under `path`, as somebody does by hand.
    pub fn change(&self, path: &str, change: impl FnOnce(&mut Value)) {
        change(self.state.lock().expect("nothing panics").kept.get_mut(path).expect("it is kept"));
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            match header.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().unwrap_or(0)
                }
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) = state.lock().expect("nothing panics").answer(&method, &path, body);
        let answer = answer.to_string();
        write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())?;
    }
}

impl State {
    fn answer(&mut self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let error =
            |status: u16, kind: &str| (status, json!({ "error": { "type": kind, "reason": "no" }, "status": status }));
        if let Some(status) = self.refusal {
            return error(status, "security_exception");
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let lifecycle = if self.lifecycle == Lifecycle::Ilm { "/_ilm/" } else { "/_plugins/_ism/" };
        match (method, path) {
            ("GET", "/") if self.lifecycle == Lifecycle::Ilm => {
                (200, json!({ "version": { "number": "8.15.0", "build_flavor": "default" } }))
            }
            ("GET", "/") => (200, json!({ "version": { "number": "3.3.2", "distribution": "opensearch" } })),
            ("POST", "/_index_template/_simulate") => (200, json!({})),
            ("GET", "/_ilm/status" | "/_plugins/_ism/policies") if path.starts_with(lifecycle) => (200, json!({})),
            ("PUT", path) => {
                // A policy of ISM is only changed by who has seen it.
                let is_known = self.kept.contains_key(path);
                if path.starts_with("/_plugins/") && is_known != query.contains("if_seq_no=7&if_primary_term=1") {
                    return error(409, "version_conflict_engine_exception");
                }
                self.writes.push(format!("PUT {path}"));
                self.kept.insert(path.to_owned(), body);
                (200, json!({ "acknowledged": true }))
            }
            ("GET", path) => match self.kept.get(path) {
                Some(kept) => (200, given_back(path, kept)),
                None if path.starts_with(lifecycle) || path.starts_with("/_index_template/") => {
                    error(404, "resource_not_found_exception")
                }
                None => (400, json!({ "error": format!("no handler found for uri [{path}] and method [GET]") })),
            },
            _ => error(405, "method_not_allowed"),
        }
    }
}

/// As the real ones do: settings are nested and text, and some things are added.
fn given_back(path: &str, kept: &Value) -> Value {
    let name = path.rsplit('/').next().unwrap_or_default();
    if path.starts_with("/_index_template/") {
        let mut template = kept.clone();
        let settings = template["template"]["settings"].take();
        for (key, value) in settings.as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let mut place = &mut template["template"]["settings"];
            for part in key.split('.') {
                place = &mut place[part];
            }
            *place = json!(text);
        }
        template["composed_of"] = json!([]);
        if template.get("data_stream").is_some() {
            template["data_stream"] = json!({ "hidden": false, "allow_custom_routing": false });
        }
        return json!({ "index_templates": [{ "name": name, "index_template": template }] });
    }
    if path.starts_with("/_ilm/") {
        return json!({ name: { "version": 1, "modified_date": "2026-11-28", "policy": kept["policy"], "in_use_by": {} } });
    }
    let mut policy = kept["policy"].clone();
    for state in policy["states"].as_array_mut().into_iter().flatten() {
        for action in state["actions"].as_array_mut().into_iter().flatten() {
            action["retry"] = json!({ "count": 3, "backoff": "exponential", "delay": "1m" });
            if let Some(rollover) = action.get_mut("rollover") {
                rollover["copy_alias"] = json!(false);
            }
        }
    }
    policy["policy_id"] = json!(name);
    policy["schema_version"] = json!(21);
    policy["last_updated_time"] = json!(1);
    policy["error_notification"] = Value::Null;
    policy["ism_template"][0]["last_updated_time"] = json!(1);
    json!({ "_id": name, "_version": 1, "_seq_no": 7, "_primary_term": 1, "policy": policy })
}
