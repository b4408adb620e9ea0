//! Clients of others, each a program of `tests/real` that does a client's whole work on one broker.

use super::kafka::{JAVA, run};
use super::{need, need_java, script};
use std::process::{Command, Output};

/// Runs a script of `tests/real` with kafka-python, aiokafka and confluent-kafka at hand.
pub fn kafka_python(script_name: &str, arguments: &[&str]) -> anyhow::Result<Output> {
    need_python()?;
    let mut command = Command::new(script("kafka-python-client"));
    command.arg(script_name).args(arguments);
    run(command, b"")
}

/// Runs one of the programs that `tests/real/client` knows.
pub fn client(program: &str, arguments: &[&str]) -> anyhow::Result<Output> {
    match program {
        java if java.starts_with("kafka-clients") => need_java(JAVA)?,
        go if go.starts_with("franz-go") || go.starts_with("sarama") => {
            // It refuses a module that needs a newer one.
            need("Go 1.26 or later", Command::new("go").args(["list", "-m"]).current_dir(script("go-clients")))?;
        }
        _ => need_python()?,
    }
    let mut command = Command::new(script("client"));
    command.arg(program).args(arguments);
    run(command, b"")
}

fn need_python() -> anyhow::Result<()> {
    need("Python 3 with pip", Command::new("python3").args(["-m", "pip", "--version"]))
}
