//! The files that an agent follows as others see them: JSON on the status port, a table on a terminal.

use crate::files::{count, size};
use agent::FileState;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};

/// One file. Positions are those of the uncompressed content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    pub path: String,
    pub id: String,
    pub dataset: Option<String>,
    /// Everything before it has been read.
    pub position: u64,
    /// Everything before it is in the topic.
    pub acknowledged: u64,
    pub size: u64,
    pub lag_bytes: u64,
    pub lag_seconds: u64,
    /// Bytes on the disk of a compressed file, and how many of them were read.
    pub compressed_bytes: Option<u64>,
    pub compressed_read: Option<u64>,
    /// It has another name or none by now, and is read to its end.
    pub renamed: bool,
    pub problem: Option<String>,
    pub last_error: Option<String>,
}

/// Body of `/files`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowedFiles {
    pub files: Vec<Followed>,
}

impl From<&FileState> for Followed {
    fn from(file: &FileState) -> Self {
        Self {
            path: file.path.to_string_lossy().into_owned(),
            id: file.id.to_string(),
            dataset: file.dataset.clone(),
            position: file.position,
            acknowledged: file.acknowledged,
            size: file.size,
            lag_bytes: file.size.saturating_sub(file.acknowledged),
            lag_seconds: file.lag_seconds,
            compressed_bytes: file.archive.map(|archive| archive.bytes),
            compressed_read: file.archive.map(|archive| archive.read),
            renamed: file.nameless,
            problem: file.problem.clone(),
            last_error: file.last_error.clone(),
        }
    }
}

impl FollowedFiles {
    pub fn of(files: &[FileState]) -> Self {
        let mut files: Vec<Followed> = files.iter().map(Followed::from).collect();
        files.sort_by(|one, other| (&one.path, &one.id).cmp(&(&other.path, &other.id)));
        Self { files }
    }

    /// A line for each file, and the sum.
    pub fn write_table(&self, out: &mut impl Write) -> io::Result<()> {
        let mut rows = vec![["POSITION", "SIZE", "LAG", "BEHIND", "FILE", "LAST ERROR"].map(str::to_owned)];
        rows.extend(self.files.iter().map(row));
        write_columns(out, &rows, 4)?;
        let lag = self.files.iter().map(|file| file.lag_bytes).sum();
        let behind = self.files.iter().map(|file| file.lag_seconds).max().unwrap_or(0);
        let files = self.files.len();
        writeln!(out, "{files} {}, lag {}, {behind} s", if files == 1 { "file" } else { "files" }, size(lag))
    }
}

fn row(file: &Followed) -> [String; 6] {
    let note = if file.renamed { " (renamed or deleted)" } else { "" };
    let error = match (&file.problem, &file.last_error) {
        (Some(problem), _) => problem.clone(),
        (None, Some(error)) => format!("{error} (over)"),
        (None, None) => String::new(),
    };
    [
        count(file.acknowledged),
        match (file.compressed_bytes, file.compressed_read) {
            // Until its end is reached, nobody knows how much comes out of it.
            (Some(bytes), Some(read)) if read < bytes => format!("{} .gz", count(bytes)),
            _ => count(file.size),
        },
        size(file.lag_bytes),
        format!("{} s", file.lag_seconds),
        format!("{}{note}", file.path),
        error,
    ]
}

/// Writes `rows` as columns of their greatest widths; the first `numbers` of them end at the right.
pub fn write_columns<const N: usize>(out: &mut impl Write, rows: &[[String; N]], numbers: usize) -> io::Result<()> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            match column < numbers {
                true => line.push_str(&format!("{cell:>width$}  ")),
                false => line.push_str(&format!("{cell:width$}  ")),
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, acknowledged: u64, size: u64) -> Followed {
        Followed {
            path: path.to_owned(),
            id: "00000000000000ab".to_owned(),
            dataset: None,
            position: size,
            acknowledged,
            size,
            lag_bytes: size - acknowledged,
            lag_seconds: 0,
            compressed_bytes: None,
            compressed_read: None,
            renamed: false,
            problem: None,
            last_error: None,
        }
    }

    #[test]
    fn files_become_a_table_with_a_sum() {
        let behind = Followed {
            lag_seconds: 7,
            renamed: true,
            last_error: Some("cannot be read: x".to_owned()),
            ..file("/b.log", 1000, 3048)
        };
        let archive = Followed { compressed_bytes: Some(9), compressed_read: Some(3), ..file("/c.gz", 5, 5) };
        let files = FollowedFiles { files: vec![file("/var/log/a.log", 12, 12), behind, archive] };
        let mut out = Vec::new();
        files.write_table(&mut out).expect("written");
        let header = format!("POSITION   SIZE      LAG  BEHIND  FILE{}LAST ERROR", " ".repeat(25));
        let expect = [
            header.as_str(),
            "      12     12      0 B     0 s  /var/log/a.log",
            "   1,000  3,048  2.0 KiB     7 s  /b.log (renamed or deleted)  cannot be read: x (over)",
            "       5  9 .gz      0 B     0 s  /c.gz",
            "3 files, lag 2.0 KiB, 7 s\n",
        ];
        assert_eq!(String::from_utf8(out).expect("text"), expect.join("\n"));
    }
}
