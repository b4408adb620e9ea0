//! What systemd is told over the socket that it names (sd_notify(3)): ready, reloading, stopping, and signs of life.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// Between two looks at whether a sign of life is due.
const TICK: Duration = Duration::from_millis(200);
/// A reload that takes longer hangs: no drain that anybody waits for is as long, and the supervisor shall see it.
const RELOAD_MAX: Duration = Duration::from_secs(600);

/// Speaks to the supervisor that started this process; without one it says nothing.
pub struct Supervisor {
    socket: Option<UnixDatagram>,
    /// Between two signs of life.
    every: Option<Duration>,
    last: Option<Instant>,
}

impl Supervisor {
    /// As the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
    pub fn from_environment() -> Self {
        let text = |name: &str| std::env::var(name).ok();
        let path = std::env::var_os("NOTIFY_SOCKET");
        let socket = path.and_then(|path| match connect(path.as_bytes()) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!("NOTIFY_SOCKET cannot be used: {error}");
                None
            }
        });
        let is_meant = text("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let limit = text("WATCHDOG_USEC").filter(|_| is_meant).and_then(|micros| micros.parse().ok());
        // Half of the limit, as sd_watchdog_enabled(3) recommends.
        Self { socket, every: limit.map(|micros| Duration::from_micros(micros) / 2), last: None }
    }

    /// Carries out `work`, which takes over a changed config: its beginning is told, that the process lives while parts drain
    /// and start, and its end, unless it fails.
    pub async fn reload<T, E>(&mut self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.reloading();
        let started = Instant::now();
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval(TICK);
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                _ = ticks.tick(), if started.elapsed() < RELOAD_MAX => self.alive(Instant::now()),
            }
        };
        if done.is_ok() {
            self.ready();
        }
        done
    }

    /// Everything has started, or has been taken over.
    pub fn ready(&self) {
        self.say("READY=1\nSTATUS=runs");
    }

    /// A changed config is being taken over; [`Supervisor::ready`] ends it.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reloads"));
    }

    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=drains");
    }

    /// A sign of life when it is due. Called by the loop that runs the parts, so that one that hangs gives none.
    pub fn alive(&mut self, now: Instant) {
        let Some(every) = self.every else { return };
        if self.last.is_none_or(|last| now.duration_since(last) >= every) {
            self.last = Some(now);
            self.say("WATCHDOG=1");
        }
    }

    fn say(&self, text: &str) {
        if let Some(socket) = &self.socket {
            // A supervisor that does not listen must not hold up what it supervises.
            let _ = socket.send(text.as_bytes());
        }
    }
}

/// `path` is that of a socket, or `@NAME` of one in Linux's abstract namespace.
fn connect(path: &[u8]) -> std::io::Result<UnixDatagram> {
    let address = match path {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_and_when() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).expect("a socket");
        let socket = connect(path.as_os_str().as_bytes()).expect("it listens");
        let mut supervisor = Supervisor { socket: Some(socket), every: Some(Duration::from_secs(10)), last: None };
        let said = || {
            let mut bytes = [0; 256];
            let length = listener.recv(&mut bytes).expect("something was said");
            String::from_utf8_lossy(&bytes[..length]).into_owned()
        };
        supervisor.ready();
        assert_eq!(said(), "READY=1\nSTATUS=runs");
        supervisor.reloading();
        assert!(said().starts_with("RELOADING=1\nMONOTONIC_USEC="));
        let start = Instant::now();
        supervisor.alive(start);
        supervisor.alive(start + Duration::from_secs(9));
        supervisor.alive(start + Duration::from_secs(10));
        supervisor.stopping();
        assert_eq!([said(), said(), said()], ["WATCHDOG=1", "WATCHDOG=1", "STOPPING=1\nSTATUS=drains"]);
        assert!(connect(b"@sluice-nobody-listens-here").is_err());
    }

    #[tokio::test]
    async fn a_reload_that_takes_its_time_gives_signs_of_life() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).expect("a socket");
        let socket = connect(path.as_os_str().as_bytes()).expect("it listens");
        let mut supervisor = Supervisor { socket: Some(socket), every: Some(Duration::from_millis(1)), last: None };
        // The work ends when three signs of life were heard while it was going on.
        let heard = tokio::task::spawn_blocking(move || {
            let mut said = Vec::new();
            while said.iter().filter(|text| *text == "WATCHDOG=1").count() < 3 {
                let mut bytes = [0; 256];
                let length = listener.recv(&mut bytes).expect("something was said");
                said.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
            }
            (listener, said)
        });
        let (listener, said) = supervisor.reload(heard).await.expect("the listener does not panic");
        assert!(said[0].starts_with("RELOADING=1\n"), "{said:?}");
        let mut bytes = [0; 256];
        let mut last = String::new();
        while !last.starts_with("READY=1") {
            let length = listener.recv(&mut bytes).expect("something was said");
            last = String::from_utf8_lossy(&bytes[..length]).into_owned();
        }
        let failed = supervisor.reload(async { Err::<(), _>("it cannot be started again") }).await;
        assert!(failed.is_err());
        supervisor.stopping();
        while !last.starts_with("STOPPING=1") {
            let length = listener.recv(&mut bytes).expect("something was said");
            last = String::from_utf8_lossy(&bytes[..length]).into_owned();
            assert!(!last.starts_with("READY=1"), "a reload that failed is no start");
        }
    }
}
