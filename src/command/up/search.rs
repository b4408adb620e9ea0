//! The embedded store of `up`: when it is started, and that the worker delivers to it.

use crate::cli::UpArgs;
use crate::command::{discover, reachable};
use crate::config::{Age, SearchSection, WorkerSection};
use crate::failure::Failure;
use prometheus_client::registry::Registry;
use search::page::Page;
use search::{Retention, Server};
use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

/// Port of Elasticsearch, which the store stands in for.
const PORT: u16 = 9200;
/// What the page searches at first: what the worker writes unless `worker.index` says otherwise.
const INDEX: &str = "sluice-*";

/// Starts the store when documents go there: when asked for, or when nothing else is said and a person looks on. What is
/// piped goes on as NDJSON, and `--once` would end with the store.
pub async fn start(
    args: &UpArgs,
    store: &SearchSection,
    section: &WorkerSection,
    data: &Path,
    status: SocketAddr,
    registry: &mut Registry,
) -> anyhow::Result<Option<Server>> {
    let elsewhere = args.output.is_some()
        || !args.elasticsearch.is_empty()
        || section.output.is_some()
        || section.elasticsearch.as_ref().is_some_and(|servers| !servers.urls.is_empty());
    let is_watched = !args.once && std::io::stdout().is_terminal();
    let asked = args.store.search_listen.or(store.listen.filter(|_| !elsewhere && !args.once));
    if asked.is_none() && (elsewhere || !is_watched) {
        return Ok(None);
    }
    let listen = asked.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let retention = Retention {
        age_max: args.store.search_retention.or(store.retention).map(Age::duration),
        bytes_max: args.store.search_retention_bytes.or(store.retention_bytes).map(|size| size.0),
    };
    let page = Page {
        index: pattern_of(section.index.as_deref()),
        server: "the embedded store".to_owned(),
        status: discover::status_ports(&[format!("http://{}", reachable(status))])?,
    };
    match Server::start(data.join("search"), listen, retention, &page, registry).await {
        Ok(server) => Ok(Some(server)),
        Err(error @ search::StartError::Listen { .. }) => {
            let hint = "name another address with --search-listen, or another place for documents: --elasticsearch URL, --output -";
            Err(anyhow::Error::new(error).context(Failure::new("the embedded store cannot start", hint)))
        }
        Err(error) => Err(error.into()),
    }
}

/// What the worker writes, as a pattern: its index with `*` for what is replaced.
fn pattern_of(index: Option<&str>) -> String {
    let Some(index) = index else { return INDEX.to_owned() };
    let mut pattern = index.split('<').next().unwrap_or_default().to_owned();
    if pattern.len() < index.len() {
        pattern.push('*');
    }
    pattern
}

/// `args`, with the store as the Elasticsearch that is delivered to.
pub fn deliver_there(mut args: UpArgs, store: Option<&Server>) -> UpArgs {
    if let Some(store) = store {
        args.elasticsearch = vec![format!("http://{}", reachable(store.address()))];
    }
    args
}
