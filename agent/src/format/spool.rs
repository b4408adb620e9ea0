//! A spool's entries: lines that did not come from a file, each with the address of its sender.
//!
//! ```text
//! 0 length  u32  bytes of the rest, big endian
//! 4 flags   u8   bit 0: the value was cut by who wrote it; others 0
//! 5 source  u8   bytes of the sender's address, 0: none
//! 6              the address, as text: header `log.source.address`
//!                the value
//! ```

/// Bytes in front of address and value.
const HEAD_BYTES: usize = 6;
/// Bytes of a value: as much as the longest line that an agent may be told to send. A greater length is damage.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of an entry, all told.
pub const ENTRY_BYTES_MAX: usize = HEAD_BYTES + u8::MAX as usize + VALUE_BYTES_MAX;
const CUT: u8 = 1;

/// Appends an entry. A longer source or value is cut, the latter marked.
pub fn put_entry(out: &mut Vec<u8>, source: Option<&str>, value: &[u8], cut: bool) {
    let source = source.unwrap_or_default().as_bytes();
    let source = &source[..source.len().min(u8::MAX as usize)];
    let cut = cut || value.len() > VALUE_BYTES_MAX;
    let value = &value[..value.len().min(VALUE_BYTES_MAX)];
    let length = (2 + source.len() + value.len()) as u32;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[if cut { CUT } else { 0 }, source.len() as u8]);
    out.extend_from_slice(source);
    out.extend_from_slice(value);
}

/// An entry; lengths are relative to its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    pub bytes: usize,
    pub source: Option<&'a [u8]>,
    pub value: &'a [u8],
    pub cut: bool,
}

/// What the bytes begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front<'a> {
    Whole(Entry<'a>),
    /// It ends behind what is there.
    Unfinished,
    /// No writer makes such an entry.
    Damaged,
}

/// Looks at the entry at the front of `bytes`.
pub fn front(bytes: &[u8]) -> Front<'_> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Front::Unfinished };
    let length = u32::from_be_bytes(*length) as usize;
    if !(2..=ENTRY_BYTES_MAX - 4).contains(&length) {
        return Front::Damaged;
    }
    let Some(&[flags, source_bytes]) = rest.first_chunk::<2>() else { return Front::Unfinished };
    let source_bytes = usize::from(source_bytes);
    if flags & !CUT != 0 || 2 + source_bytes > length || length - 2 - source_bytes > VALUE_BYTES_MAX {
        return Front::Damaged;
    }
    let Some(body) = rest.get(2..length) else { return Front::Unfinished };
    let (source, value) = body.split_at(source_bytes);
    let source = (!source.is_empty()).then_some(source);
    Front::Whole(Entry { bytes: 4 + length, source, value, cut: flags & CUT != 0 })
}

/// How many whole entries `bytes` begins with.
pub fn count(mut bytes: &[u8]) -> u64 {
    let mut count = 0;
    while let Front::Whole(entry) = front(bytes) {
        bytes = &bytes[entry.bytes..];
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_whole_and_only_whole() {
        for (source, value, cut) in
            [(None, &b""[..], false), (Some("10.0.0.1:514"), b"<13>hello\nworld", false), (Some("x"), b"y", true)]
        {
            let mut bytes = Vec::new();
            put_entry(&mut bytes, source, value, cut);
            for end in 0..bytes.len() {
                assert_eq!(front(&bytes[..end]), Front::Unfinished, "{end}");
            }
            let source = source.map(str::as_bytes);
            assert_eq!(front(&bytes), Front::Whole(Entry { bytes: bytes.len(), source, value, cut }));
        }
    }

    #[test]
    fn what_is_too_long_is_cut_by_who_writes_it() {
        let mut bytes = Vec::new();
        put_entry(&mut bytes, Some(&"a".repeat(300)), &vec![b'x'; VALUE_BYTES_MAX + 1], false);
        assert_eq!(bytes.len(), ENTRY_BYTES_MAX);
        let Front::Whole(entry) = front(&bytes) else { panic!("whole") };
        assert_eq!((entry.source.map(<[u8]>::len), entry.value.len(), entry.cut), (Some(255), VALUE_BYTES_MAX, true));
    }

    #[test]
    fn forged_lengths_are_damage() {
        for bytes in
            [&[0, 0, 0, 1, 0, 0][..], &[0xff, 0xff, 0xff, 0xff], &[0, 0, 0, 3, 0, 2, 0], &[0, 0, 0, 3, 8, 0, 0]]
        {
            assert_eq!(front(bytes), Front::Damaged);
        }
    }
}
