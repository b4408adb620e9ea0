//! The seam to the file system: everything that the log does to files goes through [`Disk`], so that a test can lose,
//! tear and refuse writes on purpose.

use super::names::TEMPORARY_ENDING;
use super::open_files::OpenFiles;
use rustix::fs::FallocateFlags;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::UNIX_EPOCH;

/// So many paths are flushed each for itself. Of more, the whole file system is flushed at once: one commit of its journal in
/// place of one for every few files, at the price of what others have written there meanwhile.
const FLUSHED_EACH_MAX: usize = 64;
/// Threads that do so: what is asked for together lasts by one commit.
const FLUSHES_AT_ONCE_MAX: usize = 8;

/// What lies in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirectoryEntry {
    pub name: String,
    pub is_directory: bool,
}

/// Held as long as the directory is ours; dropping it releases the lock.
pub type DirectoryLock = Box<dyn std::any::Any + Send + Sync>;

/// What was written and is to be durable together.
#[derive(Debug, Default)]
pub struct Unsynced {
    /// By their contents.
    pub files: Vec<PathBuf>,
    /// By the names in them.
    pub directories: Vec<PathBuf>,
}

/// A file system. Names become durable only by [`Disk::sync_directory`], contents only by `DiskFile::sync`.
pub trait Disk: Send + Sync + 'static {
    /// Makes a directory that only its owner may enter, and its parents; one that exists is left alone.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// Entries in no order. Names that are not UTF-8 are left out: the log writes none.
    fn entries(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>>;
    /// Opens a file that exists, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing, new or emptied.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// [`Disk::open`] for a segment's log: there may be more of them than can be open.
    fn open_segment(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }
    /// [`Disk::create`] for a segment's log.
    fn create_segment(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.create(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory and the files in it.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;
    /// Makes names that were created, renamed or removed in `path` durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// Makes all of it durable, in any order.
    fn sync_all(&self, unsynced: &Unsynced) -> io::Result<()> {
        unsynced.files.iter().try_for_each(|path| self.open(path)?.sync())?;
        unsynced.directories.iter().try_for_each(|path| self.sync_directory(path))
    }
    /// Takes an exclusive lock on the file `path`; `None` when another process has it.
    fn lock(&self, path: &Path) -> io::Result<Option<DirectoryLock>>;
}

/// An open file. Positions are explicit, so a handle can be shared by readers and the one writer.
pub trait DiskFile: Send + Sync {
    fn bytes(&self) -> io::Result<u64>;
    /// Time of the last change, in milliseconds since the epoch.
    fn modified_ms(&self) -> io::Result<i64>;
    /// Reads up to `buffer.len()` bytes; 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all of `parts`, one behind the other. After an error any part of them may have been written.
    fn write_at(&self, parts: [&[u8]; 2], position: u64) -> io::Result<()>;
    /// Takes blocks of the disk for `bytes` bytes from `position` on, at or behind the end of the file, which stays where it is. A hint:
    /// a disk that cannot does nothing.
    fn reserve(&self, _position: u64, _bytes: u64) -> io::Result<()> {
        Ok(())
    }
    /// Cuts the file, and gives back what was reserved behind its end.
    fn truncate(&self, bytes: u64) -> io::Result<()>;
    /// Returns when the contents are on disk. After an error nothing is known about them (the pages count as clean).
    fn sync(&self) -> io::Result<()>;
    /// The descriptor, for sendfile; a fake disk has none, and what may be closed meanwhile has it when it is
    /// [`DiskFile::held`].
    fn as_file(&self) -> Option<&File>;
    /// The same file, open as long as this is there, whatever becomes of its name.
    fn held(self: Arc<Self>) -> io::Result<Arc<dyn DiskFile>>;
}

/// Reads exactly `buffer.len()` bytes.
pub fn read_exact_at(file: &dyn DiskFile, mut buffer: &mut [u8], mut position: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(buffer, position)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                buffer = &mut buffer[read..];
                position += read as u64;
            }
        }
    }
    Ok(())
}

/// The contents of a small file; `None` when it does not exist.
pub fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let bytes = usize::try_from(file.bytes()?).map_err(io::Error::other)?;
    let mut contents = vec![0; bytes];
    read_exact_at(&*file, &mut contents, 0)?;
    Ok(Some(contents))
}

/// Writes a new small file, which is not durable yet.
pub fn write_file(disk: &dyn Disk, path: PathBuf, contents: &[u8], unsynced: &mut Unsynced) -> io::Result<()> {
    disk.create(&path)?.write_at([contents, &[]], 0)?;
    unsynced.files.push(path);
    Ok(())
}

/// Where the contents of a file are written before they get its name.
pub fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(TEMPORARY_ENDING);
    path.with_file_name(name)
}

/// Replaces a small file so that a crash leaves the old or the new contents, never a mixture. Durable on return.
pub fn replace_file(disk: &dyn Disk, path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = temporary_path(path);
    let file = disk.create(&temporary)?;
    file.write_at([contents, &[]], 0)?;
    file.sync()?;
    disk.rename(&temporary, path)?;
    disk.sync_directory(path.parent().unwrap_or(Path::new(".")))
}

/// The operating system's file system.
pub struct SystemDisk {
    segment_files: Arc<OpenFiles>,
}

impl SystemDisk {
    /// At most `segment_files_open_max` logs of segments stay open, beside those that wait for a flush or are being read.
    pub fn new(segment_files_open_max: usize) -> Self {
        Self { segment_files: OpenFiles::new(segment_files_open_max) }
    }
}

impl Default for SystemDisk {
    /// As many open files as the process is allowed.
    fn default() -> Self {
        Self::new(OpenFiles::allowed())
    }
}

impl Disk for SystemDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn entries(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(DirectoryEntry { name, is_directory: entry.file_type()?.is_dir() });
            }
        }
        Ok(entries)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(SystemFile::open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(SystemFile::create(path)?))
    }

    fn open_segment(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.segment_files.keep(path, SystemFile::open(path)?))
    }

    fn create_segment(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.segment_files.keep(path, SystemFile::create(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_all(&self, unsynced: &Unsynced) -> io::Result<()> {
        let Unsynced { files, directories } = unsynced;
        let paths: Vec<&PathBuf> = files.iter().chain(directories).collect();
        #[cfg(target_os = "linux")]
        if paths.len() > FLUSHED_EACH_MAX {
            return Ok(rustix::fs::syncfs(File::open(paths[0])?)?);
        }
        let sync = |paths: &[&PathBuf]| paths.iter().try_for_each(|path| File::open(path)?.sync_all());
        let per_thread = paths.len().div_ceil(FLUSHES_AT_ONCE_MAX).max(1);
        let mut groups = paths.chunks(per_thread);
        let first = groups.next().unwrap_or_default();
        thread::scope(|scope| {
            let others: Vec<_> = groups.map(|group| scope.spawn(move || sync(group))).collect();
            let own = sync(first);
            let joined = others.into_iter().map(|other| other.join().expect("a flush returns its errors"));
            joined.fold(own, io::Result::and)
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DirectoryLock>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

pub(super) struct SystemFile(File);

impl SystemFile {
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        Ok(Self(options.read(true).write(true).create(true).truncate(true).mode(0o600).open(path)?))
    }
}

impl DiskFile for SystemFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn modified_ms(&self) -> io::Result<i64> {
        let since = self.0.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.0.read_at(buffer, position)
    }

    fn write_at(&self, parts: [&[u8]; 2], position: u64) -> io::Result<()> {
        let [first, second] = parts;
        // One system call for the patched header and the rest of a batch; what it leaves (rarely anything) follows.
        let written = match rustix::io::pwritev(&self.0, &[IoSlice::new(first), IoSlice::new(second)], position) {
            Ok(written) => written,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        if let Some(rest) = first.get(written..) {
            self.0.write_all_at(rest, position + written as u64)?;
        }
        let second_done = written.saturating_sub(first.len());
        self.0.write_all_at(&second[second_done..], position + (first.len() + second_done) as u64)
    }

    fn reserve(&self, position: u64, bytes: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(&self.0, FallocateFlags::KEEP_SIZE, position, bytes)?)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn as_file(&self) -> Option<&File> {
        Some(&self.0)
    }

    fn held(self: Arc<Self>) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self)
    }
}
