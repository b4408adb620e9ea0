//! The thread that keeps a data directory in shape: checkpoints, so that a recovery stays short, and retention.

use super::directory::DataDirectory;
use crate::clock::now_ms;
use std::io;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Between two checkpoints: at most this much time of appends is scanned after a crash.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);

/// Tells the thread to end.
#[derive(Default)]
pub(super) struct StopSignal {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl StopSignal {
    pub fn stop(&self) {
        *self.stopped.lock().expect(LOCK) = true;
        self.changed.notify_all();
    }

    pub fn is_stopped(&self) -> bool {
        *self.stopped.lock().expect(LOCK)
    }

    /// `true`: stopped.
    fn wait(&self, duration: Duration) -> bool {
        let stopped = self.stopped.lock().expect(LOCK);
        *self.changed.wait_timeout_while(stopped, duration, |stopped| !*stopped).expect(LOCK).0
    }
}

const LOCK: &str = "nothing panics while it holds this lock";

/// Starts the thread; it holds the directory only while it works.
pub(super) fn start(
    directory: Weak<DataDirectory>,
    stop: Arc<StopSignal>,
    retention_check_interval: Duration,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("log-upkeep".to_owned()).spawn(move || {
        let mut swept = Instant::now();
        while !stop.wait(CHECKPOINT_INTERVAL.min(retention_check_interval)) {
            let Some(directory) = directory.upgrade() else { return };
            let is_short_of_room = directory.is_short_of_room();
            if swept.elapsed() >= retention_check_interval || is_short_of_room {
                directory.sweep(now_ms());
                swept = Instant::now();
            }
            // Whoever still reads a file has it open.
            directory.remove_doomed(if is_short_of_room { i64::MAX } else { now_ms() });
            directory.checkpoint();
        }
    })
}
