//! `sluice dead list` and `sluice dead show`.

use super::filter::Filter;
use super::letter::{Letter, printable, time};
use super::scan::ScannedTopic;
use crate::cli::Place;
use crate::command::bar::Bar;
use crate::failure::Failure;
use crate::files::count;
use crate::screen::Screen;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

pub async fn list(topic: &ScannedTopic, filter: &Filter, as_json: bool, screen: &Screen) -> anyhow::Result<ExitCode> {
    let mut bar = Bar::new(screen);
    let resolved = topic.resolved_behind(&mut bar).await?;
    let (mut listed, mut failed) = (0, None);
    for &number in topic.ends.keys() {
        let take = |letter: Letter, is_first: bool| {
            let done = topic.before(number, letter.offset);
            bar.show(done, topic.records(), || format!("listed {}", count(listed)));
            if filter.limit.is_some_and(|limit| listed >= limit) {
                return ControlFlow::Break(());
            }
            let is_open = is_first && !resolved.contains(number, letter.offset);
            if (is_open || filter.all) && filter.matches(&letter) {
                listed += 1;
                let line = if as_json { letter.to_json().to_string() } else { letter.line() };
                if let Err(error) = screen.suspend(|| writeln!(io::stdout().lock(), "{line}")) {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        };
        topic.letters(number, take).await?;
        if let Some(error) = failed {
            return Err(error.into());
        }
    }
    bar.end();
    if !as_json {
        eprintln!("{listed} dead letters in topic {:?}", topic.name);
    }
    Ok(ExitCode::SUCCESS)
}

/// One letter with all that is in it.
pub async fn show(topic: &ScannedTopic, place: Place, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut found = None;
    if topic.ends.get(&place.partition).is_some_and(|(start, end)| (*start..*end).contains(&place.offset)) {
        let take = |record: &kafka_wire::batch::Record<'_>| {
            if record.offset == place.offset {
                found = Letter::read(place.partition, record);
            }
            ControlFlow::Break(())
        };
        topic.each(place.partition, place.offset, take).await?;
    }
    let Some(letter) = found else {
        let message = format!("there is no dead letter {}:{} in topic {:?}", place.partition, place.offset, topic.name);
        return Err(Failure::new(message, "sluice dead list shows their places").into());
    };
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{:#}", letter.to_json())?;
        return Ok(ExitCode::SUCCESS);
    }
    let source = &letter.source;
    let text = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    for (name, value) in [
        ("rejected", time(letter.rejected_ms)),
        ("status", letter.status.to_string()),
        ("type", letter.kind.clone()),
        ("reason", letter.reason.clone()),
        ("index", letter.index.clone()),
        ("_id", letter.id.clone()),
        ("attempts", letter.attempts.to_string()),
        ("source", format!("{}:{}:{}", source.topic, source.partition, source.offset)),
        ("timestamp", time(source.timestamp_ms)),
        ("key", text(&letter.key).unwrap_or_else(|| "(none)".to_owned())),
    ] {
        writeln!(out, "{name:<12} {}", printable(&value))?;
    }
    for (key, value) in &letter.headers {
        writeln!(out, "{:<12} {}: {}", "header", printable(key), printable(&text(value).unwrap_or_default()))?;
    }
    writeln!(out, "{:<12} {}", "value", printable(&text(&letter.value).unwrap_or_else(|| "(none)".to_owned())))?;
    Ok(ExitCode::SUCCESS)
}
