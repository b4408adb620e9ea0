//! Kafka's APIs, one file each, all in the same shape: `VERSIONS`, which ApiVersions advertises, and `handle`.
//!
//! A frame is walked by `kafka_wire::check` before `kafka-protocol` decodes it, since that allocates what a count says.

mod alter_configs;
mod alter_partition_reassignments;
mod api_versions;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_transactions;
mod elect_leaders;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod permit;
mod produce;
mod resource;
mod sasl_authenticate;
mod sasl_handshake;
mod sync_group;

use bytes::{Bytes, BytesMut};
use kafka_wire::check::{self, CheckError};
use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::{ApiKey, ResponseHeader, TopicName};
use kafka_wire::protocol::protocol::{Decodable, Encodable, StrBytes};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

pub(crate) use fetch::FetchSessions;

use crate::connection::{Answer, Pending, Piece, Turn};
use crate::node::Node;
use crate::refusals::RequestRefusal;
use crate::security::rights::Rights;
use crate::security::sasl::Authentication;

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peers {
    pub peer: SocketAddr,
    /// The address that the client used: what it is told to connect to, unless another one is configured.
    pub local: SocketAddr,
    /// Number of the listener that it came to.
    pub listener: usize,
}

/// What is known of a connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub peers: Peers,
    pub authentication: Authentication,
}

impl Session {
    /// Nobody is asked, or has to say any more, who is at the other end.
    pub fn is_known(&self) -> bool {
        matches!(self.authentication, Authentication::NotAsked | Authentication::Done(_))
    }
}

/// What a handler knows of a request besides its body.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub key: ApiKey,
    pub version: i16,
    pub correlation_id: i32,
    pub client_id: Option<String>,
    pub peers: Peers,
    /// What the client may do.
    pub rights: Arc<Rights>,
}

/// The response code of success.
const NONE: i16 = 0;

/// An error's code, 0 for success.
fn code<T>(result: &Result<T, ResponseError>) -> i16 {
    result.as_ref().err().map_or(NONE, ResponseError::code)
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

/// Why a topic is refused that a request names more than once.
const NAMED_TWICE: &str = "the topic is named twice in this request";

/// The names that come more than once.
fn named_twice<'a>(names: impl IntoIterator<Item = &'a TopicName>) -> HashSet<TopicName> {
    let mut seen = HashSet::new();
    names.into_iter().filter(|name| !seen.insert(*name)).cloned().collect()
}

/// Dispatches to `$module::handle`, for the APIs whose answer is one encoded message.
macro_rules! apis {
    ($($key:ident => $module:ident),* $(,)?) => {
        /// What ApiVersions advertises: exactly what is served here.
        pub(crate) const ADVERTISED: &[(ApiKey, RangeInclusive<i16>)] = &[
            (ApiKey::Produce, produce::VERSIONS),
            (ApiKey::Fetch, fetch::VERSIONS),
            (ApiKey::SaslHandshake, sasl_handshake::VERSIONS),
            (ApiKey::SaslAuthenticate, sasl_authenticate::VERSIONS),
            $((ApiKey::$key, $module::VERSIONS),)*
        ];

        fn dispatch(node: &Arc<Node>, call: Call, body: Bytes) -> Result<Pending, Ended> {
            let node = Arc::clone(node);
            Ok(match call.key {
                ApiKey::Produce => {
                    let produced = produce::handle(&node, &call, decode(&call, body)?);
                    Box::pin(async move {
                        match produced.await {
                            produce::Produced::Answer(response) => answer(&call, &response),
                            produce::Produced::Silent => Turn::Silent,
                            produce::Produced::Close(reason) => Turn::Close(reason),
                        }
                    })
                }
                ApiKey::Fetch => {
                    let request = decode(&call, body)?;
                    Box::pin(async move {
                        match fetch::handle(&node, &call, request).await {
                            Some(pieces) => framed(pieces),
                            None => Turn::Close("its fetch cannot be answered"),
                        }
                    })
                }
                $(ApiKey::$key => {
                    let request = decode(&call, body)?;
                    Box::pin(async move { answer(&call, &$module::handle(&node, &call, request).await) })
                })*
                key => return Err(not_served(format!("{key:?}"))),
            })
        }
    };
}

apis! {
    ListOffsets => list_offsets,
    Metadata => metadata,
    OffsetCommit => offset_commit,
    OffsetFetch => offset_fetch,
    FindCoordinator => find_coordinator,
    JoinGroup => join_group,
    Heartbeat => heartbeat,
    LeaveGroup => leave_group,
    SyncGroup => sync_group,
    DescribeGroups => describe_groups,
    ListGroups => list_groups,
    ApiVersions => api_versions,
    CreateTopics => create_topics,
    DeleteTopics => delete_topics,
    DeleteRecords => delete_records,
    InitProducerId => init_producer_id,
    OffsetForLeaderEpoch => offset_for_leader_epoch,
    DescribeConfigs => describe_configs,
    AlterConfigs => alter_configs,
    DescribeLogDirs => describe_log_dirs,
    CreatePartitions => create_partitions,
    DeleteGroups => delete_groups,
    ElectLeaders => elect_leaders,
    IncrementalAlterConfigs => incremental_alter_configs,
    AlterPartitionReassignments => alter_partition_reassignments,
    ListPartitionReassignments => list_partition_reassignments,
    OffsetDelete => offset_delete,
    DescribeQuorum => describe_quorum,
    DescribeCluster => describe_cluster,
    DescribeProducers => describe_producers,
    DescribeTransactions => describe_transactions,
    ListTransactions => list_transactions,
    ListConfigResources => list_config_resources,
    DescribeTopicPartitions => describe_topic_partitions,
}

/// Why a request cannot be carried out, and what is wrong with it, for the trace.
pub(crate) type Ended = (RequestRefusal, String);

fn malformed(what: String) -> Ended {
    (RequestRefusal::Malformed, what)
}

fn not_served(what: String) -> Ended {
    (RequestRefusal::NotServed, format!("it asked for {what}, which is not advertised"))
}

/// Starts the request in `frame`. After an error the connection is closed, as Kafka does.
pub(crate) fn begin(node: &Arc<Node>, session: &mut Session, frame: Bytes) -> Result<Pending, Ended> {
    if let Some(correlation_id) = api_versions::asked_in_unknown_version(&frame) {
        node.counters.count_request(ApiKey::ApiVersions);
        let response = api_versions::unknown_version();
        let (peers, rights) = (session.peers, Arc::default());
        let call = Call { key: ApiKey::ApiVersions, version: 0, correlation_id, client_id: None, peers, rights };
        return Ok(Box::pin(async move { answer(&call, &response) }));
    }
    let head = check::request_header(&frame).map_err(|error| match error {
        CheckError::UnknownApi(_) => (RequestRefusal::NotServed, error.to_string()),
        error => malformed(error.to_string()),
    })?;
    let key = ApiKey::try_from(head.api_key).map_err(|()| not_served(format!("the unknown API {}", head.api_key)))?;
    let served = ADVERTISED.iter().find(|(known, _)| *known == key).map(|(_, versions)| versions);
    if !served.is_some_and(|versions| versions.contains(&head.api_version)) {
        return Err(not_served(format!("{key:?} version {}", head.api_version)));
    }
    let body = frame.slice(head.body_offset..);
    check::request(head.api_key, head.api_version, &body).map_err(|error| malformed(format!("{key:?}: {error}")))?;
    node.counters.count_request(key);
    let call = Call {
        key,
        version: head.api_version,
        correlation_id: head.correlation_id,
        client_id: head.client_id.map(str::to_owned),
        peers: session.peers,
        rights: session.authentication.rights(&node.security.anonymous).unwrap_or_default(),
    };
    match key {
        ApiKey::SaslHandshake => Ok(ready(sasl_handshake::handle(node, &call, session, decode(&call, body)?))),
        ApiKey::SaslAuthenticate => Ok(ready(sasl_authenticate::handle(node, &call, session, decode(&call, body)?))),
        ApiKey::ApiVersions => dispatch(node, call, body),
        _ if session.is_known() => dispatch(node, call, body),
        _ => Err((RequestRefusal::Unauthenticated, format!("it asked for {key:?} before it said who it is"))),
    }
}

/// What is carried out at once, in the order of the requests: the next one depends on it.
fn ready(turn: Turn) -> Pending {
    Box::pin(std::future::ready(turn))
}

fn decode<T: Decodable>(call: &Call, mut body: Bytes) -> Result<T, Ended> {
    let unread = |error| malformed(format!("{:?} version {}: {error}", call.key, call.version));
    T::decode(&mut body, call.version).map_err(unread)
}

/// The response header: 0, or 1 with tagged fields; always 0 for ApiVersions (KIP-511).
fn header(call: &Call, buffer: &mut BytesMut) -> Option<()> {
    let version = call.key.response_header_version(call.version);
    ResponseHeader::default().with_correlation_id(call.correlation_id).encode(buffer, version).ok()
}

fn answer<T: Encodable>(call: &Call, response: &T) -> Turn {
    let mut buffer = BytesMut::new();
    let encoded = header(call, &mut buffer).is_some() && response.encode(&mut buffer, call.version).is_ok();
    if !encoded {
        tracing::error!(api = ?call.key, version = call.version, "an answer does not fit the version that was asked for");
        return Turn::Close("its request cannot be answered in this version");
    }
    framed([buffer.freeze().into()])
}

/// The connection ends behind this answer.
fn last_answer<T: Encodable>(call: &Call, response: &T, reason: String) -> Turn {
    match answer(call, response) {
        Turn::Answer(answer) => Turn::Last(answer, reason),
        other => other,
    }
}

fn framed(pieces: impl IntoIterator<Item = Piece>) -> Turn {
    Answer::frame(pieces).map_or(Turn::Close("its answer would be too long"), Turn::Answer)
}
