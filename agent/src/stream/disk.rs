//! The spool's folder: names, what a killed agent has left in it, and marks.

use super::spool::MarkOf;
use crate::format::spool::{Front, front};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A segment of an earlier run.
#[derive(Debug, PartialEq, Eq)]
pub struct Leftover {
    pub stream: String,
    pub run: u64,
    pub path: PathBuf,
    /// Bytes of whole entries; the file has no others.
    pub bytes: u64,
    /// How far the stream's source was read; only of the newest one of each stream, if at all.
    pub mark: Option<String>,
}

pub fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

pub fn segment_path(folder: &Path, stream: &str, run: u64, number: u64) -> PathBuf {
    folder.join(format!("{stream}-{run:08}.{number:08}"))
}

/// Stream, run and number in a segment's name.
fn parse_name(name: &str) -> Option<(&str, u64, u64)> {
    let (rest, number) = name.rsplit_once('.')?;
    let (stream, run) = rest.rsplit_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    Some((stream, digits(run)?, digits(number)?))
}

fn mark_path(folder: &Path, stream: &str) -> PathBuf {
    folder.join(format!("{stream}.mark"))
}

/// Begins a segment.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().create_new(true).append(true).mode(0o600).open(path)
}

/// Remembers for good how far a stream's source was read.
pub fn write_mark(folder: &Path, stream: &str, mark: &str) -> io::Result<()> {
    let path = mark_path(folder, stream);
    let aside = folder.join(format!("{stream}.mark.new"));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&aside)?;
    file.write_all(mark.as_bytes())?;
    file.sync_data()?;
    fs::rename(&aside, &path)
}

/// How far a stream's source was read, as far as its mark tells.
pub fn read_mark(folder: &Path, stream: &str) -> io::Result<Option<String>> {
    match fs::read_to_string(mark_path(folder, stream)) {
        Ok(mark) => Ok(Some(mark)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Cuts torn entries off, deletes what is empty, and brings the marks up to date. Returns what is there, by stream,
/// oldest first.
pub fn mend(folder: &Path, mark_of: MarkOf) -> io::Result<Vec<Leftover>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some((stream, run, number)) = path.file_name().and_then(|name| parse_name(name.to_str()?)) else {
            continue;
        };
        found.push((stream.to_owned(), run, number, path));
    }
    found.sort();
    let mut left: Vec<Leftover> = Vec::new();
    for at in 0..found.len() {
        let (stream, run, _, path) = &found[at];
        let next = found.get(at + 1);
        let newest_of_run = next.is_none_or(|(other, other_run, ..)| (other, other_run) != (stream, run));
        let (bytes, last) = match newest_of_run {
            true => cut_torn(path)?,
            // It was full, and closed in peace.
            false => (fs::metadata(path)?.len(), None),
        };
        if bytes == 0 {
            fs::remove_file(path)?;
            continue;
        }
        let newest = next.is_none_or(|(other, ..)| other != stream);
        let mark = last.filter(|_| newest).and_then(|value| mark_of(stream, &value));
        if let Some(mark) = &mark {
            write_mark(folder, stream, mark)?;
        }
        left.push(Leftover { stream: stream.clone(), run: *run, path: path.clone(), bytes, mark });
    }
    Ok(left)
}

/// Cuts off what follows the last whole entry. Returns the bytes before it, and that entry's value.
fn cut_torn(path: &Path) -> io::Result<(u64, Option<Vec<u8>>)> {
    let content = fs::read(path)?;
    let (mut at, mut last) = (0, None);
    while at < content.len() {
        match front(&content[at..]) {
            Front::Whole(entry) => {
                at += entry.bytes;
                last = Some(entry.value);
            }
            Front::Unfinished => {
                let torn = content.len() - at;
                tracing::warn!(path = ?path, position = at, "the last entry was not written to its end: {torn} bytes are cut off");
                OpenOptions::new().write(true).open(path)?.set_len(at as u64)?;
                return Ok((at as u64, last.map(<[u8]>::to_vec)));
            }
            // The engine reads up to there, and then says what is wrong.
            Front::Damaged => return Ok((content.len() as u64, last.map(<[u8]>::to_vec))),
        }
    }
    Ok((at as u64, last.map(<[u8]>::to_vec)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::spool::put_entry;

    fn entries(values: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        values.iter().for_each(|value| put_entry(&mut bytes, Some("10.0.0.1:514"), value.as_bytes(), false));
        bytes
    }

    #[test]
    fn names_come_back() {
        let path = segment_path(Path::new("/spool"), "syslog-127.0.0.1:5514", 3, 14);
        let name = path.file_name().and_then(|name| name.to_str()).expect("text");
        assert_eq!(parse_name(name), Some(("syslog-127.0.0.1:5514", 3, 14)));
        for other in ["journald.mark", "journald.mark.new", "stdin-1", "stdin.1", "stdin-+1.1", "a-1.b"] {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }

    #[test]
    fn a_segment_that_is_torn_anywhere_keeps_its_whole_entries() {
        let folder = tempfile::tempdir().expect("folder");
        let (one, both) = (entries(&["one"]).len(), entries(&["one", "two"]));
        for cut in 0..=both.len() {
            let path = segment_path(folder.path(), "journald", 1, 1);
            fs::write(&path, &both[..cut]).expect("written");
            let left = mend(folder.path(), |_, value| String::from_utf8(value.to_vec()).ok()).expect("mended");
            let (bytes, mark) = match cut {
                cut if cut < one => (0, None),
                cut if cut < both.len() => (one, Some("one")),
                _ => (both.len(), Some("two")),
            };
            assert_eq!(fs::metadata(&path).map_or(0, |metadata| metadata.len()), bytes as u64, "{cut}");
            assert_eq!(left.len(), usize::from(bytes > 0), "{cut}");
            assert_eq!(left.first().and_then(|left| left.mark.as_deref()), mark, "{cut}");
            if mark.is_some() {
                assert_eq!(read_mark(folder.path(), "journald").expect("readable").as_deref(), mark);
            }
        }
    }

    #[test]
    fn only_the_newest_segment_tells_the_mark() {
        let folder = tempfile::tempdir().expect("folder");
        for (run, number, value) in [(1, 1, "a"), (1, 2, "b"), (2, 1, "c")] {
            fs::write(segment_path(folder.path(), "journald", run, number), entries(&[value])).expect("written");
        }
        fs::write(segment_path(folder.path(), "journald", 2, 2), b"").expect("written");
        let left = mend(folder.path(), |_, value| String::from_utf8(value.to_vec()).ok()).expect("mended");
        assert_eq!(left.iter().map(|left| left.run).collect::<Vec<_>>(), [1, 1, 2]);
        // The empty one told nothing: the one before it was closed in peace, and its mark written then.
        assert!(left.iter().all(|left| left.mark.is_none()));
    }
}
