//! The journal's export format, and its entries as the JSON lines that `journalctl -o json` prints.
//!
//! ```text
//! NAME=value\n                         a field whose value is text without newlines
//! NAME\n <u64 LE: bytes> <value> \n    any other field
//! \n                                   ends the entry
//! ```
//! Source: systemd, "Journal Export Formats". A name may stand several times. Unlike `journalctl -o json`, control
//! characters are escaped as JSON knows them; only values that are not UTF-8 become lists of their bytes.

use memchr::memchr;
use serde_json::Value;

/// Bytes of one value that are kept: a core dump is not a log line.
const VALUE_BYTES_MAX: usize = 512 * 1024;
/// Bytes of all values of an entry that are kept.
const ENTRY_BYTES_MAX: usize = 1024 * 1024;
/// Fields of an entry: as many as journald itself takes (`ENTRY_FIELD_COUNT_MAX`).
const FIELDS_MAX: usize = 1024;
/// Bytes of a name: journald takes no longer ones.
const NAME_BYTES_MAX: usize = 64;

/// A field; its value may be only a beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: String,
    value: Vec<u8>,
    cut: bool,
}

/// An entry of the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalEntry {
    fields: Vec<Field>,
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Within a line.
    Line,
    /// So many of the length's bytes are there.
    Length { had: usize, bytes: [u8; 8] },
    /// So many bytes of the value are still to come, and then a newline.
    Value(u64),
    /// The newline behind a value.
    Newline,
}

/// Takes entries out of what journalctl writes, wherever it is cut into reads.
#[derive(Debug)]
pub struct Export {
    state: State,
    line: Vec<u8>,
    /// The line is longer than what is kept of it.
    line_cut: bool,
    field: Option<Field>,
    entry: JournalEntry,
}

impl Export {
    pub fn new() -> Self {
        Self { state: State::Line, line: Vec::new(), line_cut: false, field: None, entry: JournalEntry::default() }
    }

    /// Hands on every entry that ends in `bytes`.
    pub fn take(&mut self, mut bytes: &[u8], mut each: impl FnMut(JournalEntry)) {
        while !bytes.is_empty() {
            match self.state {
                State::Line => {
                    let newline = memchr(b'\n', bytes);
                    let part = &bytes[..newline.unwrap_or(bytes.len())];
                    let room = (NAME_BYTES_MAX + 1 + VALUE_BYTES_MAX).saturating_sub(self.line.len());
                    self.line_cut |= part.len() > room;
                    self.line.extend_from_slice(&part[..part.len().min(room)]);
                    bytes = newline.map_or(&[], |at| &bytes[at + 1..]);
                    if newline.is_some()
                        && let Some(entry) = self.line()
                    {
                        each(entry);
                    }
                }
                State::Length { had, bytes: mut length } => {
                    length[had] = bytes[0];
                    bytes = &bytes[1..];
                    self.state = match had + 1 {
                        8 => match u64::from_le_bytes(length) {
                            0 => State::Newline,
                            left => State::Value(left),
                        },
                        had => State::Length { had, bytes: length },
                    };
                }
                State::Value(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    if let Some(field) = &mut self.field {
                        let kept = here.min(VALUE_BYTES_MAX - field.value.len());
                        field.value.extend_from_slice(&bytes[..kept]);
                        field.cut |= kept < here;
                    }
                    bytes = &bytes[here..];
                    let left = left - here as u64;
                    self.state = if left == 0 { State::Newline } else { State::Value(left) };
                }
                State::Newline => {
                    bytes = &bytes[1..];
                    self.state = State::Line;
                    if let Some(field) = self.field.take() {
                        self.entry.push(field);
                    }
                }
            }
        }
    }

    /// A line is complete.
    fn line(&mut self) -> Option<JournalEntry> {
        let line = std::mem::take(&mut self.line);
        let cut = std::mem::take(&mut self.line_cut);
        if line.is_empty() {
            let entry = std::mem::take(&mut self.entry);
            return (!entry.fields.is_empty()).then_some(entry);
        }
        let name = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(NAME_BYTES_MAX)]).into_owned();
        match memchr(b'=', &line) {
            Some(at) => self.entry.push(Field { name: name(&line[..at]), value: line[at + 1..].to_vec(), cut }),
            None => {
                self.field = Some(Field { name: name(&line), value: Vec::new(), cut: false });
                self.state = State::Length { had: 0, bytes: [0; 8] };
            }
        }
        None
    }
}

impl JournalEntry {
    fn push(&mut self, mut field: Field) {
        if self.fields.len() == FIELDS_MAX {
            return;
        }
        let kept = field.value.len().min(ENTRY_BYTES_MAX - self.bytes);
        field.cut |= kept < field.value.len();
        field.value.truncate(kept);
        self.bytes += kept;
        self.fields.push(field);
    }

    fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.value.as_slice())
    }

    /// Where the journal goes on behind this entry.
    pub fn cursor(&self) -> Option<&str> {
        std::str::from_utf8(self.field("__CURSOR")?).ok()
    }

    /// One line of JSON of at most `bytes_max` bytes, and whether something is missing. Of what is too long, the message
    /// is cut; other values become `null`, as journalctl does with them.
    pub fn json(&self, bytes_max: usize) -> (Vec<u8>, bool) {
        let mut cut = false;
        let mut encoded: Vec<(&str, String)> = Vec::new();
        for field in &self.fields {
            let kept = if !field.cut || field.name == MESSAGE { Some(field.value.as_slice()) } else { None };
            cut |= field.cut;
            encoded.push((&field.name, kept.map_or_else(|| NULL.to_owned(), encode)));
        }
        // Name, quotes, colon, comma, and the brackets of several values.
        let bytes = |(name, value): &(&str, String)| name.len() + value.len() + 6;
        let mut total: usize = encoded.iter().map(bytes).sum();
        while total + 2 > bytes_max {
            let others = encoded
                .iter_mut()
                .filter(|(name, value)| !name.starts_with("__") && *name != MESSAGE && value.len() > NULL.len());
            let Some((_, longest)) = others.max_by_key(|(_, value)| value.len()) else { break };
            total -= longest.len() - NULL.len();
            *longest = NULL.to_owned();
            cut = true;
        }
        if total + 2 > bytes_max
            && let Some((_, message)) = encoded.iter_mut().find(|(name, _)| *name == MESSAGE)
        {
            let room = (bytes_max + message.len()).saturating_sub(total + 2);
            *message = encode_beginning(self.field(MESSAGE).unwrap_or_default(), room);
            cut = true;
        }
        (object(&encoded), cut)
    }
}

const MESSAGE: &str = "MESSAGE";
const NULL: &str = "null";

fn encode(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => Value::from(text).to_string(),
        Err(_) => Value::from(value).to_string(),
    }
}

/// As much of the value as `room` bytes of JSON hold.
fn encode_beginning(value: &[u8], room: usize) -> String {
    let mut bytes = value.len().min(room.saturating_sub(2));
    loop {
        let mut beginning = &value[..bytes];
        if std::str::from_utf8(value).is_ok() {
            while std::str::from_utf8(beginning).is_err() {
                beginning = &beginning[..beginning.len() - 1];
            }
        }
        let text = encode(beginning);
        if text.len() <= room || bytes == 0 {
            return text;
        }
        // Escapes made it longer: a byte becomes at most six.
        bytes = bytes.min(bytes * room / text.len());
        bytes = bytes.saturating_sub(1);
    }
}

/// Several values under one name become a list, where the first one stands.
fn object(fields: &[(&str, String)]) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (at, (name, value)) in fields.iter().enumerate() {
        if fields[..at].iter().any(|(before, _)| before == name) {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(Value::from(*name).to_string().as_bytes());
        out.push(b':');
        let more: Vec<&str> =
            fields[at + 1..].iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect();
        if more.is_empty() {
            out.extend_from_slice(value.as_bytes());
        } else {
            out.extend_from_slice(format!("[{value},{}]", more.join(",")).as_bytes());
        }
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(pieces: &[&[u8]]) -> Vec<JournalEntry> {
        let (mut export, mut got) = (Export::new(), Vec::new());
        pieces.iter().for_each(|piece| export.take(piece, |entry| got.push(entry)));
        got
    }

    fn binary(name: &str, value: &[u8]) -> Vec<u8> {
        [name.as_bytes(), b"\n", &(value.len() as u64).to_le_bytes(), value, b"\n"].concat()
    }

    fn text(entry: &JournalEntry, bytes_max: usize) -> String {
        String::from_utf8(entry.json(bytes_max).0).expect("JSON is UTF-8")
    }

    #[test]
    fn entries_are_the_same_wherever_reads_end() {
        let export = [
            &b"__CURSOR=s=1;i=2\nMESSAGE=a=b \xc3\xa9\nA=1\nB=2\nA=3\n"[..],
            &binary("MULTI", b"one\n\ntwo\n"),
            &binary("RAW", &[0, 0xff, b'\n']),
            &binary("EMPTY", b""),
            b"\n\n__CURSOR=next\n\n",
        ]
        .concat();
        let want = [
            "{\"__CURSOR\":\"s=1;i=2\",\"MESSAGE\":\"a=b é\",\"A\":[\"1\",\"3\"],\"B\":\"2\",\"MULTI\":\"one\\n\\ntwo\\n\",\"RAW\":[0,255,10],\"EMPTY\":\"\"}",
            "{\"__CURSOR\":\"next\"}",
        ];
        for first in 0..=export.len() {
            for second in [first, (first + 1).min(export.len()), export.len()] {
                let got = entries(&[&export[..first], &export[first..second], &export[second..]]);
                assert_eq!(got.iter().map(|entry| text(entry, 10_000)).collect::<Vec<_>>(), want, "{first} {second}");
                assert_eq!(got[0].cursor(), Some("s=1;i=2"));
            }
        }
        assert_eq!(entries(&[&export[..export.len() - 1]]).len(), 1);
    }

    #[test]
    fn what_is_too_long_leaves_a_line_of_json() {
        let long = "\u{1}é".repeat(1000);
        let export = [
            b"__CURSOR=c\n",
            binary("MESSAGE", long.as_bytes()).as_slice(),
            &binary("COREDUMP", &[7; 9000]),
            b"X=y\n\n",
        ]
        .concat();
        let got = entries(&[&export]);
        for bytes_max in [100, 500, 2000, 8999, 9000, 30_000, 100_000] {
            let (json, cut) = got[0].json(bytes_max);
            assert!(json.len() <= bytes_max, "{} {bytes_max}", json.len());
            let parsed: Value = serde_json::from_slice(&json).expect("JSON");
            assert_eq!(parsed["__CURSOR"], "c");
            let message = parsed["MESSAGE"].as_str().expect("text");
            assert!(long.starts_with(message));
            assert_eq!(cut, message.len() < long.len() || parsed["COREDUMP"].is_null(), "{bytes_max}");
            assert_eq!(cut, bytes_max < 70_000, "{bytes_max}");
        }
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut export = Export::new();
        export.take(b"COREDUMP\n\0\0\0\0\xff\0\0\0", |_| {});
        for _ in 0..1000 {
            export.take(&[b'x'; 10_000], |_| {});
        }
        assert_eq!(export.field.as_ref().map(|field| (field.value.len(), field.cut)), Some((VALUE_BYTES_MAX, true)));
        let mut export = Export::new();
        for _ in 0..1000 {
            export.take(&[b'x'; 10_000], |_| {});
        }
        assert!(export.line.len() <= NAME_BYTES_MAX + 1 + VALUE_BYTES_MAX);
    }
}
