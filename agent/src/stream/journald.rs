//! systemd's journal, as journalctl tells it: each entry goes to the spool as a line of JSON, and its cursor with it.
//!
//! The cursor is part of the entry, so that a killed agent has both or neither: the next run asks for what comes behind
//! the last whole entry of the spool.

use super::export::{Export, JournalEntry};
use super::writer::{Closed, Writer};
use crate::config::From;
use crate::format::spool::put_entry;
use serde::Deserialize;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Name of the first journal's stream; others have a number behind it.
pub const STREAM: &str = "journald";
/// Bytes of one read.
const READ_BYTES: usize = 64 * 1024;
/// What journalctl says on standard error, as far as it is reported.
const COMPLAINT_BYTES_MAX: usize = 512;
/// Pause before journalctl is started again, growing from one failure to the next.
const BACK_OFF_MIN: Duration = Duration::from_millis(500);
const BACK_OFF_MAX: Duration = Duration::from_secs(60);
/// A journalctl that has run for so long works, also while there is nothing to tell.
const SETTLED: Duration = Duration::from_secs(2);
/// Who reads the journal once does not wait for ever.
const TRIES_ONCE: u32 = 3;

/// Which journal, and what of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journald {
    /// Only entries of these units; all when empty.
    pub units: Vec<String>,
    /// Folder of journal files instead of the system's.
    pub directory: Option<PathBuf>,
    /// The program that reads it.
    pub journalctl: PathBuf,
}

impl Default for Journald {
    fn default() -> Self {
        Self { units: Vec::new(), directory: None, journalctl: "journalctl".into() }
    }
}

/// What a run of the agent wants of the journal.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub journal: Journald,
    pub from: From,
    /// End where the journal ends now.
    pub once: bool,
    pub line_bytes_max: usize,
}

/// Why journalctl has to be started again.
enum Ended {
    Well,
    Badly(String),
}

/// Reads until `stop`, or, once, until the end.
pub async fn run(wanted: Wanted, writer: &Writer, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => writer.end(None),
        () = read(&wanted, writer) => {}
    }
}

async fn read(wanted: &Wanted, writer: &Writer) {
    let (mut back_off, mut failures) = (BACK_OFF_MIN, 0);
    loop {
        let before = writer.mark();
        let at_end = before.is_none() && wanted.from == From::End;
        let ended = if at_end { find_end(wanted, writer).await } else { follow(wanted, writer).await };
        match ended {
            Err(Closed) => return,
            Ok(Ended::Well) if at_end => continue,
            Ok(Ended::Well) if wanted.once => return writer.end(None),
            Ok(Ended::Well) => writer.set_problem(Some("journalctl has ended; it is started again".to_owned())),
            Ok(Ended::Badly(why)) => {
                failures += 1;
                if wanted.once && failures == TRIES_ONCE {
                    return writer.end(Some(why));
                }
                writer.set_problem(Some(why));
            }
        }
        if writer.mark() != before {
            (back_off, failures) = (BACK_OFF_MIN, 0);
        }
        tokio::time::sleep(back_off).await;
        back_off = (back_off * 2).min(BACK_OFF_MAX);
    }
}

/// Notes where the journal ends now, so that what comes from now on is not missed, whenever it is read.
async fn find_end(wanted: &Wanted, writer: &Writer) -> Result<Ended, Closed> {
    let mut command = command(&wanted.journal);
    command.arg("--lines=1");
    let mut reading = match Reading::start(command) {
        Ok(reading) => reading,
        Err(why) => return Ok(Ended::Badly(why)),
    };
    let mut cursor = None;
    while reading.next(writer).await {
        cursor = reading.batch.last().and_then(|entry| Some(entry.cursor()?.to_owned())).or(cursor);
    }
    let ended = reading.end().await;
    if let Ended::Well = ended {
        // An empty journal: everything that will be in it is new.
        if let Err(error) = writer.set_mark(cursor.as_deref().unwrap_or("")) {
            return Ok(Ended::Badly(format!("cannot write where the journal ends: {error}")));
        }
    }
    Ok(ended)
}

async fn follow(wanted: &Wanted, writer: &Writer) -> Result<Ended, Closed> {
    let mut command = command(&wanted.journal);
    if !wanted.once {
        command.args(["--follow", "--no-tail"]);
    }
    if let Some(cursor) = writer.mark().filter(|cursor| !cursor.is_empty()) {
        command.arg(format!("--after-cursor={cursor}"));
    }
    let mut reading = match Reading::start(command) {
        Ok(reading) => reading,
        Err(why) => return Ok(Ended::Badly(why)),
    };
    let mut spooled = Vec::new();
    while reading.next(writer).await {
        spooled.clear();
        let mut cursor = None;
        for entry in &reading.batch {
            let (line, cut) = entry.json(wanted.line_bytes_max);
            put_entry(&mut spooled, None, &line, cut);
            cursor = entry.cursor().or(cursor);
        }
        writer.append(&spooled, cursor).await?;
    }
    Ok(reading.end().await)
}

fn command(journal: &Journald) -> Command {
    let mut command = Command::new(&journal.journalctl);
    command.args(["--output=export", "--quiet", "--no-pager"]);
    command.args(journal.units.iter().map(|unit| format!("--unit={unit}")));
    if let Some(directory) = &journal.directory {
        command.arg("--directory").arg(directory);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// A journalctl that runs.
struct Reading {
    child: Child,
    output: ChildStdout,
    complaint: JoinHandle<String>,
    export: Export,
    buffer: Vec<u8>,
    /// What [`Reading::next`] has found.
    batch: Vec<JournalEntry>,
    /// When it is known to work, if it is not yet.
    settles_at: Option<Instant>,
    failed: Option<String>,
}

impl Reading {
    fn start(mut command: Command) -> Result<Self, String> {
        let program = command.as_std().get_program().to_owned();
        let mut child = command.spawn().map_err(|error| format!("cannot start {program:?}: {error}"))?;
        let output = child.stdout.take().ok_or("journalctl has no output")?;
        let complaint = complaint(&mut child);
        Ok(Self {
            child,
            output,
            complaint,
            export: Export::new(),
            buffer: vec![0; READ_BYTES],
            batch: Vec::new(),
            settles_at: Some(Instant::now() + SETTLED),
            failed: None,
        })
    }

    /// Waits for entries; `false` when there will be no more.
    async fn next(&mut self, writer: &Writer) -> bool {
        self.batch.clear();
        while self.batch.is_empty() {
            let read = match self.settles_at {
                None => self.output.read(&mut self.buffer).await,
                Some(at) => match tokio::time::timeout_at(at, self.output.read(&mut self.buffer)).await {
                    Ok(read) => read,
                    Err(_) => {
                        self.settles_at = None;
                        writer.set_problem(None);
                        continue;
                    }
                },
            };
            match read {
                Ok(0) => return false,
                Ok(read) => {
                    let batch = &mut self.batch;
                    self.export.take(&self.buffer[..read], |entry| batch.push(entry));
                }
                Err(error) => {
                    self.failed = Some(format!("cannot read from journalctl: {error}"));
                    return false;
                }
            }
        }
        true
    }

    async fn end(mut self) -> Ended {
        if let Some(why) = self.failed {
            return Ended::Badly(why);
        }
        let status = self.child.wait().await;
        let said = self.complaint.await.unwrap_or_default();
        match status {
            Ok(status) if status.success() => Ended::Well,
            Ok(status) => Ended::Badly(ended_badly(status, &said)),
            Err(error) => Ended::Badly(format!("cannot wait for journalctl: {error}")),
        }
    }
}

fn ended_badly(status: ExitStatus, said: &str) -> String {
    let said = said.trim();
    if said.is_empty() { format!("journalctl ended with {status}") } else { format!("journalctl: {said:?}") }
}

/// Reads what journalctl complains of, all of it, so that it never waits for that.
fn complaint(child: &mut Child) -> JoinHandle<String> {
    let stderr = child.stderr.take();
    tokio::spawn(async move {
        let Some(mut stderr) = stderr else { return String::new() };
        let (mut said, mut buffer) = (Vec::new(), [0; 1024]);
        while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
            let room = COMPLAINT_BYTES_MAX.saturating_sub(said.len());
            said.extend_from_slice(&buffer[..read.min(room)]);
        }
        String::from_utf8_lossy(&said).into_owned()
    })
}

/// The cursor in a line that was made of an entry.
pub fn cursor_of(line: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Cursor {
        #[serde(rename = "__CURSOR")]
        cursor: String,
    }
    serde_json::from_slice::<Cursor>(line).ok().map(|found| found.cursor)
}
