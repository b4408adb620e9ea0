//! What systemd is told over the socket that it names (sd_notify(3)): ready, reloading, stopping, and signs of life.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

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
}
