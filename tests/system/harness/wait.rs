//! Waiting for something to become true, with a deadline.

use anyhow::{Context, bail};
use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks: short for a person, long for a machine with two cores.
const POLL: Duration = Duration::from_millis(20);

/// Between two looks at what costs the other side something: a refresh of an index.
const COUNT: Duration = Duration::from_millis(500);

/// Looks until `probe` has an answer.
pub fn until<T>(what: &str, deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(answer) = probe() {
            return Ok(answer);
        }
        if Instant::now() >= end {
            bail!("{what}: not within {deadline:?}");
        }
        thread::sleep(POLL);
    }
}

/// Looks until `probe` succeeds; says why it did not the last time.
pub fn until_ok<T>(what: &str, deadline: Duration, mut probe: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let end = Instant::now() + deadline;
    loop {
        match probe() {
            Err(_) if Instant::now() < end => thread::sleep(POLL),
            answer => return answer.with_context(|| format!("{what}: not within {deadline:?}")),
        }
    }
}

/// Looks, once in a while, until `count` gives at least `wanted`. It takes as long as it takes while the count grows;
/// standing still for `patience` is a failure.
pub fn until_count(
    what: &str,
    patience: Duration,
    wanted: u64,
    mut count: impl FnMut() -> anyhow::Result<u64>,
) -> anyhow::Result<()> {
    let mut last = None;
    let mut end = Instant::now() + patience;
    loop {
        let counted = count();
        match &counted {
            Ok(counted) if *counted >= wanted => return Ok(()),
            Ok(counted) if last.is_none_or(|last| *counted > last) => {
                last = Some(*counted);
                end = Instant::now() + patience;
            }
            _ if Instant::now() >= end => bail!("{what}: want {wanted}; stands at {counted:?} for {patience:?}"),
            _ => {}
        }
        thread::sleep(COUNT);
    }
}

/// Looks until `probe` gives `wanted`; says what it gave last.
pub fn until_equal<T: PartialEq + Debug>(
    what: &str,
    deadline: Duration,
    wanted: T,
    mut probe: impl FnMut() -> anyhow::Result<T>,
) -> anyhow::Result<()> {
    let end = Instant::now() + deadline;
    loop {
        let got = probe();
        match &got {
            Ok(got) if *got == wanted => return Ok(()),
            _ if Instant::now() < end => thread::sleep(POLL),
            _ => bail!("{what}: not within {deadline:?}: want {wanted:?}; got {got:?}"),
        }
    }
}
