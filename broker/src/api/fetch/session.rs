//! Fetch sessions (KIP-227): a consumer names its partitions once, then only what changed; the answers too have only what
//! changed. So a consumer of thousands of partitions costs what it reads, not what it could read.
//!
//! A session is a cache: a client whose session is gone is told so, and names all its partitions again.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::FetchRequest;
use kafka_wire::protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_wire::protocol::messages::fetch_response::PartitionData;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

use crate::limits;

/// `session_epoch` of a request that names all its partitions and wants a session.
const INITIAL: i32 = 0;
/// `session_epoch` of a request that names all its partitions and ends its session, or never had one.
const FINAL: i32 = -1;
/// `session_id` of no session.
pub(super) const NO_SESSION: i32 = 0;

/// All sessions of a broker.
#[derive(Debug, Default)]
pub(crate) struct FetchSessions {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<i32, Session>,
    /// Of all sessions together.
    partitions: usize,
}

#[derive(Debug)]
struct Session {
    /// What the next request has to say.
    epoch: i32,
    used: Instant,
    uses_ids: bool,
    partitions: BTreeMap<Place, Cached>,
    /// Where the next answer begins, so that the first partitions do not take all its bytes for ever.
    start: Option<Place>,
}

/// Topic and partition; the name or the id is empty, as the version has it.
type Place = (String, Uuid, i32);

#[derive(Debug, Clone)]
struct Cached {
    asked: FetchPartition,
    /// As the client was told last; -1: it does not know.
    high_watermark: i64,
    log_start: i64,
}

/// What one request is to fetch, and what is left out of its answer.
#[derive(Debug)]
pub(super) struct Context {
    pub session_id: i32,
    /// Only what changed is answered.
    pub incremental: bool,
    pub topics: Vec<FetchTopic>,
}

impl FetchSessions {
    /// Finds or makes the session of a request. `fresh_id` is a random number.
    ///
    /// # Errors
    /// There is no such session, or the request is not its next one.
    pub(super) fn begin(
        &self,
        request: &mut FetchRequest,
        uses_ids: bool,
        fresh_id: u32,
        now: Instant,
    ) -> Result<Context, ResponseError> {
        let topics = std::mem::take(&mut request.topics);
        let mut state = self.lock();
        if matches!(request.session_epoch, INITIAL | FINAL) {
            state.remove(request.session_id);
            let session_id = match request.session_epoch {
                INITIAL => state.open(&topics, uses_ids, fresh_id, now),
                _ => NO_SESSION,
            };
            return Ok(Context { session_id, incremental: false, topics });
        }
        let id = request.session_id;
        let session = state.sessions.get_mut(&id).ok_or(ResponseError::FetchSessionIdNotFound)?;
        if session.uses_ids != uses_ids {
            return Err(ResponseError::FetchSessionTopicIdError);
        }
        if session.epoch != request.session_epoch {
            return Err(ResponseError::InvalidFetchSessionEpoch);
        }
        let before = session.partitions.len();
        for topic in &topics {
            for asked in &topic.partitions {
                let place = (topic.topic.to_string(), topic.topic_id, asked.partition);
                let cached = session.partitions.entry(place);
                cached.and_modify(|cached| cached.asked = asked.clone()).or_insert_with(|| Cached {
                    asked: asked.clone(),
                    high_watermark: -1,
                    log_start: -1,
                });
            }
        }
        for topic in &request.forgotten_topics_data {
            for partition in &topic.partitions {
                session.partitions.remove(&(topic.topic.to_string(), topic.topic_id, *partition));
            }
        }
        let after = session.partitions.len();
        session.epoch = next_epoch(session.epoch);
        session.used = now;
        let topics = session.topics();
        state.partitions = state.partitions + after - before;
        if after == 0 || after > limits::PARTITIONS_PER_REQUEST_MAX {
            state.remove(id);
            return Ok(Context { session_id: NO_SESSION, incremental: false, topics });
        }
        Ok(Context { session_id: id, incremental: true, topics })
    }

    /// Is there something in this partition's answer that the client does not know yet? What is answered counts as
    /// known from here on.
    pub(super) fn is_news(
        &self,
        context: &Context,
        topic: (&str, Uuid),
        head: &PartitionData,
        records_bytes: usize,
    ) -> bool {
        let mut state = self.lock();
        let Some(session) = state.sessions.get_mut(&context.session_id) else { return true };
        let place = (topic.0.to_owned(), topic.1, head.partition_index);
        let Some(cached) = session.partitions.get_mut(&place) else { return true };
        let changed = cached.high_watermark != head.high_watermark || cached.log_start != head.log_start_offset;
        let failed = head.error_code != 0;
        // After an error the client has to hear when it is over.
        cached.high_watermark = if failed { -1 } else { head.high_watermark };
        cached.log_start = head.log_start_offset;
        if records_bytes > 0 {
            session.start = Some(place);
        }
        !context.incremental || records_bytes > 0 || failed || changed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The new session's id, or none where there is no room.
    fn open(&mut self, topics: &[FetchTopic], uses_ids: bool, fresh_id: u32, now: Instant) -> i32 {
        let count: usize = topics.iter().map(|topic| topic.partitions.len()).sum();
        let full = |state: &Self| {
            state.sessions.len() >= limits::FETCH_SESSIONS_MAX
                || state.partitions + count > limits::FETCH_SESSION_PARTITIONS_MAX
        };
        if full(self) {
            let idle = |session: &Session| now.duration_since(session.used) > EVICTION;
            let stale: Vec<i32> = self.sessions.iter().filter(|(_, one)| idle(one)).map(|(id, _)| *id).collect();
            stale.into_iter().for_each(|id| self.remove(id));
        }
        // Ids are positive.
        let id = (fresh_id >> 1).max(1) as i32;
        if count == 0 || full(self) || self.sessions.contains_key(&id) {
            return NO_SESSION;
        }
        let places = topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|asked| {
                let cached = Cached { asked: asked.clone(), high_watermark: -1, log_start: -1 };
                ((topic.topic.to_string(), topic.topic_id, asked.partition), cached)
            })
        });
        let partitions: BTreeMap<Place, Cached> = places.collect();
        self.partitions += partitions.len();
        self.sessions.insert(id, Session { epoch: next_epoch(INITIAL), used: now, uses_ids, partitions, start: None });
        id
    }

    fn remove(&mut self, id: i32) {
        if let Some(session) = self.sessions.remove(&id) {
            self.partitions -= session.partitions.len();
        }
    }
}

/// A session that was not used for so long gives way to a new one: Kafka's
/// `min.incremental.fetch.session.eviction.ms`.
const EVICTION: Duration = Duration::from_secs(120);

impl Session {
    /// All partitions, those of a topic together, from behind the one that was last answered with records.
    fn topics(&self) -> Vec<FetchTopic> {
        use std::ops::Bound::{Excluded, Unbounded};
        let behind = self.partitions.range((self.start.as_ref().map_or(Unbounded, Excluded), Unbounded));
        let before = self.start.as_ref().map(|start| self.partitions.range(..=start));
        let mut topics: Vec<FetchTopic> = Vec::new();
        for ((name, id, _), cached) in behind.chain(before.into_iter().flatten()) {
            let same = |topic: &FetchTopic| topic.topic.as_str() == name && topic.topic_id == *id;
            // The topic at which the answer begins comes again at its end, and is named once.
            let at = match topics.last().is_some_and(same) {
                true => topics.len() - 1,
                false if topics.first().is_some_and(same) => 0,
                false => {
                    let topic = FetchTopic::default().with_topic(super::super::topic_name(name)).with_topic_id(*id);
                    topics.push(topic);
                    topics.len() - 1
                }
            };
            topics[at].partitions.push(cached.asked.clone());
        }
        topics
    }
}

fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_wire::protocol::messages::fetch_request::ForgottenTopic;

    fn request(id: i32, epoch: i32, topics: &[(&str, &[i32])]) -> FetchRequest {
        let topic = |(name, partitions): &(&str, &[i32])| {
            let partitions = partitions.iter().map(|one| FetchPartition::default().with_partition(*one)).collect();
            FetchTopic::default().with_topic(super::super::super::topic_name(name)).with_partitions(partitions)
        };
        FetchRequest::default()
            .with_session_id(id)
            .with_session_epoch(epoch)
            .with_topics(topics.iter().map(topic).collect())
    }

    fn places(context: &Context) -> Vec<(String, Vec<i32>)> {
        let partitions = |topic: &FetchTopic| topic.partitions.iter().map(|one| one.partition).collect();
        context.topics.iter().map(|topic| (topic.topic.to_string(), partitions(topic))).collect()
    }

    fn head(partition: i32, high_watermark: i64) -> PartitionData {
        PartitionData::default().with_partition_index(partition).with_high_watermark(high_watermark)
    }

    #[test]
    fn a_session_remembers_what_was_named() {
        let (sessions, now) = (FetchSessions::default(), Instant::now());
        let begin = |mut request| sessions.begin(&mut request, false, 14, now);
        let context = begin(request(0, 0, &[("a", &[0, 1]), ("b", &[0])])).expect("a new session");
        assert_eq!((context.session_id, context.incremental), (7, false));
        for partition in [0, 1] {
            assert!(sessions.is_news(&context, ("a", Uuid::nil()), &head(partition, 5), 0));
        }

        let context = begin(request(7, 1, &[("c", &[3])])).expect("its next request");
        let all = [("a".to_owned(), vec![0, 1]), ("b".to_owned(), vec![0]), ("c".to_owned(), vec![3])];
        assert_eq!((context.incremental, places(&context)), (true, all.to_vec()));
        assert!(!sessions.is_news(&context, ("a", Uuid::nil()), &head(0, 5), 0), "nothing new");
        assert!(sessions.is_news(&context, ("a", Uuid::nil()), &head(0, 6), 0), "a new high watermark");
        assert!(sessions.is_news(&context, ("a", Uuid::nil()), &head(0, 6), 10), "records");
        assert!(sessions.is_news(&context, ("a", Uuid::nil()), &head(1, 5).with_error_code(3), 0), "an error");

        let forgotten =
            ForgottenTopic::default().with_topic(super::super::super::topic_name("b")).with_partitions(vec![0]);
        let context = begin(request(7, 2, &[]).with_forgotten_topics_data(vec![forgotten])).expect("the next");
        let turned = [("a".to_owned(), vec![1, 0]), ("c".to_owned(), vec![3])];
        assert_eq!(places(&context), turned, "begins behind the partition that had records");
        assert!(sessions.is_news(&context, ("a", Uuid::nil()), &head(1, 5), 0), "the error is over");

        let refused = |result: Result<Context, ResponseError>| result.expect_err("not its next request");
        assert_eq!(refused(begin(request(7, 2, &[]))), ResponseError::InvalidFetchSessionEpoch);
        assert_eq!(refused(begin(request(8, 1, &[]))), ResponseError::FetchSessionIdNotFound);
        let mut by_id = request(7, 3, &[]);
        assert_eq!(refused(sessions.begin(&mut by_id, true, 14, now)), ResponseError::FetchSessionTopicIdError);
        let context = begin(request(7, -1, &[("a", &[0])])).expect("the end of the session");
        assert_eq!((context.session_id, context.incremental), (NO_SESSION, false));
        assert_eq!(refused(begin(request(7, 3, &[]))), ResponseError::FetchSessionIdNotFound);
    }

    #[test]
    fn sessions_have_a_limit() {
        let (sessions, now) = (FetchSessions::default(), Instant::now());
        let open = |number: usize, now| {
            let fresh = (number as u32 + 1) << 1;
            sessions.begin(&mut request(0, 0, &[("a", &[0])]), false, fresh, now).expect("a fetch").session_id
        };
        let opened = (0..limits::FETCH_SESSIONS_MAX + 10).filter(|number| open(*number, now) != NO_SESSION).count();
        assert_eq!(opened, limits::FETCH_SESSIONS_MAX);
        let later = now + EVICTION + Duration::from_secs(1);
        assert_ne!(open(limits::FETCH_SESSIONS_MAX + 10, later), NO_SESSION, "old ones give way");
        let state = sessions.lock();
        assert_eq!((state.sessions.len(), state.partitions), (1, 1));
    }
}
