//! A program on a terminal of its own, and what a person would see there. The terminal is that of `script` (bsdutils).

use super::wait;
use crate::real;
use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The terminal of the old days, and still the default of most.
const COLUMNS: u16 = 80;
const ROWS: u16 = 24;
/// What stands between what the program wrote and what `stty` says of the terminal that it has left.
const MARK: &str = "\x1b]0;the program has ended\x07";

/// Everything that came out so far, and what it makes of the screen.
struct Seen {
    bytes: Vec<u8>,
    /// Where the mark ends.
    end: Option<usize>,
    parser: vt100::Parser,
    /// The first line that was longer than the terminal is wide.
    wrapped: Option<String>,
}

impl Seen {
    fn take(&mut self, bytes: &[u8]) {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        if self.end.is_some() {
            return;
        }
        // The mark may have begun in an earlier block.
        let mark = MARK.as_bytes();
        let from = before.saturating_sub(mark.len() - 1);
        let found = self.bytes[from..].windows(mark.len()).position(|window| window == mark);
        self.end = found.map(|at| from + at + mark.len());
        let end = self.end.map_or(bytes.len(), |end| end - before);
        // A line at a time, so that none is gone again before it was looked at.
        for piece in bytes[..end].split_inclusive(|byte| *byte == b'\n') {
            self.parser.process(piece);
            let screen = self.parser.screen();
            let row = (0..ROWS).find(|row| screen.row_wrapped(*row));
            if let (None, Some(row)) = (&self.wrapped, row) {
                self.wrapped = screen.rows(0, COLUMNS).nth(usize::from(row));
            }
        }
    }
}

/// A program on its terminal. Dropping it kills it.
pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    pid: PathBuf,
    seen: Arc<Mutex<Seen>>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Starts `command` in `folder`. `name`: another one for each terminal of a scene.
    pub fn start(name: &str, command: &Command, folder: &Path) -> anyhow::Result<Self> {
        real::need("script of bsdutils", Command::new("script").arg("--version"))?;
        let pid = folder.join(format!("{name}.pid"));
        let program = [command.get_program()].into_iter().chain(command.get_args());
        let program: Vec<String> = program.map(|word| quoted(&word.to_string_lossy())).collect();
        // Without echoctl: what the terminal itself writes for Ctrl-C is not the program's, whose live line may fill its row.
        let line = format!(
            "stty sane -echoctl cols {COLUMNS} rows {ROWS}; (echo $BASHPID >{pid}; exec setpriv --pdeathsig KILL {program}); code=$?; \
             printf '\\033]0;the program has ended\\007'; stty -a; exit $code",
            pid = quoted(&pid.to_string_lossy()),
            program = program.join(" "),
        );
        let mut script = Command::new("script");
        script.args(["--quiet", "--flush", "--return", "--command", &line, "/dev/null"]).current_dir(folder);
        script.env("SHELL", "/bin/bash").env("TERM", "xterm-256color");
        script.env_remove("NO_COLOR").env_remove("COLUMNS").env_remove("LINES");
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = script.spawn().context("start script")?;
        let keys = child.stdin.take().context("its standard input is piped")?;
        let mut from = child.stdout.take().context("its standard output is piped")?;
        let parser = vt100::Parser::new(nonzero(ROWS)?, nonzero(COLUMNS)?, 0);
        let seen = Arc::new(Mutex::new(Seen { bytes: Vec::new(), end: None, parser, wrapped: None }));
        let to = Arc::clone(&seen);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                to.lock().expect("nobody panics while looking").take(&buffer[..read]);
            }
        });
        Ok(Self { child, keys, pid, seen, reader: Some(reader) })
    }

    /// What is on the screen now.
    pub fn screen(&self) -> String {
        self.seen.lock().expect("nobody panics while looking").parser.screen().contents()
    }

    /// Waits until the screen shows `text`.
    pub fn wait_for(&self, text: &str, deadline: Duration) -> anyhow::Result<()> {
        wait::until(&format!("{text:?} on the terminal"), deadline, || self.screen().contains(text).then_some(()))
            .with_context(|| format!("the screen is\n{}", self.screen()))
    }

    /// Ctrl-C.
    pub fn interrupt(&mut self) -> anyhow::Result<()> {
        self.keys.write_all(&[3]).and_then(|()| self.keys.flush()).context("press Ctrl-C")
    }

    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = fs::read_to_string(&self.pid).with_context(|| format!("read {:?}", self.pid))?;
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw).context("a pid")?;
        kill_process(pid, signal).with_context(|| format!("send {signal:?}"))
    }

    /// Waits for the end.
    pub fn ended(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        let ended = wait::until("end of the program", deadline, || self.child.try_wait().transpose());
        Ok(ended.with_context(|| format!("the screen is\n{}", self.screen()))??)
    }

    /// Waits for the end, and looks at what is left: nothing was wider than the terminal, the screen was cleared at most
    /// `clears_max` times as a whole, and the terminal is as it was before.
    pub fn end(mut self, clears_max: usize, deadline: Duration) -> anyhow::Result<(ExitStatus, String)> {
        let status = self.ended(deadline)?;
        let reader = self.reader.take().context("it is taken only here")?;
        reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?;
        let seen = self.seen.lock().expect("nobody panics while looking");
        let end = seen.end.context("the shell says that the program has ended")?;
        let text = String::from_utf8_lossy(&seen.bytes[..end]).into_owned();
        let modes = String::from_utf8_lossy(&seen.bytes[end..]).into_owned();
        let has = |mode: &str| modes.split([' ', ';', '\r', '\n']).any(|word| word == mode);
        ensure!(has("echo") && has("icanon") && has("isig") && has("opost"), "the terminal is left as {modes}");
        let screen = seen.parser.screen();
        ensure!(seen.wrapped.is_none(), "a line is wider than {COLUMNS} columns: {:?}", seen.wrapped);
        let clears = text.matches("\x1b[2J").count() + text.matches("\x1b[3J").count() + text.matches("\x1bc").count();
        ensure!(clears <= clears_max, "the screen was cleared {clears} times as a whole");
        ensure!(!screen.alternate_screen(), "the other screen is left");
        ensure!(!screen.hide_cursor(), "the cursor is hidden");
        let is_plain = screen.fgcolor() == vt100::Color::Default && screen.bgcolor() == vt100::Color::Default;
        ensure!(is_plain && !screen.bold() && !screen.inverse() && !screen.underline(), "attributes are left");
        drop(seen);
        Ok((status, text))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Errors mean that it has ended meanwhile.
            let _ = self.signal(Signal::KILL);
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn nonzero(number: u16) -> anyhow::Result<NonZero<u16>> {
    NonZero::new(number).context("a terminal has rows and columns")
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
