//! Apache Kafka: the server, one process as broker and controller, and its console tools.

use super::{Shared, need_java, script, start};
use crate::harness::{ports, topic};
use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// The oldest Java that Kafka 4 runs on.
pub(super) const JAVA: &str = "17";

/// A running Apache Kafka.
pub struct Kafka {
    /// `HOST:PORT` for clients.
    pub address: String,
}

/// The shared Apache Kafka.
pub fn kafka() -> anyhow::Result<&'static Kafka> {
    static KAFKA: Shared<Kafka> = Shared::new();
    need_java(JAVA)?;
    KAFKA.get(|| {
        let ports = [ports::free(), ports::free()];
        let address = format!("127.0.0.1:{}", ports[0]);
        start("kafka", ports, || topic::nodes(&address).is_ok_and(|nodes| !nodes.is_empty()))?;
        Ok(Kafka { address })
    })
}

/// Runs one of Kafka's tools, such as `org.apache.kafka.tools.TopicCommand`, to its end, with `input` to read.
pub fn kafka_tool<S: AsRef<OsStr>>(class: &str, arguments: &[S], input: &[u8]) -> anyhow::Result<Output> {
    need_java(JAVA)?;
    let mut command = Command::new(script("kafka-tool"));
    command.arg(class).args(arguments);
    run(command, input)
}

/// Runs a command with something to read.
pub(super) fn run(mut command: Command, input: &[u8]) -> anyhow::Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().expect("it was piped");
    std::thread::scope(|scope| {
        // Written beside the reading, so that neither waits for the other; a tool may stop before it has read all.
        scope.spawn(move || stdin.write_all(input));
        Ok(child.wait_with_output()?)
    })
}
