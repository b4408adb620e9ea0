//! The plan of a set-up: what is there, what would be written, and the writing of it.

use super::features::Features;
use super::mark::{self, Owner};
use super::options::{Options, OptionsError};
use super::server::Server;
use super::{lifecycle, template};
use crate::connection::{AskError, Connection};
use crate::response::error_of;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// What a set-up would do.
#[derive(Debug)]
pub struct Plan {
    pub server: Server,
    /// In the order in which they are done.
    pub steps: Vec<Step>,
    /// What cannot be done on this server, one sentence each.
    pub notes: Vec<String>,
}

/// One thing that shall be there.
#[derive(Debug)]
pub struct Step {
    /// For people: `index template sluice`.
    pub what: String,
    /// Where it is put.
    pub path: String,
    pub body: Value,
    pub state: State,
}

/// What is there of a [`Step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Missing,
    /// Ours, from another version of Sluice or for other options.
    Outdated,
    Same,
    /// Somebody else's, or changed by somebody since: left alone, unless that is asked for.
    Others,
    /// The same, to be written over.
    Overwritten,
}

impl State {
    /// Whether the step is written.
    pub fn is_written(self) -> bool {
        matches!(self, Self::Missing | Self::Outdated | Self::Overwritten)
    }
}

/// Why there is no plan, or why it cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    #[error(transparent)]
    NoAnswer(#[from] AskError),
    #[error("what answers at {node} (status {status}) is no Elasticsearch and no OpenSearch")]
    NotElasticsearch { node: String, status: u16 },
    #[error("the server does not let us {what}: {status} {kind}: {reason}")]
    Forbidden { what: String, status: u16, kind: String, reason: String },
    #[error("the server does not take the {what}: {status} {kind}: {reason}")]
    Refused { what: String, status: u16, kind: String, reason: String },
    #[error(transparent)]
    Options(#[from] OptionsError),
}

impl SetUpError {
    /// Whether the same may go well later, without anybody doing something about it.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer(_) => true,
            // A node that starts, or a proxy before one.
            Self::NotElasticsearch { status, .. } | Self::Refused { status, .. } => {
                matches!(status, 408 | 429 | 500..=599)
            }
            Self::Forbidden { .. } | Self::Options(_) => false,
        }
    }
}

impl Plan {
    /// Looks at the server; writes nothing.
    ///
    /// # Errors
    /// It cannot be asked, or is no server for us.
    pub async fn make(connection: &Connection, options: &Options) -> Result<Self, SetUpError> {
        options.check()?;
        let server = Server::recognise(connection).await?;
        let features = Features::of(connection, &server).await?;
        let (name, mut steps, mut notes) = (options.name(), Vec::new(), Vec::new());
        if features.ilm {
            steps.push(ilm(connection, options).await?);
        } else if features.ism {
            steps.push(ism(connection, options).await?);
        } else {
            let lost = match options.retention {
                Some(retention) => format!(", so nothing deletes what is older than {retention}"),
                None => String::new(),
            };
            notes.push(format!("this server has no lifecycle management: no policy{lost}"));
        }
        steps.push(index_template(connection, options, &features).await?);
        for step in steps.iter_mut().filter(|step| options.overwrite && step.state == State::Others) {
            step.state = State::Overwritten;
        }
        if features.flat.is_none() {
            notes.push(format!(
                "{server} has no field type for any object: _malformed and journald count as many fields"
            ));
        }
        if options.data_stream {
            notes.push(format!("{name}-* are data streams: a line that is repeated after a roll-over is there twice"));
        }
        Ok(Self { server, steps, notes })
    }

    /// Whether everything is there already.
    pub fn is_done(&self) -> bool {
        !self.steps.iter().any(|step| step.state.is_written())
    }

    /// Writes what is to be written.
    ///
    /// # Errors
    /// The server cannot be asked, or does not take it. What was written before stays.
    pub async fn apply(&self, connection: &Connection) -> Result<(), SetUpError> {
        for step in self.steps.iter().filter(|step| step.state.is_written()) {
            let answer = ask(connection, Method::PUT, &step.path, Some(&step.body)).await?;
            if answer.is_refused() {
                return Err(answer.refusal(&format!("write the {}", step.what)));
            }
            if answer.status >= 300 {
                let error = answer.error;
                let (kind, reason) = (error.kind, error.reason);
                return Err(SetUpError::Refused { what: step.what.clone(), status: answer.status, kind, reason });
            }
        }
        Ok(())
    }
}

/// The state of something that is there, as the server gives it back (`found`), beside what shall be there.
fn state(found: &Value, owner: Owner, wanted: &Value) -> State {
    match owner {
        // Whoever made it: it is what it shall be.
        _ if mark::fingerprint(found) == mark::fingerprint(wanted) => State::Same,
        Owner::Ours => State::Outdated,
        Owner::Others => State::Others,
    }
}

async fn index_template(connection: &Connection, options: &Options, features: &Features) -> Result<Step, SetUpError> {
    let mut body = template::template(options, features);
    let wanted = comparable_template(&body);
    let path = format!("/_index_template/{}", options.name());
    let answer = ask(connection, Method::GET, &path, None).await?;
    if answer.is_refused() {
        return Err(answer.refusal("look at index templates (privilege manage_index_templates)"));
    }
    let found = &answer.body["index_templates"][0]["index_template"];
    let state = match found.is_object() {
        false => State::Missing,
        true if found["version"].as_u64() > Some(template::TEMPLATE_VERSION) => State::Others,
        true => {
            let comparable = comparable_template(found);
            state(&comparable, mark::owner(&comparable, found.get("_meta")), &wanted)
        }
    };
    body["_meta"] = mark::mark(&wanted);
    Ok(Step { what: format!("index template {}", options.name()), path, body, state })
}

/// What counts of a template, in the same form from us and from every server.
fn comparable_template(template: &Value) -> Value {
    let is_stream = template.get("data_stream").is_some_and(|stream| !stream.is_null());
    let mut content = json!({ "data_stream": is_stream });
    for key in ["index_patterns", "priority", "version", "template"] {
        content[key] = template[key].clone();
    }
    if template["composed_of"].as_array().is_some_and(|parts| !parts.is_empty()) {
        content["composed_of"] = template["composed_of"].clone();
    }
    content
}

async fn ilm(connection: &Connection, options: &Options) -> Result<Step, SetUpError> {
    let wanted = lifecycle::ilm(options);
    let path = format!("/_ilm/policy/{}", options.name());
    let answer = ask(connection, Method::GET, &path, None).await?;
    if answer.is_refused() {
        return Err(answer.refusal("look at lifecycle policies (privilege manage_ilm)"));
    }
    let found = &answer.body[options.name()]["policy"];
    let state = match found.is_object() {
        false => State::Missing,
        true => {
            let comparable = json!({ "phases": found["phases"] });
            state(&comparable, mark::owner(&comparable, found.get("_meta")), &wanted)
        }
    };
    let mut policy = wanted.clone();
    policy["_meta"] = mark::mark(&wanted);
    let what = format!("lifecycle policy {}", options.name());
    Ok(Step { what, path, body: json!({ "policy": policy }), state })
}

async fn ism(connection: &Connection, options: &Options) -> Result<Step, SetUpError> {
    let wanted = lifecycle::ism(options);
    let mut path = format!("/_plugins/_ism/policies/{}", options.name());
    let answer = ask(connection, Method::GET, &path, None).await?;
    if answer.is_refused() {
        return Err(answer.refusal("look at lifecycle policies (of index state management)"));
    }
    let found = &answer.body["policy"];
    let state = match found.is_object() {
        false => State::Missing,
        true => {
            // It writes down how it retries, and when something was changed.
            let added = [("retry", Value::Null), ("last_updated_time", Value::Null), ("copy_alias", json!(false))];
            let mut comparable = mark::without(
                &json!({
                    "default_state": found["default_state"], "states": found["states"], "ism_template": found["ism_template"],
                }),
                &added,
            );
            if let Some(one) = comparable.get_mut("ism_template").filter(|templates| templates.is_object()) {
                *one = json!([*one]);
            }
            // A policy is only changed by who says which state of it he has seen.
            if let (Some(number), Some(term)) = (answer.body["_seq_no"].as_u64(), answer.body["_primary_term"].as_u64())
            {
                path = format!("{path}?if_seq_no={number}&if_primary_term={term}");
            }
            let owner = mark::owner_by_line(&comparable, found["description"].as_str());
            state(&comparable, owner, &wanted)
        }
    };
    let mut policy = wanted.clone();
    policy["description"] = json!(mark::mark_line(&wanted));
    let what = format!("lifecycle policy {}", options.name());
    Ok(Step { what, path, body: json!({ "policy": policy }), state })
}

/// An answer to one of our questions.
pub(super) struct Answer {
    pub status: u16,
    /// Null when it is not JSON.
    pub body: Value,
    error: crate::response::ErrorAnswer,
}

impl Answer {
    /// Whether we are not allowed to ask that.
    pub fn is_refused(&self) -> bool {
        matches!(self.status, 401 | 403)
    }

    /// `what` we wanted to do.
    pub fn refusal(self, what: &str) -> SetUpError {
        let (kind, reason) = (self.error.kind, self.error.reason);
        SetUpError::Forbidden { what: what.to_owned(), status: self.status, kind, reason }
    }
}

pub(super) async fn ask(
    connection: &Connection,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, SetUpError> {
    let (status, text): (StatusCode, Vec<u8>) = connection.ask(method, path, body).await?;
    let body = serde_json::from_slice(&text).unwrap_or_default();
    Ok(Answer { status: status.as_u16(), body, error: error_of(&text).unwrap_or_default() })
}
