//! Partitions whose segments an older version wrote: their documents are indexed anew, once.
//!
//! ```text
//! <yyyy-mm-dd>.new    the partition that is made; complete before the next step
//! <yyyy-mm-dd>.old    the one before, moved aside; deleted when the new one has its name
//! ```

use super::index::Index;
use super::indexed::Indexed;
use super::indexer::open_writer;
use super::partition::{Day, Partition};
use super::schema::source_of;
use super::{StoreError, document, known};
use std::io;
use std::path::Path;
use tantivy::schema::Value;
use tantivy::{TantivyDocument, TantivyError};

const NEW: &str = "new";
const OLD: &str = "old";
/// Decompressed blocks of documents that are kept while they are read in their order.
const BLOCKS_KEPT: usize = 2;

/// Ends what a kill left of a rebuild in the folder of an index.
pub fn recover(folder: &Path) -> io::Result<()> {
    let mut found: Vec<_> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    // The old ones come first: only with them a new one is known to be complete.
    found.sort_by_key(|path| path.extension().is_none_or(|extension| extension != OLD));
    for path in &found {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some(OLD) if path.is_dir() => {
                let (whole, new) = (path.with_extension(""), path.with_extension(NEW));
                if !whole.exists() {
                    std::fs::rename(if new.exists() { &new } else { path }, &whole)?;
                }
                if path.exists() {
                    std::fs::remove_dir_all(path)?;
                }
            }
            Some(NEW) if path.is_dir() => std::fs::remove_dir_all(path)?,
            _ => {}
        }
    }
    Ok(())
}

/// Whether a partition is not opened because its segments are others than those that are written now.
pub fn is_wanted(error: &StoreError) -> bool {
    matches!(error, StoreError::Tantivy { source, .. } if matches!(**source, TantivyError::SchemaError(_)))
}

/// Indexes the documents of a partition anew.
pub fn rebuild(folder: &Path, day: Day, index: &Index) -> Result<(), StoreError> {
    let failed = |error| StoreError::tantivy("rebuild", folder, error);
    let moved = |error| StoreError::io("rebuild", folder, error);
    let old = tantivy::Index::open_in_dir(folder).map_err(failed)?;
    let name = &index.name;
    tracing::info!("indexes the documents of {day} in {name} anew: an older version wrote them; this happens once");
    let new = folder.with_extension(NEW);
    let partition = Partition::open(&new, day).map_err(failed)?;
    let documents = copy(&old, &partition, index).map_err(failed)?;
    drop((old, partition));
    let aside = folder.with_extension(OLD);
    std::fs::rename(folder, &aside).map_err(moved)?;
    std::fs::rename(&new, folder).map_err(moved)?;
    std::fs::remove_dir_all(&aside).map_err(moved)?;
    tracing::info!("has indexed the {documents} documents of {day} in {name}");
    Ok(())
}

/// Writes all documents of `old` to `partition`; returns how many.
fn copy(old: &tantivy::Index, partition: &Partition, index: &Index) -> tantivy::Result<u64> {
    let schema = old.schema();
    let (id, source) = (schema.get_field("_id")?, schema.get_field("_source")?);
    let mut writer = open_writer(partition, true)?;
    let mut fields = known::Fields::default();
    let mut number = 0;
    for segment in old.reader()?.searcher().segment_readers() {
        let (store, sequence) = (segment.get_store_reader(BLOCKS_KEPT)?, segment.fast_fields().u64("_seq")?);
        for place in segment.doc_ids_alive() {
            let stored: TantivyDocument = store.get(place)?;
            let bytes = source_of(&stored, source).unwrap_or_default();
            let parsed = document::parse(bytes, &index.mapping, &mut fields);
            let mut indexed = match parsed {
                Ok(parsed) => parsed.document,
                // It was taken once; it is kept, though nothing in it is found.
                Err(_) => Indexed::with_source(&String::from_utf8_lossy(bytes)),
            };
            indexed.id = stored.get_first(id).and_then(|value| value.as_str()).unwrap_or_default().into();
            indexed.sequence = sequence.first(place).unwrap_or(0);
            writer.add_document(indexed)?;
            number += 1;
        }
    }
    writer.commit()?;
    writer.wait_merging_threads()?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Config, Mapping, Store, name::Names};
    use tantivy::schema::{FAST, STORED, STRING, Schema};

    /// A partition with two documents as another schema has them, one of them deleted.
    fn write_old(folder: &Path) {
        let mut builder = Schema::builder();
        let id = builder.add_text_field("_id", STRING | STORED);
        let sequence = builder.add_u64_field("_seq", FAST);
        let source = builder.add_bytes_field("_source", STORED);
        std::fs::create_dir_all(folder).expect("a folder");
        let old = tantivy::Index::create_in_dir(folder, builder.build()).expect("an index");
        let mut writer = old.writer_with_num_threads(1, 16 << 20).expect("a writer");
        for (number, text) in [(7, r#"{"a":"gone"}"#), (8, r#"{"a":"here","message":"two words"}"#)] {
            let mut document = TantivyDocument::new();
            document.add_text(id, format!("id-{number}"));
            document.add_u64(sequence, number);
            document.add_bytes(source, text.as_bytes());
            writer.add_document(document).expect("it is taken");
        }
        writer.commit().expect("a commit");
        writer.delete_term(tantivy::Term::from_field_text(id, "id-7"));
        writer.commit().expect("a commit");
    }

    fn found(folder: &Path, name: &str, text: &str) -> u64 {
        let config = Config { folder: folder.to_owned(), retention: Default::default(), now: || 0 };
        let store = Store::open(config).expect("a store");
        let names = Names::parse(name).expect("a name");
        let query = crate::query::Query::Term {
            field: "a".into(),
            value: crate::query::ast::Scalar::Text(text.into()),
            case_insensitive: false,
        };
        let snapshots = store.select(&names);
        let targets = crate::exec::hits::targets(&snapshots, &query, 0).expect("targets");
        crate::exec::hits::count(&targets).expect("a count")
    }

    #[test]
    fn what_an_older_version_wrote_is_found_after_a_kill_at_any_step_too() {
        let home = tempfile::tempdir().expect("a folder");
        let index = home.path().join("indices/logs");
        let day = index.join("none");
        write_old(&day);
        std::fs::write(index.join("mapping.json"), serde_json::to_vec(&Mapping::default_fields()).expect("JSON"))
            .expect("a mapping");
        // Killed while the new one is made.
        std::fs::create_dir_all(index.join("none.new")).expect("a folder");
        assert_eq!(found(home.path(), "logs", "here"), 1);
        assert_eq!(found(home.path(), "logs", "gone"), 0);
        assert!(!index.join("none.new").exists() && !index.join("none.old").exists());
        // Killed when the old one has been moved aside, and when the new one has its place.
        std::fs::rename(&day, index.join("none.new")).expect("a move");
        write_old(&index.join("none.old"));
        assert_eq!(found(home.path(), "logs", "here"), 1);
        write_old(&index.join("none.old"));
        assert_eq!(found(home.path(), "logs", "here"), 1);
        assert!(!index.join("none.new").exists() && !index.join("none.old").exists());
    }
}
