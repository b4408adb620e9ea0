//! Documents on disk: a journal, and a folder of tantivy segments for each index and day.
