//! kcat, the client that people have at hand.

use super::{kafka, need};
use std::ffi::OsStr;
use std::process::{Command, Output};

/// Runs kcat to its end, with `input` to read.
pub fn kcat<S: AsRef<OsStr>>(arguments: &[S], input: &[u8]) -> anyhow::Result<Output> {
    need("kcat", Command::new("kcat").arg("-V"))?;
    let mut command = Command::new("kcat");
    command.args(arguments);
    kafka::run(command, input)
}
