//! `sluice broker`: the broker alone.

use crate::cli::BrokerArgs;
use crate::config::{BrokerSection, ConfigFile, Durability};
use crate::failure::Failure;
use crate::notify::Supervisor;
use crate::shutdown;
use crate::status::{Shown, StatusListener};
use broker::{Broker, Config, ConfigError, Listener, SecurityError, StartError, TlsFiles};
use prometheus_client::registry::Registry;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Port of /health and /metrics of a broker on its own.
pub const STATUS_PORT: u16 = 9601;
/// Between two looks at the broker's problems.
const TICK: Duration = Duration::from_secs(1);
const LISTEN_HINT: &str = "for example: listen: [\"127.0.0.1:9092\", \"SASL_SSL://0.0.0.0:9093\"]";
/// Where topics and offsets are kept when nothing else is said.
pub const DATA_DEFAULT: &str = "./sluice-data";

pub async fn run(args: BrokerArgs, config: ConfigFile) -> anyhow::Result<ExitCode> {
    let stop = shutdown::on_signal()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut supervisor = Supervisor::from_environment();
    let section = config.broker;
    let status = StatusListener::bind(args.status.status_listen.or(section.status_listen), STATUS_PORT).await?;
    let data = args.data.clone().or_else(|| section.data.clone()).unwrap_or_else(|| DATA_DEFAULT.into());
    let mut checked = checked(&section, args.listen, args.advertise.as_deref(), data)?;
    checked.insecure |= args.insecure;
    checked.disk_bytes_max = args.disk_max.map(|size| size.0).or(checked.disk_bytes_max);
    for (name, value) in &args.set {
        set(&mut checked, name, value, "--set")?;
    }

    let mut registry = Registry::default();
    let broker = start(checked, &mut registry).await?;
    for address in broker.addresses() {
        tracing::info!("broker listens on {address}");
    }
    tracing::info!("health and metrics are on http://{}", status.address());
    let (problems, observed) = watch::channel(broker.problems());
    let (_, shown) = watch::channel(Shown { registries: vec![Arc::new(registry)], observer: None });
    status.serve(shown, observed);
    supervisor.ready();

    let mut ticks = tokio::time::interval(TICK);
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => (),
            _ = hangup.recv() => {
                supervisor.reloading();
                tracing::info!("reload: changed certificates and users are read by themselves; other keys need a new start");
                supervisor.ready();
            }
            _ = ticks.tick() => {
                problems.send_replace(broker.problems());
                supervisor.alive(Instant::now());
            }
        }
    }
    supervisor.stopping();
    tracing::info!("broker ends");
    broker.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Merges the file's section with the flags.
pub fn checked(
    section: &BrokerSection,
    listen: Vec<Listener>,
    advertise: Option<&str>,
    data: PathBuf,
) -> Result<Config, Failure> {
    let mut config = Config::new(data);
    match (&section.listen, listen.is_empty()) {
        (_, false) => config.listen = listen,
        (Some(listen), true) if listen.is_empty() => {
            return Err(Failure::new("broker.listen names no address", LISTEN_HINT));
        }
        (Some(listen), true) => config.listen = listen.iter().map(|one| one.0.clone()).collect(),
        (None, true) => {}
    }
    for advertised in advertise.or(section.advertise.as_deref()).unwrap_or_default().split(',').map(str::trim) {
        if !advertised.is_empty() {
            advertise_at(&mut config.listen, advertised)?;
        }
    }
    config.tls = section.tls.as_ref().map(|tls| TlsFiles {
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
        client_ca: tls.client_ca.clone(),
    });
    config.users = section.users.clone();
    config.insecure = section.insecure.unwrap_or(false);
    match section.durability {
        None => {}
        Some(Durability::Disk) => config.durability = broker::Durability::Disk,
        Some(Durability::PageCache) => config.durability = broker::Durability::PageCache,
    }
    config.disk_bytes_max = section.disk_max.map(|size| size.0);
    config.guarded_groups = section.guard.clone();
    for (name, value) in &section.set {
        set(&mut config, name, &value.to_string(), "broker.set in sluice.yaml")?;
    }
    Ok(config)
}

/// One of Kafka's configs, and where it was said.
fn set(config: &mut Config, name: &str, value: &str, place: &str) -> Result<(), Failure> {
    config.set(name, value).map_err(|error| {
        let hint = match &error {
            ConfigError::Unknown(_) => "the names are those of Kafka's server.properties, for example num.partitions=4",
            ConfigError::Value(_) => "the values are those that Kafka takes",
            ConfigError::Elsewhere { .. } => "say it there, and leave it out here",
            ConfigError::NoEffect { .. } => "`kafka-configs --describe --broker 0 --all` shows what is in force",
        };
        Failure::new(format!("{place}: {error}"), hint)
    })
}

/// Starts the broker; what stands in its way is said with the way out.
pub async fn start(config: Config, registry: &mut Registry) -> anyhow::Result<Broker> {
    Broker::start(config, registry).await.map_err(|error| match error {
        StartError::Security(error) => insecure(&error).into(),
        StartError::AddressInUse { .. } => {
            Failure::new(error.to_string(), "choose another with --listen 127.0.0.1:PORT, or end what listens there")
                .into()
        }
        other => other.into(),
    })
}

/// What the listeners lack, with the way out.
pub fn insecure(error: &SecurityError) -> Failure {
    let hint = match error {
        SecurityError::NoCertificate(_) => "broker.tls in sluice.yaml names the files",
        SecurityError::NoUsers(_) => "broker.users in sluice.yaml names the file",
        SecurityError::InTheClear(_) => "listen with SSL:// or SASL_SSL://, or allow it with --insecure",
        SecurityError::File { .. } => "docs/sluice.yaml shows what the files have to be",
    };
    Failure::new(error.to_string(), hint)
}

/// `[PROTOCOL://]HOST:PORT`: of the listeners with this protocol, or of all.
fn advertise_at(listeners: &mut [Listener], text: &str) -> Result<(), Failure> {
    let (protocol, address) = match text.split_once("://") {
        Some((protocol, address)) => (Some(protocol), address),
        None => (None, text),
    };
    let parsed = address.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    let Some(advertised) = parsed.filter(|(host, _): &(String, u16)| !host.is_empty()) else {
        let hint = "for example: --advertise logs.example.org:9092";
        return Err(Failure::new(format!("{text:?} is not [PROTOCOL://]HOST:PORT"), hint));
    };
    let mut found = false;
    for listener in listeners {
        if protocol.is_none_or(|protocol| listener.protocol.name().eq_ignore_ascii_case(protocol)) {
            listener.advertise = Some(advertised.clone());
            found = true;
        }
    }
    match found {
        true => Ok(()),
        false => Err(Failure::new(format!("no listener is of the protocol in {text:?}"), LISTEN_HINT)),
    }
}
