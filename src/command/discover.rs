//! `sluice discover`: the page over an Elasticsearch or OpenSearch that is somewhere else.

use super::{comma_lists, elasticsearch};
use crate::cli::DiscoverArgs;
use crate::config::{ConfigFile, ElasticsearchSection};
use crate::failure::Failure;
use crate::shutdown;
use anyhow::Context;
use async_trait::async_trait;
use axum::middleware;
use search::page::{Answer, NoAnswer, Page, Question, Upstream, only_own_origin};
use sink_elasticsearch::{Connection, ConnectionConfig};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Not 9200, where an Elasticsearch on this host would be.
const PORT: u16 = 9280;
/// Status ports of this host: `up`, broker, agent, worker.
const STATUS_PORTS: std::ops::RangeInclusive<u16> = 9600..=9603;
/// A status port of this host or its neighbour answers at once; the page asks it every other second.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

pub async fn run(args: DiscoverArgs, config: ConfigFile) -> anyhow::Result<ExitCode> {
    let stop = shutdown::on_signal()?;
    let mut section = config.worker.elasticsearch.unwrap_or_default();
    if !args.elasticsearch.is_empty() {
        section.urls = comma_lists(&args.elasticsearch);
    }
    if section.urls.is_empty() {
        let hint = "for example: --elasticsearch http://127.0.0.1:9200";
        return Err(Failure::new("no Elasticsearch URL is given", hint).into());
    }
    let server = server(&section)?;
    let name = server.0.describe();
    let page = Page { index: args.index, server: name.clone(), status: status_ports(&args.status)? };

    let wanted = args.listen.unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT));
    let listener = tokio::net::TcpListener::bind(wanted).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            Failure::new(format!("listen on {wanted}: address in use"), "choose another with --listen 127.0.0.1:PORT")
                .into()
        }
        _ => anyhow::Error::from(error).context(format!("listen on {wanted}")),
    })?;
    let address = listener.local_addr().context("read the address of the page")?;
    let router = page.in_front_of(Arc::new(server)).layer(middleware::from_fn_with_state(address, only_own_origin));
    println!("http://{address}/ searches {name}");
    if !address.ip().is_loopback() {
        println!("whoever reaches this address reads what the credentials may read");
    }
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await.context("serve the page")?;
    Ok(ExitCode::SUCCESS)
}

/// The server with the credentials of the config file.
fn server(section: &ElasticsearchSection) -> anyhow::Result<Server> {
    Ok(Server(Connection::new(&elasticsearch::connection(section)?).context("worker.elasticsearch")?))
}

/// Status ports as somebody behind the page.
pub fn status_ports(urls: &[String]) -> anyhow::Result<Vec<Arc<dyn Upstream>>> {
    let urls = match urls {
        [] => STATUS_PORTS.map(|port| format!("http://127.0.0.1:{port}")).collect(),
        urls => comma_lists(urls),
    };
    let port = |url: &String| -> anyhow::Result<Arc<dyn Upstream>> {
        let mut config = ConnectionConfig::new([url]);
        config.connect_timeout = STATUS_TIMEOUT;
        config.request_timeout = STATUS_TIMEOUT;
        Ok(Arc::new(Server(Connection::new(&config).with_context(|| format!("status port {url:?}"))?)))
    };
    urls.iter().map(port).collect()
}

/// Whoever a connection reaches.
struct Server(Connection);

#[async_trait]
impl Upstream for Server {
    async fn ask(&self, question: Question) -> Result<Answer, NoAnswer> {
        let Question { method, path, body } = question;
        let answer = self.0.pass(method, &path, body).await;
        let (status, body) = answer.map_err(|error| NoAnswer(error.to_string()))?;
        Ok(Answer { status, body: body.into() })
    }
}
