//! kafka-python, a client that shares no code with any of the others.

use super::kafka::run;
use super::{need, script};
use std::process::{Command, Output};

/// Runs a script of `tests/real` with `arguments`.
pub fn kafka_python(script_name: &str, arguments: &[&str]) -> anyhow::Result<Output> {
    need("Python 3 with pip", Command::new("python3").args(["-m", "pip", "--version"]))?;
    let mut command = Command::new(script("kafka-python-client"));
    command.arg(script_name).args(arguments);
    run(command, b"")
}
