//! The journal: what was answered and is in no flushed segment yet.
//!
//! A folder of files `<number>.journal`, each a row of frames. Numbers are little-endian.
//!
//! ```text
//! frame:     length u32 | crc32c of the payload u32 | payload
//! payload:   operations, one after the other
//! operation: sequence u64 | overwrites u8 | index length u16, index | id length u16, id | source length u32, source
//! ```
//!
//! A frame that is cut or whose checksum is wrong ends its file: it was being written when the process was killed, so nobody
//! has an answer to it, and nothing was appended behind it.

use super::limits::FRAME_BYTES_MAX;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const EXTENSION: &str = "journal";
const HEADER_BYTES: usize = 8;

/// One document that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation<'a> {
    /// The number of the write in the store.
    pub sequence: u64,
    /// Whether it takes the place of a document with this id; otherwise there is none.
    pub overwrites: bool,
    pub index: &'a str,
    pub id: &'a str,
    pub source: &'a [u8],
}

/// The file that is written; older ones wait until their documents are committed.
pub struct Journal {
    folder: PathBuf,
    file: File,
    number: u64,
    frame: Vec<u8>,
}

impl Journal {
    /// A new file behind those that are in `folder`, which [`replay`] reads.
    pub fn open(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let number = numbers(folder)?.last().map_or(0, |last| last + 1);
        let file = create(folder, number)?;
        Ok(Self { folder: folder.to_owned(), file, number, frame: Vec::new() })
    }

    /// Adds `operation` to the frame that [`Journal::flush`] writes.
    pub fn append(&mut self, operation: &Operation<'_>) {
        if self.frame.is_empty() {
            self.frame.extend_from_slice(&[0; HEADER_BYTES]);
        }
        let frame = &mut self.frame;
        frame.extend_from_slice(&operation.sequence.to_le_bytes());
        frame.push(u8::from(operation.overwrites));
        for text in [operation.index, operation.id] {
            let length = u16::try_from(text.len()).expect("names and ids have at most 512 bytes");
            frame.extend_from_slice(&length.to_le_bytes());
            frame.extend_from_slice(text.as_bytes());
        }
        let length = u32::try_from(operation.source.len()).expect("a document is smaller than a bulk body");
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(operation.source);
    }

    /// Bytes that the next flush writes.
    pub fn pending_bytes(&self) -> usize {
        self.frame.len()
    }

    /// Writes what was appended and makes it durable; afterwards it may be answered.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let length = u32::try_from(self.frame.len() - HEADER_BYTES).expect("a group of bulk bodies is below 4 GiB");
        let crc = crc32c::crc32c(&self.frame[HEADER_BYTES..]);
        self.frame[..4].copy_from_slice(&length.to_le_bytes());
        self.frame[4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        self.file.write_all(&self.frame)?;
        self.file.sync_data()?;
        self.frame.clear();
        self.frame.shrink_to(1 << 20);
        Ok(())
    }

    /// Begins a new file. Returns its number: when everything that was written until now is committed,
    /// [`Journal::drop_before`] it.
    pub fn roll(&mut self) -> io::Result<u64> {
        self.file = create(&self.folder, self.number + 1)?;
        self.number += 1;
        Ok(self.number)
    }

    /// Deletes the files before `number`.
    pub fn drop_before(&self, number: u64) -> io::Result<()> {
        for old in numbers(&self.folder)?.into_iter().filter(|old| *old < number) {
            std::fs::remove_file(file_path(&self.folder, old))?;
        }
        Ok(())
    }
}

/// Calls `apply` with each operation of each whole frame in `folder`, oldest first.
pub fn replay<E: From<io::Error>>(
    folder: &Path,
    mut apply: impl FnMut(Operation<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let found = match folder.exists() {
        true => numbers(folder)?,
        false => Vec::new(),
    };
    for number in found {
        let path = file_path(folder, number);
        let mut file = io::BufReader::new(File::open(&path)?);
        let mut payload = Vec::new();
        while next_frame(&mut file, &mut payload)? {
            let mut rest = &payload[..];
            while !rest.is_empty() {
                let operation = read_operation(&mut rest).ok_or_else(|| {
                    let reason =
                        format!("read {}: a frame with a right checksum has no whole operations", path.display());
                    io::Error::new(io::ErrorKind::InvalidData, reason)
                })?;
                apply(operation)?;
            }
        }
    }
    Ok(())
}

/// Reads a frame's payload; `false`: the file ends, or was being written here.
fn next_frame(file: &mut impl Read, payload: &mut Vec<u8>) -> io::Result<bool> {
    let mut header = [0; HEADER_BYTES];
    if !read_whole(file, &mut header)? {
        return Ok(false);
    }
    let length = u32::from_le_bytes(header[..4].try_into().expect("four bytes")) as usize;
    let crc = u32::from_le_bytes(header[4..].try_into().expect("four bytes"));
    if length == 0 || length > FRAME_BYTES_MAX {
        return Ok(false);
    }
    payload.resize(length, 0);
    Ok(read_whole(file, payload)? && crc32c::crc32c(payload) == crc)
}

fn read_whole(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn read_operation<'a>(rest: &mut &'a [u8]) -> Option<Operation<'a>> {
    fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
        let (taken, behind) = rest.split_at_checked(length)?;
        *rest = behind;
        Some(taken)
    }
    let text = |rest: &mut &'a [u8]| {
        let length = u16::from_le_bytes(take(rest, 2)?.try_into().ok()?);
        std::str::from_utf8(take(rest, length.into())?).ok()
    };
    let sequence = u64::from_le_bytes(take(rest, 8)?.try_into().ok()?);
    let overwrites = take(rest, 1)?[0] != 0;
    let index = text(rest)?;
    let id = text(rest)?;
    let length = u32::from_le_bytes(take(rest, 4)?.try_into().ok()?);
    Some(Operation { sequence, overwrites, index, id, source: take(rest, length as usize)? })
}

fn create(folder: &Path, number: u64) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create_new(true).open(file_path(folder, number))?;
    // The file's name has to be there after a power cut, too.
    File::open(folder)?.sync_all()?;
    Ok(file)
}

fn file_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.{EXTENSION}"))
}

/// The numbers of the files in `folder`, ascending.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(EXTENSION)?.strip_suffix('.'));
        found.extend(stem.and_then(|stem| stem.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &Path) -> Vec<(u64, String, Vec<u8>)> {
        let mut read = Vec::new();
        replay(folder, |operation| {
            read.push((operation.sequence, operation.id.to_owned(), operation.source.to_owned()));
            Ok::<_, io::Error>(())
        })
        .expect("a readable journal");
        read
    }

    #[test]
    fn what_was_flushed_is_read_wherever_the_file_is_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut journal = Journal::open(folder.path()).expect("a journal");
        let mut ends = vec![0];
        for number in 0..3u64 {
            for part in 0..2 {
                let (id, source) = (format!("{number}-{part}"), format!("{{\"number\":{number}}}").into_bytes());
                let sequence = number * 2 + part;
                journal.append(&Operation { sequence, overwrites: false, index: "a", id: &id, source: &source });
            }
            journal.flush().expect("a flush");
            ends.push(journal.file.metadata().expect("a file").len());
        }
        let path = file_path(folder.path(), 0);
        let whole = std::fs::read(&path).expect("a file");
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).expect("a file");
            let frames = ends.iter().filter(|end| **end != 0 && **end <= length as u64).count();
            assert_eq!(read(folder.path()).len(), frames * 2, "cut at {length}");
        }
        let mut broken = whole.clone();
        *broken.last_mut().expect("bytes") ^= 1;
        std::fs::write(&path, &broken).expect("a file");
        assert_eq!(read(folder.path()).len(), 4);
    }

    #[test]
    fn files_go_when_what_is_in_them_is_committed() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut journal = Journal::open(folder.path()).expect("a journal");
        journal.append(&Operation { sequence: 1, overwrites: true, index: "a", id: "b", source: b"{}" });
        journal.flush().expect("a flush");
        let number = journal.roll().expect("a new file");
        assert_eq!(read(folder.path()), [(1, "b".to_owned(), b"{}".to_vec())]);
        journal.drop_before(number).expect("old files go");
        assert_eq!(read(folder.path()), []);
        drop(journal);
        assert_eq!(Journal::open(folder.path()).expect("a journal").number, number + 1);
    }
}
