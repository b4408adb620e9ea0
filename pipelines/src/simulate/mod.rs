//! `GET _ingest/pipeline` and `POST _ingest/pipeline/_simulate` in Elasticsearch's form, without the HTTP around them.
//!
//! Source of the form: the answers of OpenSearch 3.8, and Elasticsearch's documentation of the simulate API. An
//! exception's name stands where a failure's kind is known here; any other failure is an `illegal_argument_exception`.

mod answer;
mod catalogue;
mod problem;
mod request;

use jiff::Timestamp;

pub use catalogue::Catalogue;

use crate::document::{Map, Value, write_value};
use crate::pipeline::{Context, Detail, MissingYear, Outcome};
use problem::Problem;
use request::Request;

/// Bytes of a request: its documents are there several times while it is answered.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// Bytes of an answer: one with `verbose` has a document behind each processor.
const ANSWER_BYTES_MAX: usize = 128 << 20;

/// Status and JSON of an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    fn json(status: u16, body: impl Into<Value>) -> Answer {
        let mut bytes = Vec::new();
        write_value(&mut bytes, &body.into());
        Answer { status, body: bytes }
    }

    /// A refusal in Elasticsearch's form.
    pub fn refusal(status: u16, kind: &'static str, reason: impl Into<String>) -> Answer {
        Problem::new(kind, reason).with_status(status).answer()
    }
}

/// The pipelines of these ids, where `*` stands for anything and commas for several; all without ids.
pub fn show(ids: Option<&str>, catalogue: &Catalogue) -> Answer {
    let mut body = Map::new();
    for id in ids.unwrap_or("*").split(',') {
        for (known, text) in catalogue.matching(id) {
            body.insert(known, text);
        }
    }
    match body.is_empty() && ids.is_some_and(|ids| ids != "*") {
        true => Answer::json(404, body),
        false => Answer::json(200, body),
    }
}

/// Runs the documents of a request through the pipeline that it names (`id`) or has in it.
pub fn simulate(body: &[u8], id: Option<&str>, is_verbose: bool, catalogue: &Catalogue, now: Timestamp) -> Answer {
    answer(body, id, is_verbose, catalogue, now).unwrap_or_else(Problem::answer)
}

fn answer(
    body: &[u8],
    id: Option<&str>,
    is_verbose: bool,
    catalogue: &Catalogue,
    now: Timestamp,
) -> Result<Answer, Problem> {
    let Request { pipeline, documents } = Request::read(body, id, catalogue)?;
    let context = Context { reference: now, now, year: MissingYear::Current };
    // Each document's answer is written at once: as values all of them together would be many times as large.
    let mut out = b"{\"docs\":[".to_vec();
    for (number, mut document) in documents.into_iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        let value = match is_verbose {
            true => {
                let (_, trace) = pipeline.run_traced(&mut document, &context, Detail::Steps);
                if trace.is_cut {
                    return Err(too_large());
                }
                answer::steps(&trace, &context)?
            }
            false => {
                let before = document.clone();
                match pipeline.run(&mut document, &context) {
                    Outcome::Done => answer::document(&document, &context),
                    Outcome::Dropped => Value::Null,
                    Outcome::Failed(failure) => {
                        document = before;
                        let (_, trace) = pipeline.run_traced(&mut document, &context, Detail::Steps);
                        answer::failure(&failure, &trace)
                    }
                }
            }
        };
        write_value(&mut out, &value);
        if out.len() > ANSWER_BYTES_MAX {
            return Err(too_large());
        }
    }
    out.extend_from_slice(b"]}");
    Ok(Answer { status: 200, body: out })
}

fn too_large() -> Problem {
    let reason = format!("the answer would be larger than {ANSWER_BYTES_MAX} bytes; send fewer documents at a time");
    Problem::new("content_too_long_exception", reason).with_status(413)
}
