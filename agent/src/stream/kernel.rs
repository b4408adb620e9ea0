//! What only the kernel knows of a UDP socket: how large its buffer is, and what did not fit into it.

use std::fs;
use std::net::UdpSocket;
use std::os::fd::AsFd;

/// The lists of UDP sockets, one for each family.
const TABLES: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];

/// Asks for a larger receive buffer: beyond the system's limit where this process may, else up to it.
pub fn enlarge_receive_buffer(socket: &UdpSocket, bytes: usize) {
    use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
    if set_socket_recv_buffer_size_force(socket, bytes).is_err() {
        // Small buffers lose datagrams in bursts, which is counted.
        let _ = set_socket_recv_buffer_size(socket, bytes);
    }
}

/// Datagrams that the kernel dropped because a socket's buffer was full.
#[derive(Debug)]
pub struct Drops {
    inode: Option<u64>,
    known: u64,
}

impl Drops {
    pub fn of(socket: &impl AsFd) -> Self {
        Self { inode: rustix::fs::fstat(socket).ok().map(|stat| stat.st_ino), known: 0 }
    }

    /// How many there were since the last call; none where the kernel does not tell.
    pub fn since(&mut self) -> u64 {
        let Some(inode) = self.inode else { return 0 };
        let tables = TABLES.iter().filter_map(|table| fs::read_to_string(table).ok());
        let now = tables.filter_map(|table| drops_in(&table, inode)).next().unwrap_or(self.known);
        let more = now.saturating_sub(self.known);
        self.known = now;
        more
    }
}

/// The last column of the line whose tenth one is `inode` (Linux, `net/ipv4/udp.c`: `udp4_format_sock`).
fn drops_in(table: &str, inode: u64) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let its: u64 = columns.nth(9)?.parse().ok()?;
        if its == inode { columns.last()?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_found_by_inode() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
             12: 0100007F:158A 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 99 2 0000000000000000 7\n\
             13: 0100007F:158B 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 100 2 0000000000000000 0\n";
        assert_eq!(drops_in(table, 99), Some(7));
        assert_eq!(drops_in(table, 100), Some(0));
        assert_eq!(drops_in(table, 101), None);
    }

    #[test]
    fn a_full_buffer_shows() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4096).expect("set");
        let mut drops = Drops::of(&socket);
        let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
        for _ in 0..1000 {
            sender.send_to(&[0; 1000], socket.local_addr().expect("bound")).expect("sent");
        }
        assert!(drops.since() > 900);
        assert_eq!(drops.since(), 0);
    }
}
