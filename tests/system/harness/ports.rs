//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Ports below the range from which Linux gives ports to outgoing connections: nobody takes one between our look and
/// the server's start.
const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;
/// A prime, so that two test runs at once start far from each other.
const STRIDE_OF_PROCESSES: u32 = 7919;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port of 127.0.0.1 that nobody listens on and that this process has not handed out before.
pub fn free() -> u16 {
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + process::id().wrapping_mul(STRIDE_OF_PROCESSES).wrapping_add(number) % COUNT;
        let port = u16::try_from(port).expect("the range lies below 65536");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// `127.0.0.1:PORT` with a free port.
pub fn free_address() -> String {
    format!("127.0.0.1:{}", free())
}
