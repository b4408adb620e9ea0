//! Standard error as a screen: traces scroll, below them one live line is kept where it is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};
use unicode_width::UnicodeWidthStr;

/// Between two live lines where standard error is no terminal: a file or a journal wants few of them.
const PLAIN_LINE_INTERVAL: Duration = Duration::from_secs(10);
/// Redraws of the live line in a second: what a person can read.
const REDRAWS_PER_SECOND: u8 = 5;
/// What stands between two facts of a live line.
const FACTS: &str = " · ";

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
    /// What stands there on a terminal.
    shown: String,
    last_plain: Option<Instant>,
}

impl LiveLine {
    pub fn new(screen: &Screen) -> Self {
        Self { screen: screen.clone(), shown: String::new(), last_plain: None }
    }

    /// Shows `text` as it is now.
    pub fn show(&mut self, text: String) {
        if self.screen.is_terminal {
            // Drawn again only when it says something else.
            if self.shown != text {
                self.screen.line.set_message(text.clone());
                if self.screen.line.is_finished() {
                    // Another one was taken away before.
                    self.screen.line.reset();
                }
                self.screen.line.tick();
                self.shown = text;
            }
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
        let size = self.screen.is_terminal.then(columns_of_stderr).flatten();
        match size {
            Some(columns) => eprintln!("{}", broken(text, columns)),
            None => eprintln!("{text}"),
        }
    }
}

fn columns_of_stderr() -> Option<usize> {
    terminal_size::terminal_size_of(io::stderr()).map(|(columns, _)| usize::from(columns.0))
}

/// `text` with its lines broken between facts, so that the terminal does not do it within words.
fn broken(text: &str, columns: usize) -> String {
    let mut broken = String::new();
    for line in text.lines() {
        let mut used = 0;
        for (number, fact) in line.split(FACTS).enumerate() {
            let (width, between) = (fact.width(), FACTS.width());
            if number > 0 {
                let fits = used + between + width <= columns;
                broken.push_str(if fits { FACTS } else { "\n" });
                used = if fits { used + between } else { 0 };
            }
            broken.push_str(fact);
            used += width;
        }
        broken.push('\n');
    }
    broken.pop();
    broken
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_line_is_broken_between_facts() {
        assert_eq!(broken("a 1 · b 2 · c 3", 80), "a 1 · b 2 · c 3");
        assert_eq!(broken("a 1 · b 2 · c 3", 10), "a 1 · b 2\nc 3");
        assert_eq!(broken("a 1 · b 2\nx", 3), "a 1\nb 2\nx");
        assert_eq!(broken("", 3), "");
    }
}
