//! A bulk endpoint that stores nothing, for measurements: it counts documents, answers that each one is done, and forgets them.
//!
//! `null_bulk ADDRESS [--delays] [--save FILE]`. `GET /stats` says how many documents and bytes came. With
//! `--delays` it looks in each document for `/at/SECONDS/`, a time of the monotonic clock, and says how long ago that was.
//! With `--save` it keeps the bodies, each after its length in a line of its own, for the index of
//! a request's path and with automatic ids.

use flate2::write::GzDecoder;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// What has come.
#[derive(Default)]
struct Stats {
    documents: u64,
    /// Before compression.
    plain_bytes: u64,
    body_bytes: u64,
    requests: u64,
    delays: Option<Vec<f64>>,
    save: Option<BufWriter<File>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |flag: &str| {
        let place = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(place + 1).cloned()
    };
    let address = arguments.first().expect("usage: null_bulk ADDRESS [--delays] [--save FILE]");
    let save = after("--save").map(|path| File::create(path).map(BufWriter::new)).transpose()?;
    let delays = arguments.iter().any(|argument| argument == "--delays").then(Vec::new);
    let stats = Arc::new(Mutex::new(Stats { delays, save, ..Stats::default() }));
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let stats = stats.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, stats.clone()));
            // A client that goes away is no failure of ours.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, stats: Arc<Mutex<Stats>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = match (request.method(), request.uri().path()) {
        (&Method::POST, path) if path.ends_with("_bulk") => bulk(request, &stats).await,
        (_, "/stats") => stats.lock().expect("nothing panics").show(),
        (_, "/") => {
            r#"{"version":{"number":"9.2.0","build_flavor":"default"},"tagline":"You Know, for Search"}"#.into()
        }
        _ => "{}".into(),
    };
    let answer =
        Response::builder().header(CONTENT_TYPE, "application/json").header("x-elastic-product", "Elasticsearch");
    Ok(answer.body(Full::new(text.into())).expect("the headers are valid"))
}

/// Counts the lines of a body while it comes, in plain form.
struct Counter {
    lines: u64,
    bytes: u64,
    /// The body, when somebody looks into it.
    kept: Option<Vec<u8>>,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        self.bytes += bytes.len() as u64;
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn bulk(request: Request<Incoming>, stats: &Mutex<Stats>) -> String {
    let is_packed = request.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
    let looks = {
        let stats = stats.lock().expect("nothing panics");
        stats.delays.is_some() || stats.save.is_some()
    };
    let counter = || Counter { lines: 0, bytes: 0, kept: looks.then(Vec::new) };
    let (mut plain, mut unpacker) = (counter(), GzDecoder::new(counter()));
    let (mut body, mut body_bytes) = (request.into_body(), 0);
    while let Some(Ok(frame)) = body.frame().await {
        let Some(bytes) = frame.data_ref() else { continue };
        body_bytes += bytes.len() as u64;
        match is_packed {
            true => unpacker.write_all(bytes).expect("the body is gzip"),
            false => plain.write_all(bytes).expect("counting does not fail"),
        }
    }
    if is_packed {
        plain = unpacker.finish().expect("the body is whole");
    }
    let documents = plain.lines / 2;
    let mut stats = stats.lock().expect("nothing panics");
    stats.requests += 1;
    stats.documents += documents;
    stats.plain_bytes += plain.bytes;
    stats.body_bytes += body_bytes;
    if let Some(body) = plain.kept {
        stats.look(&body);
    }
    let items = vec![r#"{"create":{"status":201}}"#; usize::try_from(documents).expect("few")].join(",");
    format!(r#"{{"errors":false,"items":[{items}]}}"#)
}

impl Stats {
    fn look(&mut self, body: &[u8]) {
        if let Some(delays) = &mut self.delays {
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            let now = now.tv_sec as f64 + now.tv_nsec as f64 / 1e9;
            for document in body.split(|byte| *byte == b'\n').skip(1).step_by(2) {
                // Some programs escape the slashes.
                let Some(start) = memchr::memmem::find(document, b"/at") else { continue };
                let text = &document[start + 3..];
                let text = text.strip_prefix(b"\\").unwrap_or(text).strip_prefix(b"/").unwrap_or_default();
                let length = text.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
                let sent: Option<f64> = std::str::from_utf8(&text[..length]).ok().and_then(|text| text.parse().ok());
                delays.extend(sent.map(|sent| now - sent));
            }
        }
        if let Some(file) = &mut self.save {
            let mut kept = Vec::with_capacity(body.len());
            let mut lines = body.split(|byte| *byte == b'\n');
            while let (Some(_), Some(document)) = (lines.next(), lines.next()) {
                kept.extend_from_slice(b"{\"create\":{}}\n");
                kept.extend_from_slice(document);
                kept.push(b'\n');
            }
            writeln!(file, "{}", kept.len()).and_then(|()| file.write_all(&kept)).expect("the disk takes it");
            file.flush().expect("the disk takes it");
        }
    }

    fn show(&mut self) -> String {
        let mut text = format!(
            r#"{{"documents":{},"plain_bytes":{},"body_bytes":{},"requests":{}"#,
            self.documents, self.plain_bytes, self.body_bytes, self.requests
        );
        if let Some(delays) = &mut self.delays {
            let delays: Vec<String> = delays.iter().map(|delay| format!("{delay:.6}")).collect();
            text += &format!(r#","delays":[{}]"#, delays.join(","));
        }
        text + "}"
    }
}
