//! A machine of its own, for commands as they are written down: the network and the directories that they write to are not
//! those of this one, so that default ports are free and nothing is left behind.

use super::process::Process;
use super::scene::Scene;
use super::sluice;
use super::terminal::Terminal;
use super::wait;
use crate::real;
use anyhow::{Context, ensure};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

/// For a loaded machine to make namespaces.
const MADE: Duration = Duration::from_secs(60);
/// Directories that are changed in a copy. What they have is there to be read.
const COPIED: [&str; 3] = ["etc", "usr/local", "var/lib"];
/// `$0` is a folder for the copies, `$1` the program, the rest are the copied directories. 10.0.0.5 is what the
/// documentation calls another host.
const MAKE: &str = "set -e; folder=$0; program=$1; shift; ip link set lo up; ip address add 10.0.0.5/32 dev lo; \
     for each; do mkdir -p \"$folder/$each/upper\" \"$folder/$each/work\"; \
     mount -t overlay overlay -o \"lowerdir=/$each,upperdir=$folder/$each/upper,workdir=$folder/$each/work\" \"/$each\"; done; \
     mount -t tmpfs tmpfs /var/log; touch /usr/local/bin/sluice; mount --bind \"$program\" /usr/local/bin/sluice; \
     echo made; exec sleep infinity";

/// The namespaces live as long as the process that made them.
pub struct Machine<'a> {
    scene: &'a Scene,
    holder: Process,
    /// Where commands run.
    folder: PathBuf,
}

impl<'a> Machine<'a> {
    pub fn start(scene: &'a Scene) -> anyhow::Result<Self> {
        for tool in ["ip", "nsenter", "curl", "kcat", "script"] {
            real::need(tool, Command::new("sh").args(["-c", &format!("command -v {tool}")]))?;
        }
        let namespaces = ["--mount", "--net"];
        real::need("namespaces, which root may make", Command::new("unshare").args(namespaces).arg("true"))?;
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["sh", "-c", MAKE]).arg(scene.directory("copies")).arg(sluice::binary());
        command.args(COPIED);
        let mut holder = scene.start("machine", command);
        let made = wait::until("a machine of its own", MADE, || {
            let made = holder.stdout().contains("made");
            (made || !holder.is_running()).then_some(made)
        })?;
        ensure!(made, "the machine could not be made: {}", holder.stderr());
        Ok(Self { scene, holder, folder: scene.directory("here") })
    }

    /// The shell that runs `line` there. A single command becomes the shell's process.
    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.pid().to_string(), "--mount", "--net", "bash", "-c"]);
        command.arg(format!("cd '{}' && {line}", self.folder.display()));
        command.env_remove("RUST_LOG").env("RUST_BACKTRACE", "1").env("NO_COLOR", "1");
        command
    }

    /// Runs `line` to its end.
    pub fn run(&self, line: &str) -> anyhow::Result<Output> {
        self.shell(line).output().with_context(|| format!("run {line}"))
    }

    /// Waits until `condition` succeeds.
    pub fn wait_for(&self, condition: &str, deadline: Duration) -> anyhow::Result<()> {
        let mut said = String::new();
        let holds = wait::until(condition, deadline, || {
            let output = self.run(condition).ok()?;
            said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            output.status.success().then_some(())
        });
        holds.with_context(|| format!("it said last: {said}"))
    }

    /// Starts `line`, a single command, on a terminal. `name`: another one for each.
    pub fn terminal(&self, name: &str, line: &str) -> anyhow::Result<Terminal> {
        Terminal::start(name, &self.shell(&format!("exec {line}")), self.scene.folder())
    }
}
