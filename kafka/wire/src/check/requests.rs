//! The shapes of the requests that the broker serves: all of them, and here those that producers and consumers send.

mod administration;

use super::shape::{BYTES, I8, I16, I32, I64, Message, Shape, TEXT, UUID, array, field, record};
use administration::*;

pub(super) const ALL: &[&Message] = &[
    &PRODUCE,
    &FETCH,
    &LIST_OFFSETS,
    &METADATA,
    &OFFSET_COMMIT,
    &OFFSET_FETCH,
    &FIND_COORDINATOR,
    &JOIN_GROUP,
    &HEARTBEAT,
    &LEAVE_GROUP,
    &SYNC_GROUP,
    &DESCRIBE_GROUPS,
    &LIST_GROUPS,
    &SASL_HANDSHAKE,
    &API_VERSIONS,
    &CREATE_TOPICS,
    &DELETE_TOPICS,
    &DELETE_RECORDS,
    &INIT_PRODUCER_ID,
    &OFFSET_FOR_LEADER_EPOCH,
    &DESCRIBE_CONFIGS,
    &ALTER_CONFIGS,
    &DESCRIBE_LOG_DIRS,
    &SASL_AUTHENTICATE,
    &CREATE_PARTITIONS,
    &DELETE_GROUPS,
    &ELECT_LEADERS,
    &INCREMENTAL_ALTER_CONFIGS,
    &ALTER_PARTITION_REASSIGNMENTS,
    &LIST_PARTITION_REASSIGNMENTS,
    &OFFSET_DELETE,
    &DESCRIBE_QUORUM,
    &DESCRIBE_CLUSTER,
    &DESCRIBE_PRODUCERS,
    &DESCRIBE_TRANSACTIONS,
    &LIST_TRANSACTIONS,
    &LIST_CONFIG_RESOURCES,
    &DESCRIBE_TOPIC_PARTITIONS,
];

const PRODUCE: Message = Message {
    api_key: 0,
    version_min: 3,
    version_max: 13,
    flexible_since: 9,
    fields: &[
        field("transactional_id", 0, TEXT),
        field("acks", 0, I16),
        field("timeout_ms", 0, I32),
        array("topic_data", 0).of(&[
            field("name", 0, TEXT).until(12),
            field("topic_id", 13, UUID),
            array("partition_data", 0).of(&[field("index", 0, I32), field("records", 0, BYTES)]),
        ]),
    ],
};

const FETCH: Message = Message {
    api_key: 1,
    version_min: 4,
    version_max: 18,
    flexible_since: 12,
    fields: &[
        field("replica_id", 0, I32).until(14),
        field("max_wait_ms", 0, I32),
        field("min_bytes", 0, I32),
        field("max_bytes", 0, I32),
        field("isolation_level", 0, I8),
        field("session_id", 7, I32),
        field("session_epoch", 7, I32),
        array("topics", 0).of(&[
            field("topic", 0, TEXT).until(12),
            field("topic_id", 13, UUID),
            array("partitions", 0).of(&[
                field("partition", 0, I32),
                field("current_leader_epoch", 9, I32),
                field("fetch_offset", 0, I64),
                field("last_fetched_epoch", 12, I32),
                field("log_start_offset", 5, I64),
                field("partition_max_bytes", 0, I32),
                field("replica_directory_id", 17, UUID).tag(0),
                field("high_watermark", 18, I64).tag(1),
            ]),
        ]),
        array("forgotten_topics_data", 7).of(&[
            field("topic", 7, TEXT).until(12),
            field("topic_id", 13, UUID),
            field("partitions", 7, Shape::List(&I32)),
        ]),
        field("rack_id", 11, TEXT),
        field("cluster_id", 0, TEXT).tag(0),
        record("replica_state", 15).tag(1).of(&[field("replica_id", 15, I32), field("replica_epoch", 15, I64)]),
    ],
};

const LIST_OFFSETS: Message = Message {
    api_key: 2,
    version_min: 1,
    version_max: 10,
    flexible_since: 6,
    fields: &[
        field("replica_id", 0, I32),
        field("isolation_level", 2, I8),
        array("topics", 0).of(&[
            field("name", 0, TEXT),
            array("partitions", 0).of(&[
                field("partition_index", 0, I32),
                field("current_leader_epoch", 4, I32),
                field("timestamp", 0, I64),
            ]),
        ]),
        field("timeout_ms", 10, I32),
    ],
};

const METADATA: Message = Message {
    api_key: 3,
    version_min: 0,
    version_max: 13,
    flexible_since: 9,
    fields: &[
        array("topics", 0).of(&[field("topic_id", 10, UUID), field("name", 0, TEXT)]),
        field("allow_auto_topic_creation", 4, I8),
        field("include_cluster_authorized_operations", 8, I8).until(10),
        field("include_topic_authorized_operations", 8, I8),
    ],
};

const OFFSET_COMMIT: Message = Message {
    api_key: 8,
    version_min: 2,
    version_max: 9,
    flexible_since: 8,
    fields: &[
        field("group_id", 0, TEXT),
        field("generation_id_or_member_epoch", 0, I32),
        field("member_id", 0, TEXT),
        field("group_instance_id", 7, TEXT),
        field("retention_time_ms", 0, I64).until(4),
        array("topics", 0).of(&[
            field("name", 0, TEXT),
            array("partitions", 0).of(&[
                field("partition_index", 0, I32),
                field("committed_offset", 0, I64),
                field("committed_leader_epoch", 6, I32),
                field("committed_metadata", 0, TEXT),
            ]),
        ]),
    ],
};

const OFFSET_FETCH: Message = Message {
    api_key: 9,
    version_min: 1,
    version_max: 9,
    flexible_since: 6,
    fields: &[
        field("group_id", 0, TEXT).until(7),
        array("topics", 0)
            .until(7)
            .of(&[field("name", 0, TEXT).until(7), field("partition_indexes", 0, Shape::List(&I32)).until(7)]),
        array("groups", 8).of(&[
            field("group_id", 8, TEXT),
            field("member_id", 9, TEXT),
            field("member_epoch", 9, I32),
            array("topics", 8).of(&[field("name", 8, TEXT), field("partition_indexes", 8, Shape::List(&I32))]),
        ]),
        field("require_stable", 7, I8),
    ],
};

const FIND_COORDINATOR: Message = Message {
    api_key: 10,
    version_min: 0,
    version_max: 6,
    flexible_since: 3,
    fields: &[
        field("key", 0, TEXT).until(3),
        field("key_type", 1, I8),
        field("coordinator_keys", 4, Shape::List(&TEXT)),
    ],
};

const JOIN_GROUP: Message = Message {
    api_key: 11,
    version_min: 0,
    version_max: 9,
    flexible_since: 6,
    fields: &[
        field("group_id", 0, TEXT),
        field("session_timeout_ms", 0, I32),
        field("rebalance_timeout_ms", 1, I32),
        field("member_id", 0, TEXT),
        field("group_instance_id", 5, TEXT),
        field("protocol_type", 0, TEXT),
        array("protocols", 0).of(&[field("name", 0, TEXT), field("metadata", 0, BYTES)]),
        field("reason", 8, TEXT),
    ],
};

const HEARTBEAT: Message = Message {
    api_key: 12,
    version_min: 0,
    version_max: 4,
    flexible_since: 4,
    fields: &[
        field("group_id", 0, TEXT),
        field("generation_id", 0, I32),
        field("member_id", 0, TEXT),
        field("group_instance_id", 3, TEXT),
    ],
};

const LEAVE_GROUP: Message = Message {
    api_key: 13,
    version_min: 0,
    version_max: 5,
    flexible_since: 4,
    fields: &[
        field("group_id", 0, TEXT),
        field("member_id", 0, TEXT).until(2),
        array("members", 3).of(&[
            field("member_id", 3, TEXT),
            field("group_instance_id", 3, TEXT),
            field("reason", 5, TEXT),
        ]),
    ],
};

const SYNC_GROUP: Message = Message {
    api_key: 14,
    version_min: 0,
    version_max: 5,
    flexible_since: 4,
    fields: &[
        field("group_id", 0, TEXT),
        field("generation_id", 0, I32),
        field("member_id", 0, TEXT),
        field("group_instance_id", 3, TEXT),
        field("protocol_type", 5, TEXT),
        field("protocol_name", 5, TEXT),
        array("assignments", 0).of(&[field("member_id", 0, TEXT), field("assignment", 0, BYTES)]),
    ],
};

const SASL_HANDSHAKE: Message = Message {
    api_key: 17,
    version_min: 0,
    version_max: 1,
    flexible_since: i16::MAX,
    fields: &[field("mechanism", 0, TEXT)],
};

const API_VERSIONS: Message = Message {
    api_key: 18,
    version_min: 0,
    version_max: 4,
    flexible_since: 3,
    fields: &[field("client_software_name", 3, TEXT), field("client_software_version", 3, TEXT)],
};

const INIT_PRODUCER_ID: Message = Message {
    api_key: 22,
    version_min: 0,
    version_max: 5,
    flexible_since: 2,
    fields: &[
        field("transactional_id", 0, TEXT),
        field("transaction_timeout_ms", 0, I32),
        field("producer_id", 3, I64),
        field("producer_epoch", 3, I16),
    ],
};

const OFFSET_FOR_LEADER_EPOCH: Message = Message {
    api_key: 23,
    version_min: 2,
    version_max: 4,
    flexible_since: 4,
    fields: &[
        field("replica_id", 3, I32),
        array("topics", 0).of(&[
            field("topic", 0, TEXT),
            array("partitions", 0).of(&[
                field("partition", 0, I32),
                field("current_leader_epoch", 0, I32),
                field("leader_epoch", 0, I32),
            ]),
        ]),
    ],
};

const SASL_AUTHENTICATE: Message = Message {
    api_key: 36,
    version_min: 0,
    version_max: 2,
    flexible_since: 2,
    fields: &[field("auth_bytes", 0, BYTES)],
};
