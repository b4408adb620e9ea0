//! Every limit of the store, and why.

use std::time::Duration;

/// Characters of a keyword that are indexed, as in our own index template; a longer one stays in the document.
pub const KEYWORD_CHARACTERS_MAX: usize = 1024;
/// Fields of an index, twice Elasticsearch's default as in our own index template. A document's further fields stay in the
/// document, and are found in no search: names of fields come from whoever writes logs.
pub const FIELDS_MAX: usize = 2000;
/// Bytes of a field's path; tantivy writes it before each term.
pub const PATH_BYTES_MAX: usize = 512;
/// Objects within objects, as `index.mapping.depth.limit` of Elasticsearch.
pub const DEPTH_MAX: usize = 20;
/// Bytes of an `_id`, as in Elasticsearch.
pub const ID_BYTES_MAX: usize = 512;
/// Bytes of an index name, as in Elasticsearch.
pub const INDEX_NAME_BYTES_MAX: usize = 255;
/// Indices: each has a list of fields in memory.
pub const INDICES_MAX: usize = 1000;
/// Partitions (folders of an index and a day) of the store: each holds some files open. Documents of further days are kept
/// in the newest partition before them.
pub const PARTITIONS_MAX: usize = 4000;
/// Writers at once, each with a thread and its memory. At a commit the one that was not used for longest is closed for
/// another; until then documents of further partitions wait, as many as [`DEFERRED_BYTES`] allows.
pub const WRITERS_MAX: usize = 4;
/// Memory of the first writer for what is not a segment yet: mostly one partition is written to, and larger segments are
/// merged less often. With twice as much the process took 246 MiB for three million documents, of 256 that it may.
pub const WRITER_MEMORY_BYTES: usize = 24 << 20;
/// Memory of each further writer; tantivy wants 15 MB at least.
pub const WRITERS_FURTHER_MEMORY_BYTES: usize = 16 << 20;
/// Bytes of documents that wait for a writer before there is a commit.
pub const DEFERRED_BYTES: usize = 24 << 20;
/// Bytes of documents that are written before a commit, so that the journal is bounded; more than a second's.
pub const COMMIT_BYTES: usize = 48 << 20;
/// Until then documents that come in one group go on gathering: a group is written without a commit in between.
pub const UNCOMMITTED_BYTES_MAX: usize = 2 * COMMIT_BYTES;
/// Segments of about one size that are merged to one. A full first writer makes segments of about 17,000 access log documents:
/// so many of them are more than is merged again, so that a document is merged once; with sixteen it was merged twice.
pub const MERGED_SEGMENTS_MIN: usize = 32;
/// Documents that are merged to one segment at most: a merge takes memory for each of them, and to write larger segments
/// once more costs more than it saves.
pub const MERGED_DOCUMENTS_MAX: u32 = 1_000_000;
/// What was answered becomes visible to searches after this time at the latest, as Elasticsearch's `refresh_interval`.
pub const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// Bulk requests that wait for the store's writer; more wait for their place.
pub const JOBS_MAX: usize = 16;
/// Bulk requests that share a flush of the journal: an answer should not wait for more than these.
pub const GROUP_JOBS_MAX: usize = 16;
/// Bytes that one frame of the journal may have; a bulk body is smaller ([`crate::http::BODY_BYTES_MAX`]).
pub const FRAME_BYTES_MAX: usize = 128 << 20;
