//! Writes `__consumer_offsets` anew when it has grown, in place of Kafka's compaction: the last word on everything is
//! appended once more, and what lies before that is given up.
//!
//! A crash at any moment is harmless: until the start of the log moves, the old records are there too, and they say the
//! same or less.

use super::{Coordinator, Key, Written};
use crate::limits;
use kafka_wire::protocol::ResponseError;
use std::sync::Arc;

impl Coordinator {
    /// Looks at all partitions; a failure is told, and tried again when the log has grown further.
    pub(super) async fn rewrite_what_has_grown(self: &Arc<Self>) {
        for index in self.journal.grown() {
            match self.rewrite(index).await {
                Ok(records) => tracing::info!(partition = index, records, "wrote the groups' log anew"),
                Err(error) => tracing::error!(partition = index, "cannot write the groups' log anew: {error}"),
            }
        }
    }

    /// Gives the number of records.
    async fn rewrite(self: &Arc<Self>, index: usize) -> Result<usize, ResponseError> {
        let (written, records) = self.append_last_words(index)?;
        let Some(first) = written.first().map(|written| written.base_offset) else { return Ok(0) };
        for written in &written {
            self.journal.flushed(written).await?;
        }
        let coordinator = Arc::clone(self);
        let forgotten = tokio::task::spawn_blocking(move || coordinator.journal.forget_before(index, first)).await;
        match forgotten {
            Ok(Ok(())) => Ok(records),
            Ok(Err(error)) => {
                tracing::error!("the start of the groups' log cannot be moved: {error}");
                Err(ResponseError::KafkaStorageError)
            }
            Err(_) => Err(ResponseError::UnknownServerError),
        }
    }

    /// Under the lock, so that nothing is appended in between that these records would undo.
    fn append_last_words(&self, index: usize) -> Result<(Vec<Written>, usize), ResponseError> {
        let groups = self.lock();
        let (mut written, mut count, mut all_bytes) = (Vec::new(), 0, 0);
        for (id, entry) in groups.iter().filter(|(id, _)| self.journal.index(id) == index) {
            let group = entry.recorded.iter().map(|value| (Key::Group(id.clone()), value.clone()));
            let unchanged = entry.offsets.iter().filter(|(at, _)| !entry.appended.contains_key(at));
            let offsets = unchanged.chain(&entry.appended).map(|((topic, partition), committed)| {
                let key = Key::Offset { group: id.clone(), topic: topic.clone(), partition: *partition };
                (key, committed.value.encode())
            });
            let (mut batch, mut bytes) = (Vec::new(), 0);
            let mut records = group.chain(offsets).peekable();
            while let Some((key, value)) = records.next() {
                let key = key.encode();
                bytes += key.len() + value.len();
                batch.push((key, Some(value)));
                if bytes >= limits::OFFSETS_REWRITE_BATCH_BYTES || records.peek().is_none() {
                    count += batch.len();
                    all_bytes += bytes as u64;
                    written.push(self.journal.append(id, &std::mem::take(&mut batch))?);
                    bytes = 0;
                }
            }
        }
        self.journal.rewritten(index, all_bytes);
        Ok((written, count))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Caller, Commit, OFFSETS_TOPIC};
    use super::*;
    use crate::counters::Counters;
    use crate::log::{DataDirectory, DirectoryConfig};
    use std::path::Path;
    use std::time::{Duration, Instant};
    use tokio_util::sync::CancellationToken;

    fn opened(path: &Path) -> (Arc<DataDirectory>, Arc<Coordinator>) {
        let log = DataDirectory::open(path, DirectoryConfig::new(0)).expect("opens");
        let groups = Coordinator::open(&log, 1, Duration::ZERO, Counters::default()).expect("readable");
        (log, Arc::new(groups))
    }

    async fn commit(groups: &Arc<Coordinator>, group: &str, offset: i64, metadata_bytes: usize) {
        let commits = (0..100).map(|partition| Commit {
            topic: "logs".to_owned(),
            partition,
            offset: offset + i64::from(partition),
            leader_epoch: 0,
            metadata: "m".repeat(metadata_bytes),
        });
        let caller = Caller { member_id: "", instance_id: None, generation: -1 };
        groups.commit(group, caller, commits.collect()).await.expect("kept");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_log_of_the_groups_stays_short_and_forgets_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (log, groups) = opened(folder.path());
        let stop = CancellationToken::new();
        let keeping = tokio::spawn(Arc::clone(&groups).keep_time(stop.clone()));
        commit(&groups, "seldom", 7, 10).await;
        let partition = Arc::clone(log.topic(OFFSETS_TOPIC).expect("there").partition(0).expect("serves"));
        let mut written = 0;
        for round in 0..120 {
            commit(&groups, "often", round * 1000, 4000).await;
            written += 100 * 4000;
        }
        assert!(written > 4 * limits::OFFSETS_GROWTH_BYTES_MIN);
        let most = limits::OFFSETS_GROWTH_BYTES_MIN + 2 * limits::OFFSETS_SEGMENT_BYTES + 2 * 100 * 4100;
        let deadline = Instant::now() + Duration::from_secs(30);
        while partition.bytes() > most {
            assert!(Instant::now() < deadline, "{} bytes of {written} are left, want {most}", partition.bytes());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(partition.log_start_offset() > 100, "what was written before is given up");
        stop.cancel();
        keeping.await.expect("it ends");
        drop((groups, partition));
        tokio::task::spawn_blocking(move || log.close()).await.expect("closed");

        let (log, groups) = opened(folder.path());
        for (group, want) in [("seldom", 7), ("often", 119_000)] {
            let all = groups.all_committed(group).expect("a sound id");
            assert_eq!(all.len(), 100, "{group}");
            assert!(all.iter().all(|(_, partition, value)| value.offset == want + i64::from(*partition)), "{group}");
        }
        tokio::task::spawn_blocking(move || log.close()).await.expect("closed");
    }

    /// A commit whose flush has not ended is in no answer yet, and must not be undone by what is written anew.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_being_committed_is_the_last_word() {
        let folder = tempfile::tempdir().expect("a folder");
        let (log, groups) = opened(folder.path());
        let committing: Vec<_> = (0..200)
            .map(|round| {
                let groups = Arc::clone(&groups);
                tokio::spawn(async move { commit(&groups, &format!("group {}", round % 3), round, 10).await })
            })
            .collect();
        for _ in 0..20 {
            groups.rewrite(0).await.expect("written anew");
        }
        for one in committing {
            one.await.expect("kept");
        }
        let known: Vec<_> = (0..3).map(|n| groups.all_committed(&format!("group {n}")).expect("sound")).collect();
        drop(groups);
        tokio::task::spawn_blocking(move || log.close()).await.expect("closed");
        let (log, groups) = opened(folder.path());
        let again: Vec<_> = (0..3).map(|n| groups.all_committed(&format!("group {n}")).expect("sound")).collect();
        assert_eq!(again, known);
        tokio::task::spawn_blocking(move || log.close()).await.expect("closed");
    }
}
