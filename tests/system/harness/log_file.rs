//! A log file with its writer: lines in pieces as they come from a program, and rotation by renaming or by copying.

use super::compress::gz_path;
use super::lines::Stream;
use super::random::Random;
use anyhow::Context;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file that one stream is written to, through all its rotations.
pub struct LogFile {
    path: PathBuf,
    file: File,
    stream: Stream,
    written: u64,
    bytes: u64,
    /// The rest of a torn write, which comes before anything else does.
    pending: Vec<u8>,
    rotations: u32,
}

impl LogFile {
    pub fn create(path: PathBuf, stream: Stream) -> anyhow::Result<Self> {
        let file = create(&path)?;
        Ok(Self { path, file, stream, written: 0, bytes: 0, pending: Vec::new(), rotations: 0 })
    }

    /// Another program that appends to a file that is there.
    pub fn adopt(path: &Path, stream: Stream) -> anyhow::Result<Self> {
        let file = append_to(path)?;
        Ok(Self { path: path.to_owned(), file, stream, written: 0, bytes: 0, pending: Vec::new(), rotations: 0 })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What has been written when nothing is pending, for the oracle.
    pub fn written(&self) -> Written {
        Written { stream: self.stream, lines: self.written }
    }

    /// Bytes of all lines so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes the next `count` lines in one go.
    pub fn write(&mut self, count: u64) -> anyhow::Result<()> {
        let text = self.next_lines(count);
        self.file.write_all(&text).with_context(|| format!("write {:?}", self.path))
    }

    /// Writes the next `count` lines up to any place, mostly within a line; the rest follows with the next write.
    pub fn write_torn(&mut self, count: u64, random: &mut Random) -> anyhow::Result<()> {
        let mut text = self.next_lines(count);
        let at = usize::try_from(random.of(0..text.len() as u64 + 1)).expect("no longer than the text");
        self.pending = text.split_off(at);
        self.file.write_all(&text).with_context(|| format!("write {:?}", self.path))
    }

    /// Renames the file as logrotate does (`x.log` -> `x.log.1` -> `x.log.2` …), lets the writer, who has not noticed
    /// yet, write `late` more lines to it, and begins a new one.
    pub fn rotate(&mut self, late: u64) -> anyhow::Result<()> {
        self.rotate_late(|file| file.write(late))
    }

    /// The same with any writing that the writer does before it notices.
    pub fn rotate_late(&mut self, late: impl FnOnce(&mut Self) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.shift()?;
        fs::rename(&self.path, self.rotated(1)).context("rename the file")?;
        late(self)?;
        self.write(0)?;
        self.file = create(&self.path)?;
        Ok(())
    }

    /// Copies the file and truncates it, as logrotate's `copytruncate` does. Nothing is written in between and no line
    /// is torn by it: what logrotate itself would lose is not the agent's.
    pub fn copy_and_truncate(&mut self) -> anyhow::Result<()> {
        self.write(0)?;
        self.shift()?;
        fs::copy(&self.path, self.rotated(1)).context("copy the file")?;
        self.file.set_len(0).context("truncate the file")
    }

    /// Opens the file that somebody else has put under the name, as a program does that is told to. A torn line goes
    /// on in the old one.
    pub fn reopen(&mut self) -> anyhow::Result<()> {
        self.write(0)?;
        self.file = append_to(&self.path)?;
        Ok(())
    }

    /// The name that the newest rotated file has.
    pub fn rotated_path(&self) -> PathBuf {
        self.rotated(1)
    }

    fn shift(&mut self) -> anyhow::Result<()> {
        for number in (1..=self.rotations).rev() {
            let (from, to) = (self.rotated(number), self.rotated(number + 1));
            // Somebody may have compressed it.
            match from.exists() {
                true => fs::rename(from, to),
                false => fs::rename(gz_path(&from), gz_path(&to)),
            }
            .context("rename a rotated file")?;
        }
        self.rotations += 1;
        Ok(())
    }

    fn rotated(&self, number: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        name.into()
    }

    fn next_lines(&mut self, count: u64) -> Vec<u8> {
        let mut text = std::mem::take(&mut self.pending);
        let pending = text.len();
        for sequence in self.written..self.written + count {
            text.extend_from_slice(self.stream.line(sequence).as_bytes());
            text.push(b'\n');
        }
        self.written += count;
        self.bytes += (text.len() - pending) as u64;
        text
    }
}

/// A new file, written at its end wherever that is, as programs write their logs.
fn create(path: &Path) -> anyhow::Result<File> {
    File::options().append(true).create_new(true).open(path).with_context(|| format!("create {path:?}"))
}

fn append_to(path: &Path) -> anyhow::Result<File> {
    File::options().append(true).open(path).with_context(|| format!("open {path:?}"))
}

/// The first lines of a stream: what must arrive.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    pub stream: Stream,
    pub lines: u64,
}
