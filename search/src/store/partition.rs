//! The documents of an index and a day: a folder of tantivy segments.

use super::schema::{FIELDS, ID, tokenizers};
use std::fmt;
use std::path::{Path, PathBuf};
use tantivy::directory::MmapDirectory;
use tantivy::store::{Compressor, ZstdCompressor};
use tantivy::{IndexReader, IndexSettings, ReloadPolicy, Searcher};

/// Bytes of documents that are compressed together: larger ones compress better, smaller ones are read faster.
const DOCUMENT_BLOCK_BYTES: usize = 32 << 10;
/// Decompressed blocks that a searcher keeps, of 32 KiB each.
const DOCUMENT_BLOCKS_KEPT: usize = 16;
/// Documents are half of what is written: the fastest level costs half of the usual one's time, and is a tenth larger.
const DOCUMENT_COMPRESSION_LEVEL: i32 = 1;
const MILLIS_A_DAY: i64 = 86_400_000;

/// A day of `@timestamp` in UTC, as days since 1970; documents without a time have a place of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// Of documents without a time.
    pub const NONE: Self = Self(i64::MIN);

    pub fn of(time: Option<i64>) -> Self {
        time.map_or(Self::NONE, |millis| Self(millis.div_euclid(MILLIS_A_DAY)))
    }

    /// The first millisecond behind the day; `None`: it is not a day.
    pub fn end(self) -> Option<i64> {
        (self != Self::NONE).then(|| (self.0 + 1) * MILLIS_A_DAY)
    }

    /// The day that a folder's name says.
    pub fn of_folder(name: &str) -> Option<Self> {
        if name == "none" {
            return Some(Self::NONE);
        }
        let date: jiff::civil::Date = name.parse().ok()?;
        let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self::of(Some(midnight.timestamp().as_millisecond())))
    }
}

/// The folder's name.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0.saturating_mul(MILLIS_A_DAY)) {
            Ok(time) if *self != Self::NONE => time.to_zoned(jiff::tz::TimeZone::UTC).date().fmt(f),
            _ => f.write_str("none"),
        }
    }
}

/// A folder of segments. Searches see what was committed before the last [`Partition::reload`].
pub struct Partition {
    pub day: Day,
    pub folder: PathBuf,
    pub index: tantivy::Index,
    reader: IndexReader,
}

impl Partition {
    /// Opens the partition, or makes it in an empty folder.
    pub fn open(folder: &Path, day: Day) -> tantivy::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let directory = MmapDirectory::open(folder)?;
        let settings = IndexSettings {
            docstore_compression: Compressor::Zstd(ZstdCompressor {
                compression_level: Some(DOCUMENT_COMPRESSION_LEVEL),
            }),
            docstore_blocksize: DOCUMENT_BLOCK_BYTES,
            docstore_compress_dedicated_thread: false,
            ..IndexSettings::default()
        };
        let mut index = tantivy::Index::builder()
            .schema(FIELDS.schema.clone())
            .settings(settings)
            .tokenizers(tokenizers())
            .open_or_create(directory)?;
        index.set_tokenizers(tokenizers());
        let builder = index.reader_builder().reload_policy(ReloadPolicy::Manual);
        let reader = builder.doc_store_cache_num_blocks(DOCUMENT_BLOCKS_KEPT).try_into()?;
        Ok(Self { day, folder: folder.to_owned(), index, reader })
    }

    pub fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    /// Lets searches see what was committed.
    pub fn reload(&self) -> tantivy::Result<()> {
        self.reader.reload()
    }

    /// Whether a document that is committed has this id.
    pub fn has(&self, id: &str) -> tantivy::Result<bool> {
        for segment in self.searcher().segment_readers() {
            let Some(ids) = segment.fast_fields().str(ID)? else { continue };
            let Some(ordinal) = ids.dictionary().term_ord(id.as_bytes())? else { continue };
            let Some(alive) = segment.alive_bitset() else { return Ok(true) };
            let mut documents = Vec::new();
            ids.ords().get_docids_for_value_range(ordinal..=ordinal, 0..segment.max_doc(), &mut documents);
            if documents.into_iter().any(|document| alive.is_alive(document)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Calls `each` with every id that is committed, also with those of documents that others took the place of.
    pub fn each_id(&self, mut each: impl FnMut(&[u8])) -> tantivy::Result<()> {
        for segment in self.searcher().segment_readers() {
            let Some(ids) = segment.fast_fields().str(ID)? else { continue };
            let mut terms = ids.dictionary().stream()?;
            while terms.advance() {
                each(terms.key());
            }
        }
        Ok(())
    }

    /// The highest number of a write among its documents.
    pub fn last_sequence(&self) -> tantivy::Result<Option<u64>> {
        let mut last = None;
        for segment in self.searcher().segment_readers() {
            let column = segment.fast_fields().u64("_seq")?;
            if segment.max_doc() > 0 {
                last = last.max(Some(column.max_value()));
            }
        }
        Ok(last)
    }

    pub fn documents(&self) -> u64 {
        self.searcher().num_docs()
    }

    /// Bytes of its files on disk.
    pub fn bytes(&self) -> u64 {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_names_of_folders() {
        for (millis, name) in [(0, "1970-01-01"), (-1, "1969-12-31"), (1_764_324_000_000, "2025-11-28")] {
            let day = Day::of(Some(millis));
            assert_eq!(day.to_string(), name);
            assert_eq!(Day::of_folder(name), Some(day));
            assert!(day.end().is_some_and(|end| end > millis && end - millis <= MILLIS_A_DAY));
        }
        assert_eq!(Day::of_folder("none"), Some(Day::NONE));
        assert_eq!(Day::NONE.to_string(), "none");
        assert_eq!(Day::of_folder("mapping.json"), None);
    }
}
