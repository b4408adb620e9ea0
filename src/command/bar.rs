//! A bar on a terminal for what takes longer than a person waits without one.

use crate::screen::{LiveLine, Screen};
use std::time::{Duration, Instant};

/// Before that nothing is shown: most commands have ended by then.
const SHOWN_AFTER: Duration = Duration::from_secs(2);
/// Between two looks at what is waited for.
const TICK: Duration = Duration::from_millis(200);
/// Characters of the bar itself: with its text it fits into 80 columns.
const WIDTH: u64 = 20;

pub struct Bar {
    line: LiveLine,
    screen: Screen,
    begun: Instant,
}

impl Bar {
    pub fn new(screen: &Screen) -> Self {
        Self { line: LiveLine::new(screen), screen: screen.clone(), begun: Instant::now() }
    }

    /// Shows how far it is: `done` of `total`, in whatever unit, and what there is to say of it.
    pub fn show(&mut self, done: u64, total: u64, text: impl FnOnce() -> String) {
        if self.screen.is_terminal() && self.begun.elapsed() >= SHOWN_AFTER {
            let (bar, percent) = drawn(done, total);
            self.line.show_with_bar(&bar, format!("{percent} % · {}", text()));
        }
    }

    /// Takes it away.
    pub fn end(self) {
        self.screen.end();
    }
}

/// Waits for `work`. `far`: how far it is after so long, as [`Bar::show`] takes it.
pub async fn waiting<T>(
    screen: &Screen,
    work: impl Future<Output = T>,
    far: impl Fn(Duration) -> (u64, u64, String),
) -> T {
    let mut bar = Bar::new(screen);
    let mut ticks = tokio::time::interval(TICK);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                bar.end();
                return done;
            }
            _ = ticks.tick() => {
                let (done, total, text) = far(bar.begun.elapsed());
                bar.show(done, total, || text);
            }
        }
    }
}

/// Waits for an answer that comes within `most`, or not at all.
pub async fn waiting_for<T>(screen: &Screen, whom: &str, most: Duration, work: impl Future<Output = T>) -> T {
    let far =
        |waited: Duration| (waited.as_secs(), most.as_secs(), format!("waiting for {whom}, {} s", waited.as_secs()));
    waiting(screen, work, far).await
}

/// Waits for what does not say how far it is.
pub async fn asking<T>(screen: &Screen, whom: &str, work: impl Future<Output = T>) -> T {
    waiting(screen, work, |waited| (0, 1, format!("asking {whom}, {} s", waited.as_secs()))).await
}

/// The bar and its percentage.
fn drawn(done: u64, total: u64) -> (String, u64) {
    let percent = (u128::from(done.min(total)) * 100).checked_div(u128::from(total)).unwrap_or(100);
    let percent = u64::try_from(percent).unwrap_or(100);
    let filled = percent * WIDTH / 100;
    let part = |character: &str, count: u64| character.repeat(usize::try_from(count).unwrap_or_default());
    (format!("[{}{}]", part("#", filled), part("-", WIDTH - filled)), percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_what_it_tells_of() {
        let check = |done, total, filled: usize, percent| {
            let (bar, told) = drawn(done, total);
            assert_eq!((bar.matches('#').count(), bar.len(), told), (filled, 22, percent), "{done} of {total}");
        };
        check(0, 10, 0, 0);
        check(5, 10, 10, 50);
        check(10, 10, 20, 100);
        check(11, 10, 20, 100);
        check(0, 0, 20, 100);
        check(u64::MAX, u64::MAX, 20, 100);
    }
}
