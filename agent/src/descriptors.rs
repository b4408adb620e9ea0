//! How many files the process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the process's limit of descriptors as far as it may, and says how many of them `wanted` files may take: a
/// quarter is left for sockets, the journal and whatever else runs in this process.
pub fn allowed(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        // Without it fewer files are open at a time.
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    share(wanted, limit.current)
}

/// `None`: no limit.
fn share(wanted: usize, limit: Option<u64>) -> usize {
    let most = limit.map_or(usize::MAX, |limit| usize::try_from(limit / 4 * 3).unwrap_or(usize::MAX));
    wanted.min(most).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_what_the_process_may_open_is_left() {
        assert_eq!(share(1024, Some(256)), 192);
        assert_eq!(share(1024, Some(20_000)), 1024);
        assert_eq!(share(1024, None), 1024);
        assert_eq!(share(1024, Some(0)), 1);
    }
}
