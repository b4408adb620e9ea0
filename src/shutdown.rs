//! Ctrl-C and SIGTERM: the first one asks everything to drain and end, the second one ends the process at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a process that a second signal ended: 128 + SIGINT, as shells count.
const EXIT_INTERRUPTED: i32 = 130;

/// A token that the first SIGINT or SIGTERM cancels. Must be called inside the runtime.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => (), _ = terminate.recv() => () }
        stop.cancel();
        tokio::select! { _ = interrupt.recv() => (), _ = terminate.recv() => () }
        std::process::exit(EXIT_INTERRUPTED);
    });
    Ok(token)
}
