//! How sure it is what kind of lines a file has.

use super::{GENERIC, KINDS, application, cut, json, lines_of, system, table, web};
use crate::content::Content;
use std::io;
use std::path::Path;

/// Bytes of a file that are looked at: what the kind is guessed from at most.
const HEAD_BYTES: usize = 64 * 1024;
/// Lines that are looked at: more would not change a figure of two digits.
const LINES_MAX: usize = 200;

/// How probable it is, in percent, that the next line of the file at `path` is one of `dataset`, by the lines at its
/// beginning; gzip is read as what comes out of it. None for lines of which nothing is known, and where less than half of
/// them fit, since then the dataset was not found by them.
///
/// # Errors
/// The file cannot be read.
pub fn confidence(path: &Path, dataset: &str) -> io::Result<Option<u8>> {
    let head = Content::open(path)?.0.read_up_to(0, HEAD_BYTES)?;
    // The last line may be cut.
    let whole = memchr::memrchr(b'\n', &head).map_or(head.len(), |newline| newline + 1);
    Ok(by_lines(&head[..whole], dataset))
}

/// Laplace's rule of succession: of n lines k fit, so the next one does with (k + 1) / (n + 2). One line says little.
pub(super) fn by_lines(head: &[u8], dataset: &str) -> Option<u8> {
    let lines: Vec<&[u8]> = lines_of(head).take(LINES_MAX).collect();
    let columns = lines.first().and_then(|names| table::columns(names));
    let fits = |line: &[u8]| match dataset {
        GENERIC => false,
        "nginx.access" | "apache.access" => web::is_access(line),
        "system.auth" => system::is_syslog(line),
        "csv" => table::columns(line) == columns,
        "json" => json::kind(line).is_some(),
        other => {
            KINDS.iter().any(|(kind, fits)| *kind == other && fits(cut(line))) || json::kind(line) == Some(dataset)
        }
    };
    // Parts of stack traces belong to the line above them.
    let begins = |line: &&&[u8]| fits(line) || dataset == "csv" || !application::continues(line);
    let looked_at = lines.iter().filter(begins).count();
    let fitting = lines.iter().filter(|line| fits(line)).count();
    let percent = (fitting + 1) * 100 / (looked_at + 2);
    (fitting * 2 > looked_at).then_some(u8::try_from(percent).unwrap_or(100))
}
