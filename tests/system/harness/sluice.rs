//! The program under test, as a person starts it.

use super::scene::Scene;
use super::{ports, process::Process, topic, wait};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// For a part to be ready: a debug binary on a loaded machine.
pub const START: Duration = Duration::from_secs(30);

/// Where it is: the one that was built with the tests, or another that SLUICE_BINARY names.
pub fn binary() -> OsString {
    std::env::var_os("SLUICE_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_sluice").into())
}

/// `sluice` with arguments, not started yet.
pub fn command<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(binary());
    // What the person who runs the tests has set is not part of them.
    command.args(arguments).env_remove("RUST_LOG").env("RUST_BACKTRACE", "1").env("NO_COLOR", "1");
    command
}

/// A running `sluice broker`, and where it listens.
pub struct Broker {
    pub process: Process,
    pub address: String,
}

/// Starts `sluice broker` on a free port and waits until it answers.
pub fn broker(scene: &Scene) -> anyhow::Result<Broker> {
    broker_at(scene, &ports::free_address(), &scene.path("broker-data"), &[])
}

/// Starts `sluice broker` on `address` with `more` arguments and waits until it answers.
pub fn broker_at(scene: &Scene, address: &str, data: &Path, more: &[&str]) -> anyhow::Result<Broker> {
    let mut command = command(["broker", "--listen", address, "--status-listen", &ports::free_address(), "--data"]);
    command.arg(data).args(more);
    let mut process = scene.start("broker", command);
    wait_for_broker(&mut process, address)?;
    Ok(Broker { process, address: address.to_owned() })
}

/// Waits until the broker that `process` brings answers at `address`.
pub fn wait_for_broker(process: &mut Process, address: &str) -> anyhow::Result<()> {
    wait::until(&format!("a broker at {address}"), START, || {
        let answered = std::net::TcpStream::connect(address).is_ok() && topic::names(address).is_ok();
        (answered || !process.is_running()).then_some(answered)
    })?
    .then_some(())
    .ok_or_else(|| anyhow::anyhow!("the broker ended:\n{}", process.stderr()))
}
