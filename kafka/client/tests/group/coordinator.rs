//! A broker in this process that coordinates a group of one member, and answers error codes where a test wants them.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_wire::batch::{BatchWriter, Batches, Producer, RecordHeaders, assign_offset};
use kafka_wire::compression::Compression;
use kafka_wire::protocol::messages::api_versions_response::ApiVersion;
use kafka_wire::protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_wire::protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_wire::protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_wire::protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_wire::protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_wire::protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use kafka_wire::protocol::messages::*;
use kafka_wire::protocol::protocol::{Encodable, HeaderVersion, Request, StrBytes};
use kafka_wire::{check, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

const MEMBER_ID_REQUIRED: i16 = 79;
const ILLEGAL_GENERATION: i16 = 22;
const OFFSET_OUT_OF_RANGE: i16 = 1;
/// How long the broker waits when a fetch finds nothing, whatever the client allows.
const POLL: Duration = Duration::from_millis(5);

/// What the broker knows.
#[derive(Default)]
pub struct State {
    address: Option<SocketAddr>,
    /// Error codes for the next requests of an API; 0 is a normal answer.
    pub codes: BTreeMap<i16, VecDeque<i16>>,
    /// What was asked, in words, except heartbeats, fetches and what belongs to every client.
    pub asked: Vec<String>,
    pub heartbeats: usize,
    pub partitions: i32,
    members: usize,
    generation: i32,
    assignment: Bytes,
    pub committed: BTreeMap<i32, i64>,
    /// What was committed beside the offset.
    pub notes: BTreeMap<i32, String>,
    /// Every byte of the topic's id; another one is another topic.
    pub topic_id: u8,
    /// Of every partition.
    log: Vec<u8>,
    pub log_start: i64,
    log_end: i64,
}

pub struct Broker {
    state: Arc<Mutex<State>>,
    _stop: DropGuard,
}

impl Broker {
    /// A broker with a topic `t`.
    pub async fn start(partitions: i32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().ok();
        let state = Arc::new(Mutex::new(State { address, partitions, topic_id: 1, ..State::default() }));
        let stop = CancellationToken::new();
        let (shared, stopped) = (Arc::clone(&state), stop.clone());
        tokio::spawn(async move {
            while let Some(Ok((stream, _))) = stopped.run_until_cancelled(listener.accept()).await {
                let (state, stop) = (Arc::clone(&shared), stopped.clone());
                tokio::spawn(async move { stop.run_until_cancelled(serve(stream, &state)).await });
            }
        });
        Self { state, _stop: stop.drop_guard() }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub fn bootstrap(&self) -> Vec<String> {
        self.state().address.iter().map(ToString::to_string).collect()
    }
}

impl State {
    /// The next requests of this API are answered with these codes.
    pub fn script<R: Request>(&mut self, codes: impl IntoIterator<Item = i16>) {
        self.codes.entry(R::KEY).or_default().extend(codes);
    }

    /// Appends a batch of records to every partition's log.
    pub fn append(&mut self, records: i64) {
        let mut writer = BatchWriter::new(Compression::None);
        (0..records).for_each(|_| writer.push(1, None, Some(b"line"), &RecordHeaders::new(), None));
        let start = self.log.len();
        writer.seal(Producer::NONE, &mut self.log);
        assign_offset(&mut self.log[start..], self.log_end, 0);
        self.log_end += records;
    }

    /// Flips a bit of the last batch.
    pub fn damage(&mut self) {
        *self.log.last_mut().expect("there is a batch") ^= 1;
    }

    /// The topic is deleted and made again.
    pub fn make_topic_again(&mut self) {
        self.topic_id += 1;
        self.log.clear();
        (self.log_start, self.log_end) = (0, 0);
    }

    fn code<R: Request>(&mut self) -> i16 {
        self.codes.get_mut(&R::KEY).and_then(VecDeque::pop_front).unwrap_or(0)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no test panics with the state locked")
}

async fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let mut buffer = BytesMut::new();
    loop {
        while let Some(request) = frame::take(&mut buffer, frame::REQUEST_BYTES_MAX).expect("the client writes frames")
        {
            let head = check::request_header(&request).expect("the client writes sound headers");
            let asked = Asked { version: head.api_version, correlation_id: head.correlation_id };
            let body = request.slice(head.body_offset..);
            check::request(head.api_key, head.api_version, &body).expect("the client writes sound requests");
            let is_fetch = head.api_key == FetchRequest::KEY;
            let (response, is_empty) = answer(&asked, head.api_key, body, &mut lock(state));
            if is_fetch && is_empty {
                tokio::time::sleep(POLL).await;
            }
            if stream.write_all(&response).await.is_err() {
                return;
            }
        }
        if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

struct Asked {
    version: i16,
    correlation_id: i32,
}

impl Asked {
    fn request<R: Request>(&self, mut body: Bytes) -> R {
        R::decode(&mut body, self.version).expect("the client writes sound requests")
    }

    fn frame<R: Request>(&self, response: &R::Response) -> (Bytes, bool) {
        let mut out = BytesMut::new();
        out.put_i32(0);
        let header = ResponseHeader::default().with_correlation_id(self.correlation_id);
        header.encode(&mut out, R::Response::header_version(self.version)).expect("a header fits every version");
        response.encode(&mut out, self.version).expect("the answer fits the version");
        let length = (out.len() - frame::LENGTH_BYTES) as i32;
        out[..4].copy_from_slice(&length.to_be_bytes());
        (out.freeze(), false)
    }
}

/// The response, and whether a fetch found nothing.
fn answer(asked: &Asked, key: i16, body: Bytes, state: &mut State) -> (Bytes, bool) {
    match key {
        ApiVersionsRequest::KEY => {
            let range =
                |(key, min, max)| ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max);
            let keys = [(1, 4, 18), (2, 1, 10), (3, 0, 13), (8, 2, 9), (9, 1, 9), (10, 0, 6), (11, 0, 9), (12, 0, 4)];
            let keys = keys.into_iter().chain([(13, 0, 5), (14, 0, 5), (18, 0, 4)]).map(range).collect();
            asked.frame::<ApiVersionsRequest>(&ApiVersionsResponse::default().with_api_keys(keys))
        }
        MetadataRequest::KEY => asked.frame::<MetadataRequest>(&metadata(asked.request(body), state)),
        FindCoordinatorRequest::KEY => {
            let address = state.address.expect("the broker listens");
            let response = FindCoordinatorResponse::default()
                .with_error_code(state.code::<FindCoordinatorRequest>())
                .with_host(StrBytes::from_string(address.ip().to_string()))
                .with_port(i32::from(address.port()));
            asked.frame::<FindCoordinatorRequest>(&response)
        }
        JoinGroupRequest::KEY => asked.frame::<JoinGroupRequest>(&join(asked.request(body), state)),
        SyncGroupRequest::KEY => {
            let request: SyncGroupRequest = asked.request(body);
            let code = state.code::<SyncGroupRequest>();
            state.asked.push(format!("sync {}", request.generation_id));
            if let Some(own) = request.assignments.into_iter().find(|entry| entry.member_id == request.member_id) {
                state.assignment = own.assignment;
            }
            let assignment = if code == 0 { state.assignment.clone() } else { Bytes::new() };
            asked.frame::<SyncGroupRequest>(
                &SyncGroupResponse::default().with_error_code(code).with_assignment(assignment),
            )
        }
        HeartbeatRequest::KEY => {
            state.heartbeats += 1;
            let code = state.code::<HeartbeatRequest>();
            asked.frame::<HeartbeatRequest>(&HeartbeatResponse::default().with_error_code(code))
        }
        LeaveGroupRequest::KEY => {
            state.asked.push("leave".to_owned());
            asked.frame::<LeaveGroupRequest>(&LeaveGroupResponse::default())
        }
        OffsetCommitRequest::KEY => asked.frame::<OffsetCommitRequest>(&commit(asked.request(body), state)),
        OffsetFetchRequest::KEY => asked.frame::<OffsetFetchRequest>(&committed(asked.request(body), state)),
        ListOffsetsRequest::KEY => {
            let request: ListOffsetsRequest = asked.request(body);
            let (start, end) = (state.log_start, state.log_end);
            let topics = request.topics.into_iter().map(|topic| {
                let partitions = topic.partitions.iter().map(|partition| {
                    let offset = if partition.timestamp == -2 { start } else { end };
                    ListOffsetsPartitionResponse::default()
                        .with_partition_index(partition.partition_index)
                        .with_offset(offset)
                });
                ListOffsetsTopicResponse::default().with_partitions(partitions.collect()).with_name(topic.name)
            });
            let response = ListOffsetsResponse::default().with_topics(topics.collect());
            asked.frame::<ListOffsetsRequest>(&response)
        }
        FetchRequest::KEY => {
            let (response, is_empty) = fetch(asked.request(body), state);
            (asked.frame::<FetchRequest>(&response).0, is_empty)
        }
        key => panic!("API key {key} has no answer here"),
    }
}

fn metadata(request: MetadataRequest, state: &State) -> MetadataResponse {
    let address = state.address.expect("the broker listens");
    let broker = MetadataResponseBroker::default()
        .with_host(StrBytes::from_string(address.ip().to_string()))
        .with_port(i32::from(address.port()));
    let partitions: Vec<_> =
        (0..state.partitions).map(|number| MetadataResponsePartition::default().with_partition_index(number)).collect();
    let topics = request.topics.into_iter().flatten();
    let topics = topics
        .map(|topic| {
            let mut answer = MetadataResponseTopic::default().with_name(topic.name);
            answer.topic_id = uuid::Uuid::from_bytes([state.topic_id; 16]);
            answer.with_partitions(partitions.clone())
        })
        .collect();
    MetadataResponse::default().with_brokers(vec![broker]).with_topics(topics)
}

fn join(request: JoinGroupRequest, state: &mut State) -> JoinGroupResponse {
    let static_member = request.group_instance_id.is_some();
    state.asked.push(format!("join {:?}", request.member_id.as_str()));
    let code = state.code::<JoinGroupRequest>();
    let refused = |code| JoinGroupResponse::default().with_error_code(code);
    if code != 0 {
        return refused(code);
    }
    let mut member_id = request.member_id;
    if member_id.is_empty() {
        state.members += 1;
        member_id = StrBytes::from_string(format!("member-{}", state.members));
        if !static_member {
            return refused(MEMBER_ID_REQUIRED).with_member_id(member_id);
        }
    }
    state.generation += 1;
    let protocol = request.protocols.first().expect("a member offers a strategy");
    let member = JoinGroupResponseMember::default()
        .with_member_id(member_id.clone())
        .with_metadata(protocol.metadata.clone())
        .with_group_instance_id(request.group_instance_id);
    JoinGroupResponse::default()
        .with_generation_id(state.generation)
        .with_protocol_type(Some(request.protocol_type))
        .with_protocol_name(Some(protocol.name.clone()))
        .with_leader(member_id.clone())
        .with_member_id(member_id)
        .with_members(vec![member])
}

fn commit(request: OffsetCommitRequest, state: &mut State) -> OffsetCommitResponse {
    let scripted = state.code::<OffsetCommitRequest>();
    let current = request.generation_id_or_member_epoch == state.generation;
    let code = if scripted == 0 && !current { ILLEGAL_GENERATION } else { scripted };
    let mut topics = Vec::new();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for partition in topic.partitions {
            state.asked.push(format!("commit {}@{}", partition.partition_index, partition.committed_offset));
            if code == 0 {
                state.committed.insert(partition.partition_index, partition.committed_offset);
                let note = partition.committed_metadata.unwrap_or_default();
                state.notes.insert(partition.partition_index, note.to_string());
            }
            let answer = OffsetCommitResponsePartition::default().with_partition_index(partition.partition_index);
            partitions.push(answer.with_error_code(code));
        }
        topics.push(OffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions));
    }
    OffsetCommitResponse::default().with_topics(topics)
}

fn committed(request: OffsetFetchRequest, state: &mut State) -> OffsetFetchResponse {
    let code = state.code::<OffsetFetchRequest>();
    let groups = request.groups.into_iter().map(|group| {
        let topics = group.topics.into_iter().flatten().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|number| {
                let offset = state.committed.get(number).copied().unwrap_or(-1);
                let note = StrBytes::from_string(state.notes.get(number).cloned().unwrap_or_default());
                OffsetFetchResponsePartitions::default()
                    .with_partition_index(*number)
                    .with_committed_offset(offset)
                    .with_metadata(Some(note))
            });
            OffsetFetchResponseTopics::default().with_partitions(partitions.collect()).with_name(topic.name)
        });
        let topics = topics.collect();
        OffsetFetchResponseGroup::default().with_group_id(group.group_id).with_topics(topics).with_error_code(code)
    });
    OffsetFetchResponse::default().with_groups(groups.collect())
}

fn fetch(request: FetchRequest, state: &mut State) -> (FetchResponse, bool) {
    let code = state.code::<FetchRequest>();
    let mut is_empty = true;
    let mut topics = Vec::new();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for partition in topic.partitions {
            let offset = partition.fetch_offset;
            let mut answer = PartitionData::default().with_partition_index(partition.partition);
            answer.high_watermark = state.log_end;
            if code != 0 {
                answer.error_code = code;
            } else if offset < state.log_start || offset > state.log_end {
                answer.error_code = OFFSET_OUT_OF_RANGE;
            } else {
                let batches = Batches::new(&state.log).map(|batch| batch.expect("own log"));
                let wanted = batches.filter(|(header, _)| header.last_offset() >= offset);
                let records: Vec<u8> = wanted.flat_map(|(_, batch)| batch.iter().copied()).collect();
                is_empty &= records.is_empty();
                answer.records = Some(Bytes::from(records));
            }
            partitions.push(answer);
        }
        topics.push(FetchableTopicResponse::default().with_topic(topic.topic).with_partitions(partitions));
    }
    (FetchResponse::default().with_responses(topics), is_empty)
}
