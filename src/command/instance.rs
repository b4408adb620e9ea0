//! The name under which a worker is a static member of its group (KIP-345).
//!
//! A worker that was killed shall come back under the name that it had, so that it gets its partitions at once instead
//! of after its session's timeout; two workers of one host must never have the same name, since the second would
//! fence the first. So names are numbered, and a number is held as an abstract Unix socket, which ends with its
//! process however that ends.

use std::hash::{DefaultHasher, Hash, Hasher};
#[cfg(target_os = "linux")]
use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr, unix::net::UnixListener};

/// More workers of one group on one host than this are not numbered; they are dynamic members.
const WORKERS_MAX: u32 = 256;

/// A name of a static member; it belongs to this process while this is alive.
pub struct InstanceName {
    pub name: String,
    #[cfg(target_os = "linux")]
    _held: UnixListener,
}

/// Takes the lowest free name of `host` in `group` of the cluster behind `brokers`.
#[cfg(target_os = "linux")]
pub fn take(host: &str, group: &str, brokers: &[String]) -> Option<InstanceName> {
    let mut hasher = DefaultHasher::new();
    (host, group, brokers).hash(&mut hasher);
    let place = hasher.finish();
    (0..WORKERS_MAX).find_map(|number| {
        let address = SocketAddr::from_abstract_name(format!("sluice-worker-{place:016x}-{number}")).ok()?;
        let held = UnixListener::bind_addr(&address).ok()?;
        Some(InstanceName { name: format!("{host}-{group}-{number}"), _held: held })
    })
}

/// Without abstract sockets nothing ends with the process, so workers are dynamic members.
#[cfg(not(target_os = "linux"))]
pub fn take(_: &str, _: &str, _: &[String]) -> Option<InstanceName> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn two_workers_have_two_names_and_a_name_comes_back() {
        let brokers = [format!("test-{}:9092", std::process::id())];
        let take = || take("web-1", "sluice", &brokers).expect("a name is free");
        let first = take();
        let second = take();
        assert_eq!([&*first.name, &*second.name], ["web-1-sluice-0", "web-1-sluice-1"]);
        drop(first);
        assert_eq!(take().name, "web-1-sluice-0");
    }
}
