//! Which machine this is, so that a copy of it does not go on under the same identity.

use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;
use twox_hash::XxHash3_64;

/// What tells a machine from a copy of it. The host's name does not: it is changed without a copy, and copied.
///
/// What cannot be read is absent, and says nothing: an agent that is started by another user is the same one still.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostIdentity {
    /// Hash of `/etc/machine-id`: made anew when a machine is set up from an image that was prepared for it.
    pub machine: Option<u64>,
    /// Hash of the firmware's product UUID, which only root can read: another one in each virtual machine.
    pub product: Option<u64>,
    /// Inode and birth time, in nanoseconds, of the checkpoints' folder: others when the folder was copied as files.
    pub folder: Option<(u64, i64)>,
}

impl HostIdentity {
    /// Looks this machine and the folder up.
    pub fn look(folder: &Path) -> Self {
        let hash = |path: &str| {
            let text = fs::read_to_string(path).ok()?;
            // The machine id is not to be shown to others (machine-id(5)), and a hash tells as much.
            (!text.trim().is_empty()).then(|| XxHash3_64::oneshot(text.trim().as_bytes()))
        };
        let folder = fs::metadata(folder).ok().and_then(|metadata| {
            let birth = metadata.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
            Some((metadata.ino(), i64::try_from(birth.as_nanos()).ok()?))
        });
        Self { machine: hash("/etc/machine-id"), product: hash("/sys/class/dmi/id/product_uuid"), folder }
    }

    /// What shows that `now` is another machine, or a copied folder.
    pub fn differs(&self, now: &Self) -> Option<&'static str> {
        let others = |one: Option<u64>, two: Option<u64>| one.is_some_and(|one| two.is_some_and(|two| one != two));
        // An overlay file system may show a folder under another inode after each mount, with the same birth time.
        let folders = |one: (u64, i64)| now.folder.is_some_and(|two| one.1 != two.1);
        if others(self.machine, now.machine) {
            Some("the machine id is another one")
        } else if others(self.product, now.product) {
            Some("the product UUID is another one")
        } else if self.folder.is_some_and(folders) {
            Some("the folder of the checkpoints is a copy")
        } else {
            None
        }
    }

    /// With what `now` says for the first time.
    pub fn with(&self, now: &Self) -> Self {
        Self {
            machine: self.machine.or(now.machine),
            product: self.product.or(now.product),
            folder: self.folder.or(now.folder),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_on_both_sides_can_differ() {
        let host = HostIdentity { machine: Some(1), product: Some(2), folder: Some((3, 4)) };
        let none = HostIdentity::default();
        assert_eq!((host.differs(&host), host.differs(&none), none.differs(&host)), (None, None, None));
        assert_eq!(none.with(&host), host);
        let check = |other: HostIdentity| host.differs(&other).is_some();
        assert!(check(HostIdentity { machine: Some(9), ..host.clone() }));
        assert!(check(HostIdentity { product: Some(9), ..none.clone() }));
        assert!(check(HostIdentity { folder: Some((3, 9)), ..none.clone() }));
        assert!(!check(HostIdentity { folder: Some((9, 4)), ..none }));
    }

    #[test]
    fn a_copied_folder_is_another_one() {
        let one = tempfile::tempdir().expect("folder");
        let here = HostIdentity::look(one.path());
        assert_eq!(here, HostIdentity::look(one.path()));
        if here.folder.is_none() {
            return; // This file system keeps no birth times.
        }
        // Birth times are those of the kernel's ticks.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let two = tempfile::tempdir().expect("folder");
            let there = HostIdentity::look(two.path());
            assert_eq!((here.machine, here.product), (there.machine, there.product));
            if here.differs(&there).is_some() {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "{here:?} {there:?}");
        }
    }
}
