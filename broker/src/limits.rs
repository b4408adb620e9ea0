//! Every limit of the broker's protocol half, with its reason.

use std::time::Duration;

/// Bytes that a connection's read buffer grows by. Nothing is reserved because a frame announces it: 300 connections
/// that announce 50 MiB each and send one byte end Apache Kafka 4.1.1 with an OutOfMemoryError.
pub const READ_STEP_BYTES: usize = 64 * 1024;

/// Memory of all requests together that have arrived in part, or wait for their answer. Room for two of the largest.
pub const REQUEST_MEMORY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A buffer up to this size is not counted: what is usual needs no budget.
pub const FREE_REQUEST_BYTES: usize = 2 * READ_STEP_BYTES;

/// Memory that a connection keeps for its next request: room for a batch as large as topics allow by default.
pub const REUSED_REQUEST_BYTES_MAX: usize = 2 * 1024 * 1024;

/// It is given back when no request has come for this long: an idle connection costs a few kilobytes.
pub const REUSED_REQUEST_MEMORY_TIME: Duration = Duration::from_secs(1);

/// A request that waits this long for memory gives up what it has, so that others can go on.
pub const REQUEST_MEMORY_WAIT: Duration = Duration::from_secs(10);

/// Open connections in all: each holds a file descriptor and a few kilobytes.
pub const CONNECTIONS_MAX: usize = 10_000;

/// Open connections of one address: Kafka has no bound, but one host must not take all of them.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 10_000;

/// Requests of one connection that may wait for their turn or their answer. Java producers send 5, librdkafka up to
/// 1,000,000 by its default; what is beyond waits in the socket.
pub const REQUESTS_IN_FLIGHT_PER_CONNECTION_MAX: usize = 32;

/// A connection without a request for this long is closed: Kafka's `connections.max.idle.ms`.
pub const CONNECTION_IDLE: Duration = Duration::from_secs(600);

/// Time to finish a frame once its first byte has come, so that half-sent frames do not pile up.
pub const FRAME_TIME: Duration = Duration::from_secs(30);

/// A slow but live client gets this much more frame time: one second for so many bytes.
pub const FRAME_BYTES_PER_SECOND_MIN: u64 = 16 * 1024;

/// Largest request of a client that has not said who it is.
pub const UNKNOWN_REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Kafka's `connection.failed.authentication.delay.ms`.
pub const FAILED_AUTHENTICATION_DELAY: Duration = Duration::from_millis(100);

/// After [`crate::Broker::stop`] clients get this long to take the answers that are due.
pub const STOP_DRAIN: Duration = Duration::from_secs(5);

/// One warning about a misbehaving client in this time, however many there are: a port scanner must not fill a disk.
pub const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Longest long poll of a fetch: what a client may ask for, bounded so that a forged wait cannot park for weeks.
pub const FETCH_WAIT_MAX: Duration = Duration::from_secs(300);

/// Largest answer to a fetch: Kafka's `fetch.max.bytes`.
pub const FETCH_BYTES_MAX: usize = 55 * 1024 * 1024;

/// Fetches up to this size are read on the thread that serves the connection, larger ones where they may block: handing
/// over costs more than copying a little from the page cache.
pub const FETCH_INLINE_BYTES_MAX: usize = 64 * 1024;

/// Partitions that one fetch or produce request may name: a forged request must not cost more than a real one.
pub const PARTITIONS_PER_REQUEST_MAX: usize = 20_000;

/// Fetch sessions: Kafka's `max.incremental.fetch.session.cache.slots`.
pub const FETCH_SESSIONS_MAX: usize = 1_000;

/// Partitions of all fetch sessions: each takes about 200 bytes.
pub const FETCH_SESSION_PARTITIONS_MAX: usize = 100_000;

/// Topics in a request that creates or deletes some.
pub const TOPICS_PER_REQUEST_MAX: usize = 10_000;

/// Logs of segments that stay open when nobody needs them at the moment: opening one anew costs some microseconds.
pub const SEGMENT_FILES_OPEN_MAX: usize = 4_096;

/// Partitions in all: a client that asks for made-up names creates topics, and each costs a directory and memory.
pub const PARTITIONS_MAX: i32 = 20_000;

/// Partitions of one topic: each costs a directory and memory.
pub const PARTITIONS_PER_TOPIC_MAX: i32 = 10_000;

/// Partitions in one answer to DescribeTopicPartitions: Kafka's `max.request.partition.size.limit`.
pub const DESCRIBED_PARTITIONS_MAX: i32 = 2_000;

/// Consumer groups, live or only with offsets: an OffsetCommit loop must not eat the memory.
pub const GROUPS_MAX: usize = 10_000;

/// Members of one group; Kafka's `group.max.size` has no bound, but its authors advise a few hundred.
pub const GROUP_MEMBERS_MAX: usize = 1_000;

/// Bytes of all protocols' metadata that one member may join with: a subscription to some thousand topics.
pub const MEMBER_METADATA_BYTES_MAX: usize = 256 * 1024;

/// Assignment bytes of one member.
pub const MEMBER_ASSIGNMENT_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a record in `__consumer_offsets`; group metadata beyond this is refused, since it could not be read back.
pub const GROUP_RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Committed offsets of one group.
pub const OFFSETS_PER_GROUP_MAX: usize = 100_000;

/// Longest group id, member id or instance id: names of topics have 249, Kafka leaves these unbounded.
pub const GROUP_NAME_BYTES_MAX: usize = 1024;

/// Longest metadata string of a committed offset: Kafka's `offset.metadata.max.bytes`.
pub const OFFSET_METADATA_BYTES_MAX: usize = 4096;

/// Groups and topics whose lag is among the metrics, those that are furthest behind: each is two series.
pub const GROUP_LAGS_MAX: usize = 200;

/// Partitions that are looked into for the age of their backlog at a look at the metrics: some hundred milliseconds of reading.
pub const GROUP_LAG_TIMES_MAX: usize = 5_000;

/// Session timeouts that a member may ask for: Kafka's `group.min.session.timeout.ms` and `...max...`.
pub const SESSION_TIMEOUT_MS: std::ops::RangeInclusive<i32> = 6_000..=1_800_000;

/// Wait for more members before the first generation of an empty group. Kafka's 3 s serve large clusters; one node
/// answers sooner.
pub const INITIAL_REBALANCE_DELAY: Duration = Duration::from_millis(50);

/// Kafka's `log.retention.check.interval.ms`.
pub const RETENTION_CHECK_INTERVAL: Duration = Duration::from_secs(300);

/// Producer ids that are taken from the persisted counter at once: a flush for each would be slow, and lost ids at a
/// restart do not matter (there are 2^63).
pub const PRODUCER_ID_BLOCK: i64 = 1_000;

/// A segment of `__consumer_offsets`: small, since segments go whole, after their records were written anew.
pub const OFFSETS_SEGMENT_BYTES: u64 = 4 * 1024 * 1024;

/// A partition of `__consumer_offsets` is written anew when it has grown by this much, some 80,000 commits, and by this many
/// times what it then took: so writing anew costs little beside the commits, and a start reads little.
pub const OFFSETS_GROWTH_BYTES_MIN: u64 = 8 * 1024 * 1024;
pub const OFFSETS_GROWTH_FACTOR: u64 = 4;

/// Plain bytes of one batch when `__consumer_offsets` is written anew.
pub const OFFSETS_REWRITE_BATCH_BYTES: usize = 256 * 1024;

/// Bytes that one read of `__consumer_offsets` takes at the start.
pub const OFFSETS_READ_BYTES: usize = 1024 * 1024;

const _: () = assert!(REQUEST_MEMORY_BYTES_MAX >= 2 * kafka_wire::frame::REQUEST_BYTES_MAX);
const _: () = assert!(REUSED_REQUEST_BYTES_MAX < REQUEST_MEMORY_BYTES_MAX / 64);
const _: () = assert!(READ_STEP_BYTES < kafka_wire::frame::REQUEST_BYTES_MAX);
const _: () = assert!(MEMBER_METADATA_BYTES_MAX < GROUP_RECORD_BYTES_MAX);
const _: () = assert!(PARTITIONS_PER_TOPIC_MAX <= PARTITIONS_MAX);
const _: () = assert!(FETCH_BYTES_MAX < i32::MAX as usize);
