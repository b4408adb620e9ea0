//! Kafka's command-line tools, one after the other in one Java process (`tests/real/KafkaTools.java`).

use super::kafka::JAVA;
use super::{need_java, script};
use anyhow::{Context, ensure};
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Longest text of an answer: more is a process that has lost its way.
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The process that runs the tools; it ends with this.
pub struct KafkaTools {
    process: Child,
    calls: Option<ChildStdin>,
    answers: ChildStdout,
}

/// What a tool left.
#[derive(Debug)]
pub struct ToolOutput {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl KafkaTools {
    pub fn start() -> anyhow::Result<Self> {
        need_java(JAVA)?;
        let mut command = Command::new(script("kafka-tool"));
        command.arg(script("KafkaTools.java")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("start Kafka's tools")?;
        let calls = process.stdin.take();
        let answers = process.stdout.take().context("it was piped")?;
        Ok(Self { process, calls, answers })
    }

    /// Runs a tool, such as `org.apache.kafka.tools.TopicCommand`, to its end, with `input` to read.
    pub fn run(&mut self, class: &str, arguments: &[&str], input: &str) -> anyhow::Result<ToolOutput> {
        let texts = [class, input].into_iter().chain(arguments.iter().copied());
        let mut call = u32::try_from(arguments.len() + 2)?.to_be_bytes().to_vec();
        for text in texts {
            call.extend(u32::try_from(text.len())?.to_be_bytes());
            call.extend(text.as_bytes());
        }
        let calls = self.calls.as_mut().context("open until this is dropped")?;
        calls.write_all(&call)?;
        calls.flush()?;
        let code = i32::from_be_bytes(self.read_word()?);
        let (stdout, stderr) = (self.read_text()?, self.read_text()?);
        Ok(ToolOutput { code, stdout, stderr })
    }

    fn read_word(&mut self) -> anyhow::Result<[u8; 4]> {
        let mut word = [0; 4];
        self.answers.read_exact(&mut word).context("the process of Kafka's tools has ended")?;
        Ok(word)
    }

    fn read_text(&mut self) -> anyhow::Result<String> {
        let length = u32::from_be_bytes(self.read_word()?) as usize;
        ensure!(length <= TEXT_BYTES_MAX, "Kafka's tools answered a text of {length} bytes");
        let mut text = vec![0; length];
        self.answers.read_exact(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Drop for KafkaTools {
    fn drop(&mut self) {
        drop(self.calls.take());
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
