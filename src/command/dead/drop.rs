//! `sluice dead drop`, and what every end of a letter has in common: the mark, and the deletion of what is resolved.

use super::filter::Filter;
use super::letter::Letter;
use super::mark::{Resolution, Resolved};
use super::replay::Sender;
use super::scan::ScannedTopic;
use crate::command::bar::Bar;
use crate::files;
use crate::screen::Screen;
use kafka_client::{ClientError, chain};
use std::ops::ControlFlow;
use std::process::ExitCode;

pub async fn drop(topic: &ScannedTopic, filter: &Filter, dry_run: bool, screen: &Screen) -> anyhow::Result<ExitCode> {
    let mut bar = Bar::new(screen);
    let mut resolved = topic.resolved_behind(&mut bar).await?;
    let (mut dropped, mut count) = (Resolved::default(), 0u64);
    for &number in topic.ends.keys() {
        let take = |letter: Letter, is_first: bool| {
            let done = topic.before(number, letter.offset);
            bar.show(done, topic.records(), || format!("found {}", files::count(count)));
            if !resolved.contains(number, letter.offset) && filter.matches(&letter) {
                count += u64::from(is_first);
                dropped.insert(number, letter.offset, letter.offset);
            }
            ControlFlow::Continue(())
        };
        topic.letters(number, take).await?;
    }
    bar.end();
    if dry_run {
        println!("{count} dead letters would be dropped from topic {:?}", topic.name);
        return Ok(ExitCode::SUCCESS);
    }
    if count > 0 {
        let mut sender = Sender::new(topic.client.clone()).await?;
        sender.mark(topic, &dropped, Resolution::Dropped, &mut resolved).await?;
    }
    println!("{count} dead letters were dropped from topic {:?}", topic.name);
    delete_resolved(topic, &resolved).await?;
    Ok(ExitCode::SUCCESS)
}

/// Deletes everything before the first letter of each partition that is not resolved. Marks behind that stay as long as
/// they are needed.
pub async fn delete_resolved(topic: &ScannedTopic, resolved: &Resolved) -> anyhow::Result<()> {
    for (&number, &(start, end)) in &topic.ends {
        let mut first_open = end;
        let take = |letter: Letter, _| {
            if resolved.contains(number, letter.offset) {
                return ControlFlow::Continue(());
            }
            first_open = letter.offset;
            ControlFlow::Break(())
        };
        topic.letters(number, take).await?;
        if first_open <= start {
            continue;
        }
        match topic.client.delete_records(&topic.partition(number), first_open).await {
            Ok(_) => {}
            Err(error @ ClientError::Unsupported { .. }) => {
                eprintln!(
                    "note: {}: what is resolved counts no more, and its space is given back by the topic's retention",
                    chain(&error)
                );
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
