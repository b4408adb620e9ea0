//! Tables of comma-separated values (RFC 4180) whose first line names the columns.

/// Fewer columns are found in prose, too.
const COLUMNS_MIN: usize = 3;
/// The names and two rows: one row may have as many commas by chance.
const LINES_MIN: usize = 3;

/// Whether the first line has names of columns, and most of the others have as many values.
pub(super) fn is_csv(lines: &[&[u8]]) -> bool {
    let Some((names, rows)) = lines.split_first() else { return false };
    let Some(columns) = columns(names).filter(|columns| *columns >= COLUMNS_MIN) else { return false };
    lines.len() >= LINES_MIN
        && are_names(names)
        && rows.iter().filter(|row| self::columns(row) == Some(columns)).count() * 2 > rows.len()
}

/// The values in a line; none where a quote is not closed, or stands amid a value.
pub(super) fn columns(line: &[u8]) -> Option<usize> {
    let mut columns = 1;
    let mut at = 0;
    while at < line.len() {
        if line[at] == b'"' {
            // Up to the quote that closes: two of them are one in the text.
            loop {
                at += 1 + memchr::memchr(b'"', &line[at + 1..])? + 1;
                match line.get(at) {
                    Some(b'"') => {}
                    Some(b',') | None => break,
                    Some(_) => return None,
                }
            }
        } else {
            let end = memchr::memchr(b',', &line[at..]).map_or(line.len(), |comma| at + comma);
            if memchr::memchr(b'"', &line[at..end]).is_some() {
                return None;
            }
            at = end;
        }
        if at < line.len() {
            columns += 1;
            at += 1;
        }
    }
    Some(columns)
}

/// Whether these are words that differ, as names of columns do and values seldom do.
fn are_names(line: &[u8]) -> bool {
    let mut names: Vec<&[u8]> = line.split(|byte| *byte == b',').map(|name| name.trim_ascii()).collect();
    let is_name = |name: &&[u8]| {
        let name = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name);
        name.first().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'_' | b'@' | b'#'))
            && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b" ._@#/()%-".contains(byte))
    };
    let count = names.len();
    let all = names.iter().all(is_name);
    names.sort_unstable();
    names.dedup();
    all && names.len() == count
}
