//! A changed config is taken over while the parts run: at SIGHUP, and at `sluice reload`, which is `POST /reload` of the status port.
//!
//! A part whose keys have changed is stopped as at an end and started as at a start, from its checkpoints or committed
//! offsets: so nothing is lost or repeated that a restart would not lose or repeat.

pub mod ask;
mod changes;

pub use changes::Changed;

use crate::config::{self, ConfigFile, Level};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait while one is carried out: each later one finds what the one before has left.
const REQUESTS_MAX: usize = 16;

/// What came of a reload; the answer to `POST /reload`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What is in force now and was not before, a line each.
    pub taken_over: Vec<String>,
    /// What has changed and needs a new start of the process.
    pub waiting: Vec<String>,
    /// Why nothing, or not everything, was taken over.
    pub refused: Option<String>,
}

/// Somebody asks for a reload.
#[derive(Debug, Default)]
pub struct Request {
    answer: Option<oneshot::Sender<Answer>>,
}

impl Request {
    /// A request, and where its answer comes.
    pub fn new() -> (Self, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        (Self { answer: Some(answer) }, answered)
    }

    /// Traces what came of it, and tells who asked.
    pub fn answer(self, answer: Answer) {
        if !answer.taken_over.is_empty() {
            tracing::info!("reload: {}", answer.taken_over.join("; "));
        }
        if !answer.waiting.is_empty() {
            tracing::warn!("reload: a new start of this process is needed for {}", answer.waiting.join("; "));
        }
        match &answer.refused {
            Some(reason) => tracing::error!("reload: what was in force goes on: {reason}"),
            None if answer.taken_over.is_empty() && answer.waiting.is_empty() => {
                tracing::info!("reload: nothing has changed")
            }
            None => {}
        }
        if let Some(asker) = self.answer {
            // Whoever asked may be gone.
            let _ = asker.send(answer);
        }
    }
}

/// The config that is in force, and who asks for another.
pub struct Renewal {
    named: Option<PathBuf>,
    current: ConfigFile,
    contents: changes::Contents,
    sender: mpsc::Sender<Request>,
    requests: mpsc::Receiver<Request>,
}

impl Renewal {
    /// Listens for SIGHUP from now on. Must be called inside the runtime.
    pub fn start(current: &ConfigFile) -> std::io::Result<Self> {
        let mut hangup = signal(SignalKind::hangup())?;
        let (sender, requests) = mpsc::channel(REQUESTS_MAX);
        let by_signal = sender.clone();
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                // A full queue holds a request that comes after this signal, and sees what it sees.
                let _ = by_signal.try_send(Request::default());
            }
        });
        let contents = changes::Contents::of(current);
        Ok(Self { named: current.named.clone(), current: current.clone(), contents, sender, requests })
    }

    /// Where the status port puts requests.
    pub fn sender(&self) -> mpsc::Sender<Request> {
        self.sender.clone()
    }

    /// The next request.
    pub async fn next(&mut self) -> Request {
        // There is a sender as long as this is here.
        self.requests.recv().await.unwrap_or_default()
    }

    /// Carries out a request: has `take_over` take over what has changed, and tells who asked. `part` is what runs.
    ///
    /// # Errors
    /// Those of `take_over`; then nothing runs any more.
    pub async fn carry_out<P>(
        &mut self,
        request: Request,
        part: P,
        take_over: impl AsyncFnOnce(P, &Changed, &mut Answer) -> anyhow::Result<P>,
    ) -> anyhow::Result<P> {
        let mut answer = Answer::default();
        let changed = match self.look() {
            Ok(changed) => changed,
            Err(reason) => {
                answer.refused = Some(reason);
                request.answer(answer);
                return Ok(part);
            }
        };
        answer.waiting.clone_from(&changed.waiting);
        let part = take_over(part, &changed, &mut answer).await?;
        if answer.refused.is_none() {
            (self.current, self.contents) = changed.into_force();
        }
        request.answer(answer);
        Ok(part)
    }

    /// Reads the file again and says what has changed.
    ///
    /// # Errors
    /// Why the file cannot be used, a sentence.
    fn look(&self) -> Result<Changed, String> {
        let config = match config::find(self.named.as_deref()) {
            None => ConfigFile::default(),
            Some(path) => {
                let text = config::read(&path).map_err(|failure| failure.to_string())?;
                let checked = super::check::check(&path.display().to_string(), &text);
                if let Some(problem) = checked.problems.iter().find(|problem| problem.level == Level::Error) {
                    let line = problem.to_string();
                    return Err(format!("{} ({})", line.lines().next().unwrap_or_default(), problem.hint));
                }
                checked.config.unwrap_or_default()
            }
        };
        let config = ConfigFile { named: self.named.clone(), ..config };
        Ok(Changed::between(&self.current, &self.contents, config))
    }
}
