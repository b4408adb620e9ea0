//! Child processes: ended by their own pid at the latest when they are dropped, their output in files.

use super::scene::Skipped;
use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// A running child. Dropping it kills it.
pub struct Process {
    child: Child,
    stdout: Log,
    stderr: Log,
}

/// How a child ended, and what it alone said on standard output and standard error.
pub struct Ended {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

/// A file that output is appended to.
#[derive(Clone)]
struct Log {
    path: PathBuf,
    /// What earlier processes of the same name have left in it.
    bytes_before: usize,
}

impl Log {
    fn open(path: PathBuf) -> anyhow::Result<(Self, File)> {
        let open = || -> std::io::Result<(File, u64)> {
            let file = File::options().create(true).append(true).open(&path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        let (file, length) = open().with_context(|| format!("{path:?}"))?;
        Ok((Self { path, bytes_before: usize::try_from(length)? }, file))
    }

    /// Everything in it.
    fn all(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.path).unwrap_or_default()).into_owned()
    }

    /// What has come since it was opened.
    fn since(&self) -> anyhow::Result<String> {
        let mut bytes = fs::read(&self.path).with_context(|| format!("read {:?}", self.path))?;
        bytes.drain(..self.bytes_before);
        String::from_utf8(bytes).with_context(|| format!("text in {:?}", self.path))
    }
}

/// A command, and where to say how its start went.
type Order = (Command, mpsc::Sender<std::io::Result<Child>>);

/// The thread that starts every child. Linux can kill a child when the thread that started it ends (PR_SET_PDEATHSIG):
/// so nothing is left behind even when the tests themselves are killed, and this thread lives as long as they do.
static SPAWNER: LazyLock<Mutex<mpsc::Sender<Order>>> = LazyLock::new(|| {
    let (sender, orders) = mpsc::channel::<Order>();
    thread::spawn(move || {
        for (mut command, answer) in orders {
            // Whoever ordered it waits.
            let _ = answer.send(command.spawn());
        }
    });
    Mutex::new(sender)
});

/// Starts `command` with its output appended to `log.out` and `log.err`.
pub fn start(command: Command, log: &Path) -> anyhow::Result<Process> {
    let (stdout, out) = Log::open(with_extension_added(log, "out"))?;
    let (stderr, err) = Log::open(with_extension_added(log, "err"))?;
    let mut command = tied_to_us(command);
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    let (answer, answered) = mpsc::channel();
    SPAWNER.lock().expect("nobody panics while sending").send((command, answer)).expect("the spawner never ends");
    let child = answered.recv().expect("the spawner answers every order")?;
    Ok(Process { child, stdout, stderr })
}

/// The same command, killed with this process where util-linux can arrange that.
fn tied_to_us(command: Command) -> Command {
    static SETPRIV: LazyLock<bool> = LazyLock::new(|| {
        let probe = Command::new("setpriv").args(["--pdeathsig", "KILL", "true"]).stderr(Stdio::null()).status();
        probe.is_ok_and(|status| status.success())
    });
    if !*SETPRIV {
        return command;
    }
    // setpriv becomes the command, so the pid is the command's.
    let mut tied = Command::new("setpriv");
    tied.args(["--pdeathsig", "KILL"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(name, value),
            None => tied.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        tied.current_dir(directory);
    }
    tied
}

/// A prefix of arguments that takes from root the right to read what it may not, for tests that run as root.
pub fn without_override() -> anyhow::Result<Vec<&'static str>> {
    let prefix = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"];
    let probe = Command::new(prefix[0]).args(&prefix[1..]).arg("true").stderr(Stdio::null()).status();
    match probe.is_ok_and(|status| status.success()) {
        true => Ok(prefix.to_vec()),
        false => Err(Skipped { reason: "root without setpriv may read everything".into() }.into()),
    }
}

/// `command` with `prefix` before it; neither has an environment or a directory of its own.
pub fn prefixed(prefix: &[&str], command: &Command) -> Command {
    let mut whole = Command::new(prefix[0]);
    whole.args(&prefix[1..]).arg(command.get_program()).args(command.get_args());
    whole
}

impl Process {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The CPU time of all its threads so far.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        /// `USER_HZ`, in which Linux counts for everybody (proc(5)).
        const TICKS_PER_SECOND: u32 = 100;
        let path = format!("/proc/{}/stat", self.pid());
        let stat = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        // The name in parentheses may have anything in it; utime and stime are the fields 14 and 15.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = fields.get(11).zip(fields.get(12)).with_context(|| format!("times in {path}"))?;
        Ok(Duration::from_secs(ticks.0.parse::<u64>()? + ticks.1.parse::<u64>()?) / TICKS_PER_SECOND)
    }

    /// The most memory that it has had so far.
    pub fn peak_rss_bytes(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.pid());
        let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        Ok(peak.with_context(|| format!("VmHWM in {path}"))?.parse::<u64>()? * 1024)
    }

    pub fn stdout_path(&self) -> &PathBuf {
        &self.stdout.path
    }

    pub fn stderr_path(&self) -> &PathBuf {
        &self.stderr.path
    }

    /// Everything on standard output so far, also of earlier processes of the same name.
    pub fn stdout(&self) -> String {
        self.stdout.all()
    }

    /// Everything on standard error so far, also of earlier processes of the same name.
    pub fn stderr(&self) -> String {
        self.stderr.all()
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// kill -9, and waits for the end.
    pub fn kill(mut self) -> anyhow::Result<()> {
        if !self.is_running() {
            bail!("it had ended by itself: {:?}", self.child.wait());
        }
        Ok(())
    }

    /// Asks politely, as Ctrl-C does.
    pub fn interrupt(&self) -> anyhow::Result<()> {
        self.signal(Signal::INT)
    }

    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("a child has a pid")?;
        kill_process(pid, signal).with_context(|| format!("send {signal:?}"))
    }

    /// Waits for the end.
    pub fn wait(mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        super::wait::until("end of the process", deadline, || self.child.try_wait().transpose())?.map_err(Into::into)
    }

    /// Waits for the end, and gives what it said, without what others of the same name said before it started.
    pub fn finish(self, deadline: Duration) -> anyhow::Result<Ended> {
        let (stdout, stderr) = (self.stdout.clone(), self.stderr.clone());
        let status = self.wait(deadline)?;
        Ok(Ended { status, out: stdout.since()?, err: stderr.since()? })
    }

    /// Waits until standard error contains `text`.
    pub fn wait_for_stderr(&mut self, text: &str, deadline: Duration) -> anyhow::Result<()> {
        super::wait::until(&format!("{text:?} on standard error"), deadline, || {
            let there = self.stderr().contains(text);
            (there || !self.is_running()).then_some(there)
        })?
        .then_some(())
        .with_context(|| format!("ended without {text:?} on standard error"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `name` becomes `name.extension`, whatever dots are in `name`.
fn with_extension_added(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}
