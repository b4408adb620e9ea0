//! `sluice search`: what is in the index, as short lines, as NDJSON, or as bars over the time.

mod histogram;
mod line;
mod server;
mod short;

use crate::cli::SearchArgs;
use crate::config::ConfigFile;
use anyhow::Context;
use histogram::Histogram;
use jiff::Timestamp;
pub(super) use line::Lines;
use serde_json::{Value, json};
pub(super) use server::{Server, hits, query};
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

pub async fn run(args: SearchArgs, config: ConfigFile) -> anyhow::Result<ExitCode> {
    let server = Server::new(&args.place, config)?;
    let now = Timestamp::now();
    let since = args.last.map(|ago| now - ago.0);
    let text = server.spelled_out(args.query.clone()).await;
    let found = query(text.as_deref(), since.map(|since| (since, now)));
    let mut out = BufWriter::new(io::stdout().lock());
    match args.histogram {
        true => histogram(&server, found, since, now, args.json, &mut out).await?,
        false => documents(&server, found, &args, &mut out).await?,
    }
    out.flush().context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// The newest documents, the oldest of them first, as a file has them.
async fn documents(server: &Server, query: Value, args: &SearchArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let body = json!({
        "size": args.limit, "sort": [{ "@timestamp": { "order": "desc" } }], "track_total_hits": true, "query": query,
    });
    let answer = server.search(&body).await?;
    let hits = hits(&answer);
    let mut lines = Lines::for_stdout(args.json);
    for hit in hits.iter().rev() {
        lines.write(&hit["_source"], out).context("write to standard output")?;
    }
    let total = answer.pointer("/hits/total/value").and_then(Value::as_u64).unwrap_or_default();
    if total > hits.len() as u64 {
        out.flush().context("write to standard output")?;
        eprintln!("the newest {} of {} documents; --limit N shows more", hits.len(), crate::files::count(total));
    } else if total == 0 {
        eprintln!("no document is found in {} of {}", server.index(), server.describe());
    }
    Ok(())
}

async fn histogram(
    server: &Server,
    query: Value,
    since: Option<Timestamp>,
    now: Timestamp,
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let since = match since {
        Some(since) => Some(since),
        // Without a time the oldest document says where the bars begin.
        None => oldest(server, &query).await?,
    };
    let Some(since) = since else {
        eprintln!("no document is found in {} of {}", server.index(), server.describe());
        return Ok(());
    };
    let histogram = Histogram::over(since, now);
    let answer = server.search(&json!({ "size": 0, "query": query, "aggs": histogram.aggregations() })).await?;
    let bars = histogram.bars(&answer);
    match as_json {
        true => bars.iter().try_for_each(|bar| writeln!(out, "{}", bar.json())),
        false => histogram.draw(&bars, out),
    }
    .context("write to standard output")
}

async fn oldest(server: &Server, query: &Value) -> anyhow::Result<Option<Timestamp>> {
    let body = json!({ "size": 0, "query": query, "aggs": { "oldest": { "min": { "field": "@timestamp" } } } });
    let answer = server.search(&body).await?;
    let millis = answer.pointer("/aggregations/oldest/value").and_then(Value::as_f64);
    Ok(millis.and_then(|millis| Timestamp::from_millisecond(millis as i64).ok()))
}
