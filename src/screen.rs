//! Standard error as a screen: traces scroll, below them one live line is kept where it is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two live lines where standard error is no terminal: a file or a journal wants few of them.
const PLAIN_LINE_INTERVAL: Duration = Duration::from_secs(10);
/// Redraws of the live line in a second: what a person can read.
const REDRAWS_PER_SECOND: u8 = 5;

/// The one owner of standard error after the start; clones share it.
#[derive(Clone)]
pub struct Screen {
    line: ProgressBar,
    is_terminal: bool,
}

impl Screen {
    pub fn new() -> Self {
        let is_terminal = io::stderr().is_terminal();
        let target = match is_terminal {
            true => ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND),
            false => ProgressDrawTarget::hidden(),
        };
        let line = ProgressBar::with_draw_target(None, target);
        line.set_style(ProgressStyle::with_template("{wide_msg}").expect("a constant template is valid"));
        Self { line, is_terminal }
    }

    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Prints a whole text above the live line.
    pub fn print(&self, text: &str) {
        self.line.suspend(|| eprint!("{text}"));
    }

    /// Runs `print` while the live line is out of the way, for output to the same terminal.
    pub fn suspend<R>(&self, print: impl FnOnce() -> R) -> R {
        self.line.suspend(print)
    }

    /// Removes the live line.
    pub fn end(&self) {
        self.line.finish_and_clear();
    }
}

/// The live line of one run, which `show` renews.
pub struct LiveLine {
    screen: Screen,
    last_plain: Option<Instant>,
}

impl LiveLine {
    pub fn new(screen: &Screen) -> Self {
        Self { screen: screen.clone(), last_plain: None }
    }

    /// Shows `text` as it is now.
    pub fn show(&mut self, text: String) {
        if self.screen.is_terminal {
            self.screen.line.set_message(text);
            self.screen.line.tick();
        } else if self.last_plain.is_none_or(|at| at.elapsed() >= PLAIN_LINE_INTERVAL) {
            eprintln!("{text}");
            self.last_plain = Some(Instant::now());
        }
    }

    /// Shows `text` as it is now, on a terminal behind `bar`.
    pub fn show_with_bar(&mut self, bar: &str, text: String) {
        let text = if self.screen.is_terminal { format!("{bar} {}", text.trim_start()) } else { text };
        self.show(text);
    }

    /// Leaves `text` as the last line.
    pub fn finish(self, text: &str) {
        self.screen.end();
        eprintln!("{text}");
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Screen {
    type Writer = TraceWriter;

    fn make_writer(&'a self) -> TraceWriter {
        TraceWriter { screen: self.clone() }
    }
}

/// Writes one trace above the live line.
pub struct TraceWriter {
    screen: Screen,
}

impl Write for TraceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.screen.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
