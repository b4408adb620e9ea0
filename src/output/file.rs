//! A file as the far end: NDJSON, flushed to disk before anything counts as done.
//!
//! One thread writes; what has come in meanwhile is written and flushed together. A line that a crash has cut off was
//! never answered for, so its document is delivered again: the next start cuts the rest of it off.

use super::append_ndjson;
use anyhow::Context;
use async_trait::async_trait;
use pipelines::sink::{Closed, DocumentBatch, Outcome, Sink};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;

/// Bytes that are written before a flush, while more waits.
const FLUSH_BYTES: usize = 16 * 1024 * 1024;
/// Between two attempts to write what could not be written.
const RETRY: Duration = Duration::from_secs(1);
/// Bytes in which the end of the last whole line is looked for at a time.
const BLOCK_BYTES: u64 = 64 * 1024;

/// When a file is full, and how many full ones are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    pub bytes_max: u64,
    /// `PATH.1` is the newest one.
    pub keep: u32,
}

/// Appends documents to a file, a line each. A document whose delivery was not committed before a crash is written again
/// by the next run.
pub struct FileOutput {
    orders: Mutex<Option<Sender<Order>>>,
    problem: Arc<Mutex<Option<String>>>,
}

struct Order {
    batch: DocumentBatch,
    done: oneshot::Sender<Vec<Outcome>>,
}

impl FileOutput {
    /// Opens or makes the file, and cuts off a line without an end.
    ///
    /// # Errors
    /// The file cannot be opened or mended.
    pub fn open(path: &Path, rotation: Option<Rotation>) -> anyhow::Result<Arc<Self>> {
        let (file, bytes) = open(path).with_context(|| format!("open output file {}", path.display()))?;
        let (orders, received) = mpsc::channel();
        let problem = Arc::default();
        let writer = Writer { path: path.to_owned(), rotation, file, bytes, problem: Arc::clone(&problem) };
        thread::Builder::new().name("file-output".to_owned()).spawn(move || writer.run(&received))?;
        Ok(Arc::new(Self { orders: Mutex::new(Some(orders)), problem }))
    }
}

#[async_trait]
impl Sink for FileOutput {
    async fn deliver(&self, batch: DocumentBatch) -> Result<Vec<Outcome>, Closed> {
        let (done, written) = oneshot::channel();
        {
            let orders = self.orders.lock().expect("nothing panics while it holds the orders");
            orders.as_ref().ok_or(Closed)?.send(Order { batch, done }).map_err(|_| Closed)?;
        }
        written.await.map_err(|_| Closed)
    }

    async fn flush(&self) {}

    fn problems(&self) -> Vec<String> {
        self.problem.lock().expect("nothing panics while it holds the problem").iter().cloned().collect()
    }
}

struct Writer {
    path: PathBuf,
    rotation: Option<Rotation>,
    file: File,
    /// Of whole lines that are flushed.
    bytes: u64,
    problem: Arc<Mutex<Option<String>>>,
}

impl Writer {
    /// Until nobody can give anything any more.
    fn run(mut self, orders: &Receiver<Order>) {
        let mut text = Vec::new();
        while let Ok(first) = orders.recv() {
            let mut written = vec![first];
            text.clear();
            append_ndjson(&written[0].batch, &mut text);
            while text.len() < FLUSH_BYTES
                && let Ok(next) = orders.try_recv()
            {
                append_ndjson(&next.batch, &mut text);
                written.push(next);
            }
            self.append(&text);
            for Order { batch, done } in written {
                // Whoever asked may be gone.
                let _ = done.send(vec![Outcome::Done; batch.items.len()]);
            }
        }
    }

    /// Appends and flushes, again and again until it succeeds: a full disk gets room at some time.
    fn append(&mut self, text: &[u8]) {
        loop {
            match self.append_once(text) {
                Ok(()) => {
                    *self.problem.lock().expect("nothing panics while it holds the problem") = None;
                    return;
                }
                Err(error) => {
                    let problem =
                        format!("documents cannot be written to {}: {error}; it is tried again", self.path.display());
                    let mut current = self.problem.lock().expect("nothing panics while it holds the problem");
                    if current.as_ref() != Some(&problem) {
                        tracing::error!("{problem}");
                    }
                    *current = Some(problem);
                }
            }
            thread::sleep(RETRY);
        }
    }

    fn append_once(&mut self, text: &[u8]) -> io::Result<()> {
        if let Some(rotation) = self.rotation
            && self.bytes > 0
            && self.bytes + text.len() as u64 > rotation.bytes_max
        {
            self.rotate(rotation.keep)?;
        }
        let result = self.file.write_all(text).and_then(|()| self.file.sync_data());
        if result.is_err() {
            // After a failed flush nobody knows what is on disk: another descriptor, and the lines from the last good one.
            let (file, _) = open(&self.path)?;
            file.set_len(self.bytes)?;
            self.file = file;
            self.file.seek(SeekFrom::End(0))?;
        }
        result?;
        self.bytes += text.len() as u64;
        Ok(())
    }

    fn rotate(&mut self, keep: u32) -> io::Result<()> {
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        if keep == 0 {
            fs::remove_file(&self.path)?;
        }
        for number in (0..keep).rev() {
            let from = if number == 0 { self.path.clone() } else { numbered(number) };
            match fs::rename(from, numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        (self.file, self.bytes) = open(&self.path)?;
        Ok(())
    }
}

/// Opens `path` for appending, behind its last whole line; and the bytes up to there.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let length = file.metadata()?.len();
    let whole = end_of_last_line(&mut file, length)?;
    if whole < length {
        tracing::warn!("{}: a line without an end, of {} bytes, is cut off", path.display(), length - whole);
        file.set_len(whole)?;
        file.sync_data()?;
    }
    if is_new {
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok((file, whole))
}

fn end_of_last_line(file: &mut File, length: u64) -> io::Result<u64> {
    let mut end = length;
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        Read::take(&mut *file, end - start).read_to_end(&mut block)?;
        if let Some(place) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + place as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipelines::sink::{Item, Op};

    fn batch(documents: &[&str]) -> DocumentBatch {
        let mut batch = DocumentBatch::default();
        for document in documents {
            let start = batch.json.len();
            batch.json.extend_from_slice(document.as_bytes());
            Arc::make_mut(&mut batch.items).push(Item {
                json: start..batch.json.len(),
                id: None,
                index: "i".into(),
                event_ms: 0,
                op: Op::Create,
                routing: None,
                pipeline: None,
            });
        }
        batch
    }

    #[tokio::test]
    async fn documents_are_lines_and_a_torn_one_is_cut_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.ndjson");
        let output = FileOutput::open(&path, None).expect("a file");
        assert_eq!(output.deliver(batch(&["{\"n\":1}", "{\"n\":2}"])).await, Ok(vec![Outcome::Done; 2]));
        drop(output);
        let whole = "{\"n\":1}\n{\"n\":2}\n";
        // As of a crash in the middle of a long line.
        fs::write(&path, format!("{whole}{{\"n\":\"{}", "3".repeat(200_000))).expect("the file is ours");
        let output = FileOutput::open(&path, None).expect("a file");
        assert_eq!(output.deliver(batch(&["{\"n\":3}"])).await, Ok(vec![Outcome::Done]));
        assert_eq!(fs::read_to_string(&path).expect("text"), format!("{whole}{{\"n\":3}}\n"));
    }

    #[tokio::test]
    async fn a_full_file_is_renamed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        let output = FileOutput::open(&path, Some(Rotation { bytes_max: 20, keep: 2 })).expect("a file");
        for n in 0..8 {
            let document = format!("{{\"n\":{n}}}");
            assert_eq!(output.deliver(batch(&[&document])).await, Ok(vec![Outcome::Done]));
        }
        let lines = |name: &str| fs::read_to_string(folder.path().join(name)).map(|text| text.lines().count()).ok();
        assert_eq!(["out", "out.1", "out.2", "out.3"].map(lines), [Some(2), Some(2), Some(2), None]);
        assert!(fs::read_to_string(&path).expect("text").ends_with("{\"n\":7}\n"));
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_a_problem_and_tried_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        let output = FileOutput::open(&path, Some(Rotation { bytes_max: 1, keep: 1 })).expect("a file");
        assert_eq!(output.deliver(batch(&["{}"])).await, Ok(vec![Outcome::Done]));
        // The file cannot be renamed onto a folder that has something in it.
        let obstacle = folder.path().join("out.1");
        fs::create_dir_all(obstacle.join("full")).expect("a folder");
        let (delivered, ()) = tokio::join!(output.deliver(batch(&["{\"n\":1}"])), async {
            while output.problems().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(output.problems()[0].contains("cannot be written"), "{:?}", output.problems());
            fs::remove_dir_all(&obstacle).expect("ours");
        });
        assert_eq!((delivered, output.problems()), (Ok(vec![Outcome::Done]), vec![]));
        assert_eq!(fs::read_to_string(&path).expect("text"), "{\"n\":1}\n");
    }
}
