//! `sluice pipeline run --table`: documents as a table that fits the terminal.

use super::changes::shown;
use crate::command::paint::safe;
use serde_json::Value;
use std::io::{self, Write};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Documents from which the columns are taken. What comes later fills the same ones, so that any number can be shown.
const ROWS_TO_LOOK_AT: usize = 100;
/// Width where standard output is no terminal.
const WIDTH_DEFAULT: usize = 160;
/// Columns of a column: less says nothing, and more leaves no room for others.
const COLUMN_MIN: usize = 6;
const COLUMN_MAX: usize = 60;
/// Between two columns.
const GAP: usize = 2;
/// Fields that are the same in every document, or are there once more in the others.
const LEFT_OUT: [&str; 3] = ["ecs.version", "message", "event.original"];

/// Writes documents that come as NDJSON as rows of a table.
pub struct Table<W> {
    out: W,
    width: usize,
    /// The rows that came before the columns were known.
    waiting: Vec<Vec<(String, String)>>,
    columns: Option<Vec<Column>>,
    /// The beginning of a line.
    line: Vec<u8>,
    hidden: usize,
}

struct Column {
    name: String,
    width: usize,
}

impl<W: Write> Table<W> {
    /// `width`: columns of the terminal.
    pub fn new(out: W, width: Option<usize>) -> Self {
        let width = width.unwrap_or(WIDTH_DEFAULT).max(COLUMN_MIN);
        Self { out, width, waiting: Vec::new(), columns: None, line: Vec::new(), hidden: 0 }
    }

    fn row(&mut self, line: &[u8]) -> io::Result<()> {
        let mut cells = Vec::new();
        match serde_json::from_slice::<Value>(line) {
            Ok(document) => flatten(&mut String::new(), &document, &mut cells),
            // Deeper than a row can show.
            Err(_) => cells.push(("message".to_owned(), safe(&String::from_utf8_lossy(line)))),
        }
        match self.columns {
            Some(_) => self.write_row(&cells),
            None => {
                self.waiting.push(cells);
                match self.waiting.len() < ROWS_TO_LOOK_AT {
                    true => Ok(()),
                    false => self.begin(),
                }
            }
        }
    }

    /// Chooses the columns and writes what waits for them.
    fn begin(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.waiting);
        let (columns, hidden) = columns(&rows, self.width);
        let names: Vec<(String, String)> = columns.iter().map(|one| (one.name.clone(), one.name.clone())).collect();
        self.columns = Some(columns);
        self.hidden = hidden;
        self.write_row(&names)?;
        rows.iter().try_for_each(|cells| self.write_row(cells))
    }

    fn write_row(&mut self, cells: &[(String, String)]) -> io::Result<()> {
        let mut text = String::new();
        for column in self.columns.iter().flatten() {
            let cell = cells.iter().find(|(name, _)| *name == column.name).map_or("", |(_, cell)| cell);
            push_cell(&mut text, cell, column.width);
        }
        writeln!(self.out, "{}", text.trim_end())
    }

    /// Writes what is left; how many fields there was no room for.
    pub fn finish(mut self) -> io::Result<usize> {
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.row(&line)?;
        }
        if self.columns.is_none() && !self.waiting.is_empty() {
            self.begin()?;
        }
        self.out.flush()?;
        Ok(self.hidden)
    }
}

impl<W: Write> Write for Table<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                None => self.line.extend_from_slice(part),
                Some(end) => {
                    let mut line = std::mem::take(&mut self.line);
                    line.extend_from_slice(end);
                    self.row(&line)?;
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The fields of a document and their values, each on one line.
fn flatten(path: &mut String, value: &Value, cells: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let length = path.len();
                if length > 0 {
                    path.push('.');
                }
                path.push_str(name);
                flatten(path, value, cells);
                path.truncate(length);
            }
        }
        value => cells.push((safe(path), value.as_str().map_or_else(|| shown(value), safe))),
    }
}

/// The columns that fit, and how many do not: in the order of the fields, those first that most documents have. A message
/// is shown where there is nothing else to see.
fn columns(rows: &[Vec<(String, String)>], width: usize) -> (Vec<Column>, usize) {
    let mut found: Vec<(Column, usize)> = Vec::new();
    for (name, cell) in rows.iter().flatten() {
        let cell_width = cell.width().clamp(COLUMN_MIN, COLUMN_MAX);
        match found.iter_mut().find(|(column, _)| column.name == *name) {
            Some((column, count)) => {
                column.width = column.width.max(cell_width);
                *count += 1;
            }
            None => {
                let width = cell_width.max(name.width()).min(COLUMN_MAX);
                found.push((Column { name: name.clone(), width }, 1));
            }
        }
    }
    let all = found.len();
    let is_plain = |column: &Column| LEFT_OUT.contains(&&*column.name) || column.name == "@timestamp";
    let has_parts = found.iter().any(|(column, _)| !is_plain(column));
    found.retain(|(column, _)| !LEFT_OUT.contains(&&*column.name) || (column.name == "message" && !has_parts));
    let left_out = all - found.len();
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|place| (std::cmp::Reverse(found[*place].1), *place));
    let mut room = width + GAP;
    let mut kept = vec![false; found.len()];
    for place in order {
        let needed = found[place].0.width + GAP;
        if needed <= room {
            room -= needed;
            kept[place] = true;
        } else if room >= COLUMN_MIN + GAP && !kept.contains(&true) {
            found[place].0.width = room - GAP;
            room = 0;
            kept[place] = true;
        }
    }
    let mut places = kept.into_iter();
    found.retain(|_| places.next().unwrap_or_default());
    let hidden = all - left_out - found.len();
    (found.into_iter().map(|(column, _)| column).collect(), hidden)
}

/// A cell in its width, cut with a mark where it is longer.
fn push_cell(text: &mut String, cell: &str, width: usize) {
    let own = cell.width();
    let mut used = 0;
    if own <= width {
        text.push_str(cell);
        used = own;
    } else {
        for character in cell.chars() {
            let columns = character.width().unwrap_or_default();
            if used + columns > width - 1 {
                break;
            }
            text.push(character);
            used += columns;
        }
        text.push('…');
        used += 1;
    }
    text.extend(std::iter::repeat_n(' ', width - used + GAP));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(documents: &str, width: usize, expect: &str, hidden: usize) {
        let mut out = Vec::new();
        let mut table = Table::new(&mut out, Some(width));
        // However the bytes come.
        documents.as_bytes().chunks(7).for_each(|part| table.write_all(part).expect("memory takes all"));
        assert_eq!(table.finish().expect("memory takes all"), hidden);
        assert_eq!(String::from_utf8(out).expect("text"), expect);
    }

    #[test]
    fn columns_fit_the_width() {
        let documents = "{\"message\":\"x\",\"a\":{\"b\":1},\"name\":\"wörld\",\"ecs\":{\"version\":\"8\"}}\n\
                         {\"name\":\"日本語日本語日本語\",\"l\":[1,\"\\u001b\"],\"a\":{\"b\":22}}\n";
        check(
            documents,
            80,
            "a.b     name                l\n1       wörld\n22      日本語日本語日本語  [1,\"\\u001b\"]\n",
            0,
        );
        check(documents, 27, "a.b     name\n1       wörld\n22      日本語日本語日本語\n", 1);
        check("{\"name\":\"0123456789\"}\n", 8, "name\n0123456…\n", 0);
        check("{\"message\":\"only\"}", 80, "message\nonly\n", 0);
        check("", 80, "", 0);
    }
}
