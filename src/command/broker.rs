//! `sluice broker`: the broker alone.

use crate::cli::BrokerArgs;
use crate::config::{BrokerSection, ConfigFile};
use crate::failure::Failure;
use crate::shutdown;
use crate::status::StatusListener;
use broker::{Broker, Config, StartError};
use prometheus_client::registry::Registry;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::watch;

/// Port of /health and /metrics of a broker on its own.
const STATUS_PORT: u16 = 9601;
/// Between two looks at the broker's problems.
const TICK: Duration = Duration::from_secs(1);
/// Where topics and offsets are kept when nothing else is said.
pub const DATA_DEFAULT: &str = "./sluice-data";

pub async fn run(args: BrokerArgs, config: ConfigFile) -> anyhow::Result<ExitCode> {
    let stop = shutdown::on_signal()?;
    let section = config.broker;
    let status = StatusListener::bind(args.status.status_listen.or(section.status_listen), STATUS_PORT).await?;
    let data = args.data.clone().or_else(|| section.data.clone()).unwrap_or_else(|| DATA_DEFAULT.into());
    let checked = checked(&section, args.listen, args.advertise.as_deref(), data)?;

    let mut registry = Registry::default();
    let broker = start(checked, &mut registry).await?;
    for address in broker.addresses() {
        tracing::info!("broker listens on {address}");
    }
    tracing::info!("health and metrics are on http://{}", status.address());
    let (problems, observed) = watch::channel(broker.problems());
    status.serve(registry, observed);

    let mut ticks = tokio::time::interval(TICK);
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => (),
            _ = ticks.tick() => drop(problems.send_replace(broker.problems())),
        }
    }
    tracing::info!("broker ends");
    broker.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Merges the file's section with the flags.
pub fn checked(
    section: &BrokerSection,
    listen: Option<SocketAddr>,
    advertise: Option<&str>,
    data: PathBuf,
) -> Result<Config, Failure> {
    let mut config = Config::new(data);
    if let Some(listen) = listen.map(|address| vec![address]).or_else(|| section.listen.clone()) {
        if listen.is_empty() {
            return Err(Failure::new("broker.listen names no address", "for example: listen: [\"127.0.0.1:9092\"]"));
        }
        config.listen = listen;
    }
    config.advertise = advertise.or(section.advertise.as_deref()).map(host_and_port).transpose()?;
    Ok(config)
}

/// Starts the broker; what stands in its way is said with the way out.
pub async fn start(config: Config, registry: &mut Registry) -> anyhow::Result<Broker> {
    Broker::start(config, registry).await.map_err(|error| match error {
        StartError::AddressInUse { .. } => {
            Failure::new(error.to_string(), "choose another with --listen 127.0.0.1:PORT, or end what listens there")
                .into()
        }
        other => other.into(),
    })
}

fn host_and_port(text: &str) -> Result<(String, u16), Failure> {
    let parsed = text.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    parsed.filter(|(host, _): &(String, u16)| !host.is_empty()).ok_or_else(|| {
        Failure::new(format!("{text:?} is not HOST:PORT"), "for example: --advertise logs.example.org:9092")
    })
}
