//! An Apache Kafka that belongs to one test, so that it may be killed, stopped and started again.

use super::kafka::JAVA;
use super::{START, need_java, script};
use crate::harness::process::Process;
use crate::harness::scene::Scene;
use crate::harness::{ports, topic, wait};
use anyhow::{Context, ensure};
use rustix::process::Signal;
use std::process::Command;

/// Nodes of one cluster are formatted with the same id.
const CLUSTER_ID: &str = "c2x1aWNlLXRlc3Qtbm9kZQ";
/// Several of them run beside other tests.
const HEAP: &str = "-Xmx384m -Xms128m";

/// A node of a test's own.
pub struct KafkaNode<'a> {
    scene: &'a Scene,
    name: String,
    port: u16,
    controller_port: u16,
    id: i32,
    properties: String,
    process: Option<Process>,
}

impl<'a> KafkaNode<'a> {
    /// A node that is not running yet. `properties` (lines of server.properties) are added to those of the script.
    pub fn new(scene: &'a Scene, name: &str, controller_port: u16, properties: &str) -> anyhow::Result<Self> {
        need_java(JAVA)?;
        let (port, name, properties) = (ports::free(), name.to_owned(), properties.to_owned());
        // The script's own is 0.
        let id = properties.lines().find_map(|line| line.strip_prefix("node.id=")).unwrap_or("0");
        let id = id.parse().context("node.id is a number")?;
        Ok(Self { scene, name, port, controller_port, id, properties, process: None })
    }

    /// `HOST:PORT` on which the node itself listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts the node with the state that it left, and waits until it answers and is part of the cluster, which is later.
    pub fn start(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(script("run"));
        command.arg("kafka").arg(self.scene.path(&format!("{}-state", self.name)));
        command.args([self.port, self.controller_port].map(|port| port.to_string()));
        let properties = self.properties.replace("PORT", &self.port.to_string());
        command.env("KAFKA_PROPERTIES", properties).env("KAFKA_CLUSTER_ID", CLUSTER_ID).env("JAVA_HEAP", HEAP);
        let mut process = self.scene.start(&self.name, command);
        let address = self.address();
        let answers = wait::until(&format!("{} at {address}", self.name), START, || {
            let answers = std::net::TcpStream::connect(&address).is_ok()
                && topic::nodes(&address).is_ok_and(|nodes| nodes.contains(&self.id));
            (answers || !process.is_running()).then_some(answers)
        })?;
        ensure!(answers, "{} ended", self.name);
        self.process = Some(process);
        Ok(())
    }

    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().context("the node runs")?.kill()
    }

    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.process.as_ref().context("the node runs")?.signal(signal)
    }
}
