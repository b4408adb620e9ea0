//! The first screen of `up`: what listens where, which files are followed as what, and what to do next.

use crate::files::size;
use agent::FileState;
use std::fmt;
use std::net::SocketAddr;

/// Where `sluice search` and `sluice tail` ask when nothing else is said.
const SEARCH_PORT: u16 = 9200;
/// Files that are named one by one; a host with thousands of them gets a count.
const FILES_SHOWN_MAX: usize = 12;

/// Columns of a kind of lines: most have room with their percentage, such as `nginx.access 98 %`.
const KIND_WIDTH: usize = 18;

pub struct FirstScreen {
    pub data: String,
    pub broker: SocketAddr,
    pub status: SocketAddr,
    pub topics: Vec<String>,
    pub sink: String,
    /// Of the embedded store, where documents go to it.
    pub search: Option<SocketAddr>,
    pub once: bool,
    /// Paths and globs as they were given.
    pub named: String,
    pub files: Vec<FileState>,
    /// How sure the kinds of lines of the first of `files` are.
    pub confidences: Vec<Option<u8>>,
    pub problems: Vec<String>,
}

/// For the files that are named, how sure it is what was detected, in percent. Nobody doubts what was given.
pub fn confidences(files: &[FileState]) -> Vec<Option<u8>> {
    let of = |file: &FileState| {
        let dataset = file.dataset.as_deref().filter(|_| file.detected)?;
        // It may be gone by now: then it is not said.
        agent::confidence(&file.path, dataset).ok().flatten()
    };
    files.iter().take(FILES_SHOWN_MAX).map(of).collect()
}

impl fmt::Display for FirstScreen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "sluice {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(f, "  broker     {} (Kafka's protocol), topic {}", self.broker, self.topics.join(", "))?;
        writeln!(f, "  documents  to {}", self.sink)?;
        if let Some(address) = self.search {
            writeln!(f, "  search     http://{address}/ (embedded; Elasticsearch's API)")?;
        }
        writeln!(f, "  status     http://{0}/health and http://{0}/metrics", self.status)?;
        writeln!(f, "  data       {}", self.data)?;
        writeln!(f)?;
        self.write_files(f)?;
        for problem in &self.problems {
            writeln!(f, "  ! {problem}")?;
        }
        writeln!(f)?;
        writeln!(f, "next")?;
        if let Some(address) = self.search {
            let asked = match address.port() == SEARCH_PORT {
                true => String::new(),
                false => format!(" --elasticsearch http://{address}"),
            };
            writeln!(f, "  http://{address}/   in a browser: search, histogram, live tail")?;
            writeln!(f, "  sluice tail 'log.level:error'{asked}   live")?;
        }
        for topic in &self.topics {
            writeln!(f, "  kcat -b {} -t {topic} -C -o beginning   reads the lines", self.broker)?;
        }
        if !self.once {
            match self.status.port() == super::STATUS_PORT {
                true => writeln!(f, "  sluice agent status   shows how far each file is")?,
                false => writeln!(f, "  sluice agent status --status-listen {}   how far files are", self.status)?,
            }
        }
        match self.once {
            true => writeln!(f, "  ends when everything that is there now has been delivered")?,
            false => writeln!(f, "  Ctrl-C drains and ends; the next start goes on from there")?,
        }
        writeln!(f)
    }
}

impl FirstScreen {
    fn write_files(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.files.is_empty() {
            return writeln!(f, "no file matches {} yet; those that appear are followed", self.named);
        }
        match self.files.len() {
            1 => writeln!(f, "following 1 file")?,
            number => writeln!(f, "following {number} files")?,
        }
        let shown = &self.files[..self.files.len().min(FILES_SHOWN_MAX)];
        let width = shown.iter().map(|file| file.path.display().to_string().chars().count()).max().unwrap_or(0);
        for (index, file) in shown.iter().enumerate() {
            let path = file.path.display().to_string();
            let mut kind = file.dataset.clone().unwrap_or_else(|| "no lines yet".to_owned());
            if let Some(percent) = self.confidences.get(index).copied().flatten() {
                kind.push_str(&format!(" {percent} %"));
            }
            write!(f, "  {path:width$}  {kind:KIND_WIDTH$}  {:>10}", size(file.size))?;
            match &file.problem {
                Some(problem) => writeln!(f, "  {problem}")?,
                None => writeln!(f)?,
            }
        }
        match self.files.len() - shown.len() {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}
