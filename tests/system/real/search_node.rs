//! An Elasticsearch or OpenSearch that belongs to one test, so that it may be killed and started again.

use super::{START, need, need_java, script};
use crate::harness::process::Process;
use crate::harness::scene::Scene;
use crate::harness::{http, ports, wait};
use anyhow::{Context, ensure};
use std::process::Command;

/// A node of a test's own.
pub struct SearchNode<'a> {
    scene: &'a Scene,
    part: &'static str,
    heap_mib: u32,
    ports: [u16; 2],
    process: Option<Process>,
}

impl<'a> SearchNode<'a> {
    /// A running node of `part`, as tests/real/fetch names it. All bulk requests together may have a tenth of its heap.
    pub fn start(scene: &'a Scene, part: &'static str, heap_mib: u32) -> anyhow::Result<Self> {
        match part.starts_with("elasticsearch-7.") || part.starts_with("elasticsearch-8.") {
            true => need("a JDK from 17 to 21", Command::new(script("jdk")).args(["17", "21"]))?,
            false => need_java("21")?,
        }
        let mut node = Self { scene, part, heap_mib, ports: [ports::free(), ports::free()], process: None };
        node.again()?;
        Ok(node)
    }

    /// Base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    /// Starts it with the state that it left, and waits until it answers.
    pub fn again(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(script("run"));
        command.arg(self.part).arg(self.scene.path(&format!("{}-state", self.part)));
        command
            .args(self.ports.map(|port| port.to_string()))
            .env("JAVA_HEAP", format!("-Xms{0}m -Xmx{0}m", self.heap_mib));
        let mut process = self.scene.start(self.part, command);
        let health = format!("{}/_cluster/health?wait_for_status=yellow&timeout=1s", self.url());
        let answers = wait::until(&format!("{} at {}", self.part, self.url()), START, || {
            let answers = http::get(&health).is_ok_and(|(status, _)| status == 200);
            (answers || !process.is_running()).then_some(answers)
        })?;
        ensure!(answers, "{} ended", self.part);
        self.process = Some(process);
        Ok(())
    }

    /// kill -9.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().context("the node runs")?.kill()
    }
}
