//! The terminal while a picture is on it: the other screen, without cursor and echo, and as it was before afterwards.

use super::picture::{Row, Weight};
use crate::command::paint::Paint;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::Once;

/// The other screen, and no cursor on it (xterm's private modes 1049 and 25).
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J";
/// Everything back: attributes, lines that wrap, cursor, the screen with what was there.
const LEAVE: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
/// Terminals that know synchronised updates show what stands between the two at once.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";
/// Columns and rows where the terminal does not tell.
const SIZE_DEFAULT: (usize, usize) = (80, 24);

/// Held while the picture is shown. Dropped, also by a panic, it leaves the terminal as it was.
pub struct Terminal {
    before: Option<Termios>,
}

impl Terminal {
    /// # Errors
    /// Standard output cannot be written.
    pub fn enter() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = stdin.is_terminal().then(|| tcgetattr(&stdin).ok()).flatten();
        if let Some(before) = &before {
            let mut quiet = before.clone();
            // Keys would stand in the picture. Ctrl-C goes on to be a signal.
            quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
            // A terminal that refuses this shows keys, no more.
            let _ = tcsetattr(&stdin, OptionalActions::Now, &quiet);
        }
        restore_before_a_panic_is_told();
        let terminal = Self { before };
        let mut out = io::stdout().lock();
        out.write_all(ENTER.as_bytes())?;
        out.flush()?;
        Ok(terminal)
    }

    /// Columns and rows.
    pub fn size() -> (usize, usize) {
        let size = terminal_size::terminal_size();
        size.map_or(SIZE_DEFAULT, |(columns, rows)| (usize::from(columns.0).max(1), usize::from(rows.0).max(1)))
    }

    /// Writes the picture over the one before. Nothing is cleared that is written anew, so that nothing flickers.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn draw(&self, rows: &[Row], paint: Paint) -> io::Result<()> {
        let (_, height) = Self::size();
        let mut text = format!("{BEGIN}\x1b[H");
        for (number, row) in rows.iter().take(height).enumerate() {
            // Behind the last one a newline would scroll.
            if number > 0 {
                text.push_str("\r\n");
            }
            let _ = write!(text, "{}\x1b[K", painted(row, paint));
        }
        text.push_str("\x1b[J");
        text.push_str(END);
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        leave();
        if let Some(before) = &self.before {
            // There is nobody left to tell.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

fn leave() {
    let mut out = io::stdout().lock();
    let _ = out.write_all(LEAVE.as_bytes()).and_then(|()| out.flush());
}

/// What a panic says would otherwise go away with the other screen.
fn restore_before_a_panic_is_told() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            tell(panic);
        }));
    });
}

/// A line in the colour of its weight.
fn painted(Row { text, weight }: &Row, paint: Paint) -> String {
    match weight {
        Weight::Title => paint.strong(text).to_string(),
        Weight::Plain => text.clone(),
        Weight::Faint => paint.faint(text).to_string(),
        Weight::Good => paint.good(text).to_string(),
        Weight::Bad => paint.bad(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_colour_only_where_colours_are_wanted() {
        for weight in [Weight::Title, Weight::Plain, Weight::Faint, Weight::Good, Weight::Bad] {
            let row = Row { text: "a line".to_owned(), weight };
            assert_eq!(painted(&row, Paint::PLAIN), "a line");
            assert_eq!(painted(&row, Paint::COLOURED).contains('\x1b'), weight != Weight::Plain, "{weight:?}");
        }
    }
}
