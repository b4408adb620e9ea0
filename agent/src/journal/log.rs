//! The journal's file: entries with length and checksum, appended; a torn tail ends the replay.
//!
//! ```text
//! 0 length   u32  bytes of the payload, little endian
//! 4 crc      u32  CRC-32C of the payload
//! 8 payload       one entry as JSON
//! ```

use super::Entry;
use crate::checkpoint::Disk;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

const FRAME_BYTES: usize = 8;

/// Appends `value` to `out` as one frame.
pub fn put_frame(out: &mut Vec<u8>, value: &impl Serialize) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_BYTES]);
    serde_json::to_writer(&mut *out, value).expect("our own types have no keys that JSON cannot hold");
    let payload = &out[start + FRAME_BYTES..];
    let (length, crc) = (payload.len() as u32, crc32c::crc32c(payload));
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

/// Takes one frame from the front of `bytes`; `None` when it is cut off or not sound.
pub fn take_frame<T: DeserializeOwned>(bytes: &mut &[u8]) -> Option<T> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let payload = rest.get(..length)?;
    if crc32c::crc32c(payload) != u32::from_le_bytes(*crc) {
        return None;
    }
    let value = serde_json::from_slice(payload).ok()?;
    *bytes = &rest[length..];
    Some(value)
}

/// The journal that is written to. After a failed append its file has been cut back to whole entries.
#[derive(Debug)]
pub struct Journal {
    file: File,
    bytes: u64,
    /// A failed append could not be cut off: nothing may follow it.
    torn: bool,
    buffer: Vec<u8>,
    disk: Disk,
}

impl Journal {
    /// Makes an empty journal; whatever had this name is gone.
    pub fn create(path: &Path, disk: Disk) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
        Ok(Self { file, bytes: 0, torn: false, buffer: Vec::new(), disk })
    }

    /// Writes `entry` to the page cache.
    pub fn append(&mut self, entry: &Entry) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.bytes)?;
            self.seek_to_end()?;
            self.torn = false;
        }
        self.buffer.clear();
        put_frame(&mut self.buffer, entry);
        if let Err(error) = self.disk.write_all(&self.file, &self.buffer) {
            self.torn = true;
            return Err(error);
        }
        self.bytes += self.buffer.len() as u64;
        Ok(())
    }

    fn seek_to_end(&mut self) -> io::Result<()> {
        io::Seek::seek(&mut self.file, io::SeekFrom::Start(self.bytes)).map(|_| ())
    }

    /// Only to be flushed from here on.
    pub fn into_file(self) -> File {
        self.file
    }

    /// Another handle on the file, to flush it elsewhere.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What a journal's file holds.
#[derive(Debug, Default)]
pub struct Replay {
    pub entries: Vec<Entry>,
    /// Bytes after the last sound entry.
    pub torn_bytes: usize,
}

/// Reads the sound entries at the front of `bytes`.
pub fn replay(mut bytes: &[u8]) -> Replay {
    let mut entries = Vec::new();
    while let Some(entry) = take_frame(&mut bytes) {
        entries.push(entry);
    }
    Replay { entries, torn_bytes: bytes.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::FileId;

    #[test]
    fn entries_come_back_up_to_the_tear() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("journal");
        let mut journal = Journal::create(&path, Disk::default()).expect("created");
        let entries = [
            Entry::Agent { uuid: "u".into() },
            Entry::Forget { file: FileId(u64::MAX) },
            Entry::Lost { number: 3, reason: "gone".into() },
        ];
        let mut ends = vec![0];
        for entry in &entries {
            journal.append(entry).expect("appended");
            ends.push(journal.bytes() as usize);
        }
        let bytes = std::fs::read(&path).expect("readable");
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|&&end| end != 0 && end <= cut).count();
            let got = replay(&bytes[..cut]);
            assert_eq!(got.entries, entries[..whole]);
            assert_eq!(got.torn_bytes, cut - ends[whole]);
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let whole = ends.iter().filter(|&&end| end != 0 && end <= bit / 8).count();
            assert_eq!(replay(&flipped).entries, entries[..whole]);
        }
    }
}
