//! Writing in the folder of the checkpoints, with a gate where tests make the disk full.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

/// Told how many bytes are about to be written, it says how many of them fit. For tests.
#[derive(Clone)]
pub struct WriteGate(pub Arc<dyn Fn(usize) -> usize + Send + Sync>);

impl fmt::Debug for WriteGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gate")
    }
}

/// The disk under the checkpoints.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    pub gate: Option<WriteGate>,
}

impl Disk {
    /// Writes `bytes`, or as many as fit and an error.
    pub fn write_all(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        let fits = self.gate.as_ref().map_or(bytes.len(), |gate| (gate.0)(bytes.len()).min(bytes.len()));
        file.write_all(&bytes[..fits])?;
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}
