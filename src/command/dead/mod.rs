//! `sluice dead`: the dead letters of a topic: list, show, send back, drop.
//!
//! A dead letter topic is a log: nothing can be taken out of its middle. So what was sent back or dropped is marked as
//! resolved by a record behind it (`mark`), and whatever lies before the first letter that is not resolved is deleted,
//! where the broker can do that (DeleteRecords). Letters that a killed worker has written twice count as one.

mod drop;
mod filter;
mod gauge;
mod letter;
mod mark;
mod replay;
mod scan;
mod show;

use super::bar::waiting_for;
use super::brokers;
use crate::cli::{DeadArgs, DeadCommand};
use crate::config::{ConfigFile, security};
use crate::failure::Failure;
use crate::screen::Screen;
use filter::Filter;
pub use gauge::DeadLetters;
use kafka_client::{Client, ClientConfig};
pub(super) use letter::Letter;
pub(super) use scan::{LIMITS, ScannedTopic};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::timeout;

/// What the name of a dead letter topic ends with.
pub(super) const SUFFIX: &str = ".dead";
/// A broker that is there answers sooner.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

pub async fn run(args: DeadArgs, config: ConfigFile, screen: &Screen) -> anyhow::Result<ExitCode> {
    let brokers = brokers(&args.broker, config.worker.broker.as_deref());
    let mut client = ClientConfig::new(brokers.clone());
    let section = &config.worker;
    client.security = security::checked("worker", section.broker_tls.as_ref(), section.sasl.as_ref())?;
    let named = args.topic.or_else(|| config.worker.topics.and_then(|topics| topics.into_iter().next()));
    let named = named.unwrap_or_else(|| super::agent::TOPIC_DEFAULT.to_owned());
    let name = if named.ends_with(SUFFIX) { named } else { format!("{named}{SUFFIX}") };
    let opening = timeout(CONNECT_TIMEOUT, ScannedTopic::open(Client::new(client), &name));
    let topic = waiting_for(screen, &brokers.join(", "), CONNECT_TIMEOUT, opening).await.map_err(|_| {
        Failure::new(format!("no broker answers at {}", brokers.join(", ")), "name another with --broker HOST:PORT")
    })??;
    let Some(topic) = topic else {
        eprintln!("there is no topic {name:?}, so there are no dead letters");
        return Ok(ExitCode::SUCCESS);
    };
    match args.command {
        DeadCommand::List { filter, limit, all, json } => {
            show::list(&topic, &Filter::new(filter, limit, all)?, json, screen).await
        }
        DeadCommand::Show { place, json } => show::show(&topic, place, json).await,
        DeadCommand::Replay { filter, limit, dry_run } => {
            replay::replay(&topic, &Filter::new(filter, limit, false)?, dry_run, screen).await
        }
        DeadCommand::Drop { filter, all, dry_run } => {
            let filter = Filter::new(filter, None, false)?;
            if filter.is_empty() && !all {
                return Err(Failure::new("this would drop every dead letter", "say --all, or which ones").into());
            }
            drop::drop(&topic, &filter, dry_run, screen).await
        }
    }
}
