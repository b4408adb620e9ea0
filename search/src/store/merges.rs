//! Which segments of a partition are merged: those of about one size, until they have as many documents as a merge may.

use super::limits::{MERGED_DOCUMENTS_MAX, MERGED_SEGMENTS_MIN};
use tantivy::index::{SegmentId, SegmentMeta};
use tantivy::indexer::{MergeCandidate, MergePolicy};

/// Segments with fewer documents are of one size.
const SMALL_DOCUMENTS: u32 = 10_000;
/// The largest of a size has less than so many times the documents of the smallest.
const SIZE_FACTOR: u32 = 2;
/// A segment with more documents than this part of [`MERGED_DOCUMENTS_MAX`] is merged no more: all of it would be written
/// once more for a few segments less.
const LAST_PART: u32 = 4;

/// Merges [`MERGED_SEGMENTS_MIN`] segments of a size, or fewer if they have [`MERGED_DOCUMENTS_MAX`] documents.
///
/// tantivy's own policy bounds what is merged, but not what comes out of it: with so many segments at once it makes segments
/// of several million documents, and a merge takes memory for each: its place, and the number of its text in each column.
#[derive(Debug)]
pub struct Merges;

impl MergePolicy for Merges {
    fn compute_merge_candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        let sizes = segments.iter().map(|segment| (segment.num_docs(), segment.id())).collect();
        candidates(sizes).into_iter().map(MergeCandidate).collect()
    }
}

/// Segments to be merged, of segments with so many documents.
fn candidates(mut segments: Vec<(u32, SegmentId)>) -> Vec<Vec<SegmentId>> {
    segments.retain(|(documents, _)| *documents <= MERGED_DOCUMENTS_MAX / LAST_PART);
    segments.sort_unstable_by_key(|(documents, _)| *documents);
    let mut found = Vec::new();
    let mut rest = segments.as_slice();
    while let Some((smallest, _)) = rest.first() {
        let bound = (*smallest).max(SMALL_DOCUMENTS) * SIZE_FACTOR;
        let (size, larger) = rest.split_at(rest.partition_point(|(documents, _)| *documents < bound));
        rest = larger;
        let (mut group, mut documents) = (Vec::new(), 0);
        for (more, id) in size {
            let is_full = documents + more > MERGED_DOCUMENTS_MAX;
            if is_full || group.len() == MERGED_SEGMENTS_MIN {
                found.push(std::mem::take(&mut group));
                documents = 0;
            }
            group.push(*id);
            documents += more;
        }
        if group.len() == MERGED_SEGMENTS_MIN {
            found.push(group);
        }
    }
    found
}

// Documents of a partition fit tantivy's u32, so sums of what may be merged fit, too.
const _: () = assert!(MERGED_DOCUMENTS_MAX as u64 * (1 + SIZE_FACTOR as u64) < u32::MAX as u64);
const _: () = assert!(SMALL_DOCUMENTS * MERGED_SEGMENTS_MIN as u32 * SIZE_FACTOR <= MERGED_DOCUMENTS_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of segments in each merge, of segments with so many documents.
    fn check(segments: &[(usize, u32)], expect: &[usize]) {
        let segments: Vec<_> = segments
            .iter()
            .flat_map(|(count, documents)| (0..*count).map(|_| (*documents, SegmentId::generate_random())))
            .collect();
        let found = candidates(segments.clone());
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), expect);
        for merge in found {
            let documents = segments.iter().filter(|(_, id)| merge.contains(id)).map(|(documents, _)| *documents);
            assert!(documents.sum::<u32>() <= MERGED_DOCUMENTS_MAX);
        }
    }

    #[test]
    fn segments_of_a_size_are_merged_to_bounded_ones() {
        check(&[], &[]);
        check(&[(31, 30_000)], &[]);
        check(&[(32, 30_000)], &[32]);
        check(&[(67, 100)], &[32, 32]);
        check(&[(20, 5_000), (12, 9_000), (31, 25_000)], &[32]);
        // Together they would have more than a merge may.
        check(&[(19, 100_000)], &[10]);
        check(&[(4, MERGED_DOCUMENTS_MAX / 4)], &[]);
        check(&[(5, MERGED_DOCUMENTS_MAX / 4)], &[4]);
        check(&[(40, MERGED_DOCUMENTS_MAX / 4 + 1)], &[]);
    }
}
