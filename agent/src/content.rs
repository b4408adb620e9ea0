//! What is in a file, by position: as it lies on the disk, or as it comes out of its compression.

mod gzip;

pub use gzip::{Ended, Gzip};

use crate::fingerprint::{HEAD_BYTES_MAX, MARKER_BYTES_MAX};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// How long a content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// As of now.
    Known(u64),
    /// Its end has not been seen: what is compressed tells only by being read.
    AtLeast(u64),
}

impl Size {
    /// The bytes that are known to be there.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Known(bytes) | Self::AtLeast(bytes) => bytes,
        }
    }
}

/// The bytes of an open file. Positions are those of the uncompressed content.
#[derive(Debug)]
pub enum Content {
    Plain(File),
    /// Too short to tell; no byte of it is given out.
    Undecided {
        file: File,
        gzip_bytes_max: u64,
    },
    Gzip(Box<Gzip>),
}

impl Content {
    /// Opens a regular file for reading without ever blocking, should the name mean something else by now.
    pub fn open(path: &Path) -> io::Result<(Self, Metadata)> {
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let mut content = Self::Undecided { file, gzip_bytes_max: u64::MAX };
        content.decide()?;
        Ok((content, metadata))
    }

    /// The same file from its beginning, after its content was replaced.
    pub fn renewed(&self) -> io::Result<Self> {
        let mut content = Self::Undecided { file: self.file().try_clone()?, gzip_bytes_max: u64::MAX };
        content.decide()?;
        Ok(content)
    }

    /// Sets how many bytes a compressed content gives out at most.
    pub fn limit(&mut self, bytes: u64) {
        match self {
            Self::Plain(_) => {}
            Self::Undecided { gzip_bytes_max, .. } => *gzip_bytes_max = bytes,
            Self::Gzip(gzip) => gzip.limit(bytes),
        }
    }

    /// Looks at the first bytes for what kind of content this is: names do not tell, an archive gets its own at the end.
    fn decide(&mut self) -> io::Result<()> {
        let Self::Undecided { file, gzip_bytes_max } = self else { return Ok(()) };
        let mut first = [0; gzip::MAGIC.len()];
        let read = read_plain(file, 0, &mut first)?;
        if first == gzip::MAGIC {
            *self = Self::Gzip(Box::new(Gzip::new(file.try_clone()?, *gzip_bytes_max)));
        } else if !gzip::MAGIC.starts_with(&first[..read]) {
            *self = Self::Plain(file.try_clone()?);
        }
        Ok(())
    }

    pub fn file(&self) -> &File {
        match self {
            Self::Plain(file) | Self::Undecided { file, .. } => file,
            Self::Gzip(gzip) => gzip.file(),
        }
    }

    pub fn gzip(&self) -> Option<&Gzip> {
        match self {
            Self::Gzip(gzip) => Some(gzip),
            _ => None,
        }
    }

    /// No name leads to it any more, wherever.
    pub fn is_deleted(&self) -> bool {
        self.file().metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    pub fn size(&mut self) -> io::Result<Size> {
        match self {
            Self::Plain(file) | Self::Undecided { file, .. } => Ok(Size::Known(file.metadata()?.len())),
            Self::Gzip(gzip) => Ok(match gzip.file().metadata()?.len() < gzip.taken_bytes() {
                // What was read is gone.
                true => Size::Known(0),
                false if *gzip.ended() == Ended::Whole => Size::Known(gzip.known_bytes()),
                false => Size::AtLeast(gzip.known_bytes()),
            }),
        }
    }

    /// Fills `buffer` from `position` on as far as the content goes.
    pub fn read_at(&mut self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.decide()?;
        match self {
            Self::Plain(file) => read_plain(file, position, buffer),
            Self::Undecided { .. } => Ok(0),
            Self::Gzip(gzip) => gzip.read_at(position, buffer),
        }
    }

    /// Goes towards `position`, a bounded way; `true` when it and the marker before it can be read at once.
    pub fn reach(&mut self, position: u64) -> io::Result<bool> {
        match self {
            Self::Gzip(gzip) => gzip.reach(position.saturating_sub(MARKER_BYTES_MAX as u64)),
            _ => Ok(true),
        }
    }

    /// Nothing before `position` will be asked for soon.
    pub fn passed(&mut self, position: u64) {
        if let Self::Gzip(gzip) = self {
            gzip.passed(position);
        }
    }

    /// The first bytes, as many as a fingerprint covers.
    pub fn head(&mut self) -> io::Result<Vec<u8>> {
        self.decide()?;
        match self {
            Self::Gzip(gzip) => gzip.head(),
            _ => self.read_up_to(0, HEAD_BYTES_MAX),
        }
    }

    /// The bytes just before `position`.
    pub fn before(&mut self, position: u64) -> io::Result<Vec<u8>> {
        let bytes = position.min(MARKER_BYTES_MAX as u64);
        self.read_up_to(position - bytes, bytes as usize)
    }

    /// Reads until `bytes` are there or the content ends.
    pub fn read_up_to(&mut self, position: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; bytes];
        let read = self.read_at(position, &mut buffer)?;
        buffer.truncate(read);
        Ok(buffer)
    }
}

fn read_plain(file: &File, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], position + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_regular_file_is_an_error_and_no_hang() {
        let folder = tempfile::tempdir().expect("folder");
        assert!(Content::open(folder.path()).is_err());
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .expect("made");
        assert!(Content::open(&fifo).is_err());
    }
}
