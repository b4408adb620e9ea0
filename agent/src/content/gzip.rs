//! A compressed content (RFC 1952), read forward in one stream: several members, one that is still being written, and
//! whatever stands behind them.
//!
//! Invariant: memory is bounded by what one read asks for. Bytes that were read stay in the window until
//! [`Gzip::passed`] says that nobody will ask for them again; to go back further is to begin anew.

use crate::fingerprint::{HEAD_BYTES_MAX, MARKER_BYTES_MAX};
use flate2::{Decompress, FlushDecompress, Status};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How every member begins: two magic bytes, and deflate, the only method that there is.
pub const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// The largest window of deflate (RFC 1951).
const WINDOW_BITS: u8 = 15;
/// Compressed bytes read at a time.
const INPUT_BYTES: usize = 32 * 1024;
/// Uncompressed bytes that come out at a time.
const OUTPUT_BYTES: usize = 64 * 1024;
/// Uncompressed bytes that one turn may pass on the way to its position: some ten milliseconds.
const REACH_BYTES: u64 = 4 * 1024 * 1024;

/// How a compressed content ends, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Not yet: there is more to decompress.
    No,
    /// Behind a whole member, at the end of the file.
    Whole,
    /// The file ends inside of a member: it is still being written, or was cut off.
    Inside,
    /// What comes next is not a gzip stream, and never will be.
    Broken(String),
}

/// The members of an open file.
#[derive(Debug)]
pub struct Gzip {
    file: File,
    /// Where the member begins that is being read or comes next: in the file, and in the content.
    member: (u64, u64),
    /// Inside of a member.
    stream: Option<Box<Decompress>>,
    /// Bytes of the file that were decompressed.
    taken: u64,
    /// Bytes of the content that came out.
    at: u64,
    /// The content just before `at`.
    window: Vec<u8>,
    /// The content's beginning, up to [`HEAD_BYTES_MAX`].
    head: Vec<u8>,
    ended: Ended,
    /// More content than this is not read: a few bytes can decompress to a thousand times as many.
    bytes_max: u64,
}

impl Gzip {
    pub fn new(file: File, bytes_max: u64) -> Self {
        Self {
            file,
            member: (0, 0),
            stream: None,
            taken: 0,
            at: 0,
            window: Vec::new(),
            head: Vec::new(),
            ended: Ended::No,
            bytes_max,
        }
    }

    pub fn limit(&mut self, bytes: u64) {
        self.bytes_max = bytes;
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// How the content ends, as of the last read.
    pub fn ended(&self) -> &Ended {
        &self.ended
    }

    /// Whether it holds what decompressing needs, which is far more than a file that rests.
    pub fn is_busy(&self) -> bool {
        self.stream.is_some()
    }

    /// Bytes of the content that are known.
    pub fn known_bytes(&self) -> u64 {
        self.at
    }

    /// Bytes of the file that were decompressed.
    pub fn taken_bytes(&self) -> u64 {
        self.taken
    }

    fn window_start(&self) -> u64 {
        self.at - self.window.len() as u64
    }

    /// Forgets what stands before `position`, but for a marker's length.
    pub fn passed(&mut self, position: u64) {
        let unneeded = self.window.len().saturating_sub(MARKER_BYTES_MAX) as u64;
        let unused = position.saturating_sub(self.window_start()).min(unneeded);
        self.window.drain(..unused as usize);
        if self.window.capacity() > 2 * OUTPUT_BYTES && self.window.len() < OUTPUT_BYTES {
            self.window.shrink_to(OUTPUT_BYTES);
        }
    }

    /// Goes towards `position`, a bounded way; `true` when reading can go on there, or nothing more comes.
    pub fn reach(&mut self, position: u64) -> io::Result<bool> {
        self.go_back_to(position);
        let end = self.at.saturating_add(REACH_BYTES);
        while self.at < position {
            if self.at >= end {
                return Ok(false);
            }
            if !self.step()? {
                break;
            }
            self.passed(position);
        }
        Ok(true)
    }

    /// Fills `buffer` from `position` on as far as the content goes now.
    pub fn read_at(&mut self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.go_back_to(position);
        while self.at < position + buffer.len() as u64 && self.step()? {
            self.passed(position);
        }
        let Some(from) = position.checked_sub(self.window_start()).map(|from| from as usize) else { return Ok(0) };
        let there = self.window.get(from..).unwrap_or_default();
        let bytes = there.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&there[..bytes]);
        Ok(bytes)
    }

    /// The content's first bytes.
    pub fn head(&mut self) -> io::Result<Vec<u8>> {
        // Nothing is dropped from the window here: whoever looks at the head reads on from there.
        while self.head.len() < HEAD_BYTES_MAX && self.step()? {}
        Ok(self.head.clone())
    }

    /// Begins anew when the window does not go back to `position`.
    fn go_back_to(&mut self, position: u64) {
        if position >= self.window_start() {
            return;
        }
        if self.member.1 > position {
            self.member = (0, 0);
        }
        (self.taken, self.at) = self.member;
        self.stream = None;
        self.window.clear();
        self.ended = Ended::No;
    }

    /// Decompresses some more; `false` when there is nothing more now.
    fn step(&mut self) -> io::Result<bool> {
        if matches!(self.ended, Ended::Broken(_)) {
            return Ok(false);
        }
        let mut input = [0; INPUT_BYTES];
        let read = self.file.read_at(&mut input, self.taken)?;
        let input = &input[..read];
        if self.stream.is_none() && !self.next_member(input) {
            return Ok(matches!(self.ended, Ended::No));
        }
        let Some(stream) = &mut self.stream else { return Ok(false) };
        if self.at > self.bytes_max {
            return Err(io::Error::other(format!("it decompresses to more than {} bytes", self.bytes_max)));
        }
        let (taken, made) = (stream.total_in(), stream.total_out());
        let known = self.window.len();
        self.window.resize(known + OUTPUT_BYTES, 0);
        let status = stream.decompress(input, &mut self.window[known..], FlushDecompress::None);
        let made = (stream.total_out() - made) as usize;
        let taken = stream.total_in() - taken;
        self.window.truncate(known + made);
        self.taken += taken;
        if let Some(had) = (self.head.len() as u64).checked_sub(self.at).filter(|&had| had < made as u64) {
            let end = made.min(HEAD_BYTES_MAX - self.at as usize);
            self.head.extend_from_slice(&self.window[known + had as usize..known + end.max(had as usize)]);
        }
        self.at += made as u64;
        match status {
            Ok(Status::StreamEnd) => {
                self.stream = None;
                self.member = (self.taken, self.at);
                self.ended = Ended::No;
            }
            Ok(_) if taken == 0 && made == 0 => {
                self.ended = if read == 0 { Ended::Inside } else { broken("it makes no progress") };
                return Ok(false);
            }
            Ok(_) => self.ended = Ended::No,
            Err(error) => {
                self.stream = None;
                self.ended = broken(&error.to_string());
                return Ok(made > 0);
            }
        }
        Ok(true)
    }

    /// Begins the member that `input` begins with. Padding with zeros, as tapes and some tools leave it, is skipped.
    fn next_member(&mut self, input: &[u8]) -> bool {
        let zeros = input.iter().take_while(|&&byte| byte == 0).count();
        if zeros > 0 && self.at > 0 {
            self.taken += zeros as u64;
            self.ended = Ended::No;
            return false;
        }
        let begins = &input[..input.len().min(MAGIC.len())];
        self.ended = match begins {
            [] if self.taken == 0 => Ended::Inside,
            [] => Ended::Whole,
            _ if begins == MAGIC => {
                self.member = (self.taken, self.at);
                self.stream = Some(Box::new(Decompress::new_gzip(WINDOW_BITS)));
                return true;
            }
            _ if MAGIC.starts_with(begins) => Ended::Inside,
            _ => broken("what stands behind the last member is not gzip"),
        };
        false
    }
}

fn broken(why: &str) -> Ended {
    Ended::Broken(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn member(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).expect("compressed");
        encoder.finish().expect("ended")
    }

    fn text(bytes: usize) -> Vec<u8> {
        (0..)
            .flat_map(|n: u32| format!("line {n} {}\n", n.wrapping_mul(2_654_435_761)).into_bytes())
            .take(bytes)
            .collect()
    }

    /// Everything, in reads of `bytes`, each of which goes back by 100.
    fn read_all(gzip: &mut Gzip, bytes: usize) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let from = all.len().saturating_sub(100);
            let mut buffer = vec![0; bytes];
            let read = gzip.read_at(from as u64, &mut buffer).expect("readable");
            assert_eq!(buffer[..all.len() - from], all[from..], "at {from}");
            if read == all.len() - from {
                return all;
            }
            all.truncate(from);
            all.extend_from_slice(&buffer[..read]);
        }
    }

    fn written(path: &std::path::Path, bytes: &[u8]) -> Gzip {
        std::fs::write(path, bytes).expect("written");
        Gzip::new(File::open(path).expect("opened"), 1 << 30)
    }

    #[test]
    fn members_one_behind_the_other_are_one_content() {
        let folder = tempfile::tempdir().expect("folder");
        let content = text(700_000);
        let mut bytes = member(&content[..300_000]);
        bytes.extend(member(b""));
        bytes.extend(member(&content[300_000..]));
        bytes.extend([0; 512]);
        for read in [200, 5000, 600_000, 1 << 20] {
            let mut gzip = written(&folder.path().join("a"), &bytes);
            assert!(read_all(&mut gzip, read) == content, "reads of {read}");
            assert_eq!((gzip.ended(), gzip.known_bytes()), (&Ended::Whole, 700_000));
            assert_eq!(gzip.head().expect("there"), content[..HEAD_BYTES_MAX]);
            assert!(!gzip.is_busy() && gzip.window.len() <= read + OUTPUT_BYTES);
        }
    }

    #[test]
    fn a_stream_that_is_being_written_goes_on_when_it_grows() {
        let folder = tempfile::tempdir().expect("folder");
        let content = text(20_000);
        let bytes = member(&content);
        let path = folder.path().join("a");
        for cut in (0..bytes.len()).step_by(97).chain([1, 2, 3, bytes.len() - 1]) {
            let mut gzip = written(&path, &bytes[..cut]);
            let before = read_all(&mut gzip, 4096);
            assert!(content.starts_with(&before));
            assert_eq!(gzip.ended(), &Ended::Inside, "cut at {cut}");
            let file = std::fs::OpenOptions::new().append(true).open(&path).expect("opened");
            (&file).write_all(&bytes[cut..]).expect("written");
            assert!(read_all(&mut gzip, 4096) == content, "cut at {cut}");
            assert_eq!(gzip.ended(), &Ended::Whole);
        }
    }

    #[test]
    fn flipped_bits_and_garbage_end_the_content_and_nothing_panics() {
        let folder = tempfile::tempdir().expect("folder");
        let content = text(3000);
        let sound = member(&content);
        let path = folder.path().join("a");
        let mut gzip = written(&path, &[&sound[..], b"rubbish"].concat());
        assert!(read_all(&mut gzip, 4096) == content);
        assert!(matches!(gzip.ended(), Ended::Broken(why) if why.contains("not gzip")), "{:?}", gzip.ended());
        for at in 0..sound.len() {
            let mut flipped = sound.clone();
            flipped[at] ^= 1 << (at % 8);
            let mut gzip = written(&path, &flipped);
            let got = read_all(&mut gzip, 4096);
            // The header's fields (time, system) are not checked; everything else is.
            assert!(at < 10 || gzip.ended() != &Ended::Whole || got == content, "flipped at {at}");
        }
    }

    #[test]
    fn a_bomb_stays_in_its_window_and_stops_at_the_limit() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a");
        let mut gzip = written(&path, &member(&vec![b'x'; 64 << 20]));
        gzip.bytes_max = 32 << 20;
        while !gzip.reach(20 << 20).expect("below the limit") {
            assert!(gzip.window.capacity() <= 4 * OUTPUT_BYTES, "{}", gzip.window.capacity());
        }
        assert_eq!(gzip.read_at(20 << 20, &mut [0; 1000]).expect("below the limit"), 1000);
        let over = loop {
            if let Err(error) = gzip.reach(40 << 20) {
                break error;
            }
        };
        assert!(over.to_string().contains("more than 33554432 bytes"), "{over}");
    }
}
