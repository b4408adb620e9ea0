//! The shapes of the responses that the client asks for.

mod groups;

use super::shape::{BYTES, I8, I16, I32, I64, Message, Shape, TEXT, UUID, array, field, record};
use groups::{FIND_COORDINATOR, HEARTBEAT, JOIN_GROUP, LEAVE_GROUP, OFFSET_COMMIT, OFFSET_FETCH, SYNC_GROUP};

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
    &SASL_HANDSHAKE,
    &API_VERSIONS,
    &CREATE_TOPICS,
    &DELETE_RECORDS,
    &INIT_PRODUCER_ID,
    &DESCRIBE_CONFIGS,
    &SASL_AUTHENTICATE,
];

const PRODUCE: Message = Message {
    api_key: 0,
    version_min: 3,
    version_max: 13,
    flexible_since: 9,
    fields: &[
        array("responses", 0).of(&[
            field("name", 0, TEXT).until(12),
            field("topic_id", 13, UUID),
            array("partition_responses", 0).of(&[
                field("index", 0, I32),
                field("error_code", 0, I16),
                field("base_offset", 0, I64),
                field("log_append_time_ms", 0, I64),
                field("log_start_offset", 5, I64),
                array("record_errors", 8)
                    .of(&[field("batch_index", 8, I32), field("batch_index_error_message", 8, TEXT)]),
                field("error_message", 8, TEXT),
                record("current_leader", 10).tag(0).of(&[field("leader_id", 10, I32), field("leader_epoch", 10, I32)]),
            ]),
        ]),
        field("throttle_time_ms", 0, I32),
        array("node_endpoints", 10).tag(0).of(&[
            field("node_id", 10, I32),
            field("host", 10, TEXT),
            field("port", 10, I32),
            field("rack", 10, TEXT),
        ]),
    ],
};

const FETCH: Message = Message {
    api_key: 1,
    version_min: 4,
    version_max: 18,
    flexible_since: 12,
    fields: &[
        field("throttle_time_ms", 0, I32),
        field("error_code", 7, I16),
        field("session_id", 7, I32),
        array("responses", 0).of(&[
            field("topic", 0, TEXT).until(12),
            field("topic_id", 13, UUID),
            array("partitions", 0).of(&[
                field("partition_index", 0, I32),
                field("error_code", 0, I16),
                field("high_watermark", 0, I64),
                field("last_stable_offset", 0, I64),
                field("log_start_offset", 5, I64),
                array("aborted_transactions", 0).of(&[field("producer_id", 0, I64), field("first_offset", 0, I64)]),
                field("preferred_read_replica", 11, I32),
                field("records", 0, BYTES),
                record("diverging_epoch", 0).tag(0).of(&[field("epoch", 12, I32), field("end_offset", 12, I64)]),
                record("current_leader", 0).tag(1).of(&[field("leader_id", 12, I32), field("leader_epoch", 12, I32)]),
                record("snapshot_id", 0).tag(2).of(&[field("end_offset", 0, I64), field("epoch", 0, I32)]),
            ]),
        ]),
        array("node_endpoints", 16).tag(0).of(&[
            field("node_id", 16, I32),
            field("host", 16, TEXT),
            field("port", 16, I32),
            field("rack", 16, TEXT),
        ]),
    ],
};

const LIST_OFFSETS: Message = Message {
    api_key: 2,
    version_min: 1,
    version_max: 10,
    flexible_since: 6,
    fields: &[
        field("throttle_time_ms", 2, I32),
        array("topics", 0).of(&[
            field("name", 0, TEXT),
            array("partitions", 0).of(&[
                field("partition_index", 0, I32),
                field("error_code", 0, I16),
                field("timestamp", 0, I64),
                field("offset", 0, I64),
                field("leader_epoch", 4, I32),
            ]),
        ]),
    ],
};

const METADATA: Message = Message {
    api_key: 3,
    version_min: 0,
    version_max: 13,
    flexible_since: 9,
    fields: &[
        field("throttle_time_ms", 3, I32),
        array("brokers", 0).of(&[
            field("node_id", 0, I32),
            field("host", 0, TEXT),
            field("port", 0, I32),
            field("rack", 1, TEXT),
        ]),
        field("cluster_id", 2, TEXT),
        field("controller_id", 1, I32),
        array("topics", 0).of(&[
            field("error_code", 0, I16),
            field("name", 0, TEXT),
            field("topic_id", 10, UUID),
            field("is_internal", 1, I8),
            array("partitions", 0).of(&[
                field("error_code", 0, I16),
                field("partition_index", 0, I32),
                field("leader_id", 0, I32),
                field("leader_epoch", 7, I32),
                field("replica_nodes", 0, Shape::List(&I32)),
                field("isr_nodes", 0, Shape::List(&I32)),
                field("offline_replicas", 5, Shape::List(&I32)),
            ]),
            field("topic_authorized_operations", 8, I32),
        ]),
        field("cluster_authorized_operations", 8, I32).until(10),
        field("error_code", 13, I16),
    ],
};

const API_VERSIONS: Message = Message {
    api_key: 18,
    version_min: 0,
    version_max: 4,
    flexible_since: 3,
    fields: &[
        field("error_code", 0, I16),
        array("api_keys", 0).of(&[
            field("api_key", 0, I16),
            field("min_version", 0, I16),
            field("max_version", 0, I16),
        ]),
        field("throttle_time_ms", 1, I32),
        array("supported_features", 0).tag(0).of(&[
            field("name", 3, TEXT),
            field("min_version", 3, I16),
            field("max_version", 3, I16),
        ]),
        field("finalized_features_epoch", 0, I64).tag(1),
        array("finalized_features", 0).tag(2).of(&[
            field("name", 3, TEXT),
            field("max_version_level", 3, I16),
            field("min_version_level", 3, I16),
        ]),
        field("zk_migration_ready", 0, I8).tag(3),
    ],
};

const CREATE_TOPICS: Message = Message {
    api_key: 19,
    version_min: 2,
    version_max: 7,
    flexible_since: 5,
    fields: &[
        field("throttle_time_ms", 0, I32),
        array("topics", 0).of(&[
            field("name", 0, TEXT),
            field("topic_id", 7, UUID),
            field("error_code", 0, I16),
            field("error_message", 0, TEXT),
            field("num_partitions", 5, I32),
            field("replication_factor", 5, I16),
            array("configs", 5).of(&[
                field("name", 5, TEXT),
                field("value", 5, TEXT),
                field("read_only", 5, I8),
                field("config_source", 5, I8),
                field("is_sensitive", 5, I8),
            ]),
            field("topic_config_error_code", 0, I16).tag(0),
        ]),
    ],
};

const INIT_PRODUCER_ID: Message = Message {
    api_key: 22,
    version_min: 0,
    version_max: 5,
    flexible_since: 2,
    fields: &[
        field("throttle_time_ms", 0, I32),
        field("error_code", 0, I16),
        field("producer_id", 0, I64),
        field("producer_epoch", 0, I16),
    ],
};

const SASL_HANDSHAKE: Message = Message {
    api_key: 17,
    version_min: 0,
    version_max: 1,
    flexible_since: i16::MAX,
    fields: &[field("error_code", 0, I16), field("mechanisms", 0, Shape::List(&TEXT))],
};

const SASL_AUTHENTICATE: Message = Message {
    api_key: 36,
    version_min: 0,
    version_max: 2,
    flexible_since: 2,
    fields: &[
        field("error_code", 0, I16),
        field("error_message", 0, TEXT),
        field("auth_bytes", 0, BYTES),
        field("session_lifetime_ms", 1, I64),
    ],
};

const DELETE_RECORDS: Message = Message {
    api_key: 21,
    version_min: 0,
    version_max: 2,
    flexible_since: 2,
    fields: &[
        field("throttle_time_ms", 0, I32),
        array("topics", 0).of(&[
            field("name", 0, TEXT),
            array("partitions", 0).of(&[
                field("partition_index", 0, I32),
                field("low_watermark", 0, I64),
                field("error_code", 0, I16),
            ]),
        ]),
    ],
};

const DESCRIBE_CONFIGS: Message = Message {
    api_key: 32,
    version_min: 1,
    version_max: 4,
    flexible_since: 4,
    fields: &[
        field("throttle_time_ms", 0, I32),
        array("results", 0).of(&[
            field("error_code", 0, I16),
            field("error_message", 0, TEXT),
            field("resource_type", 0, I8),
            field("resource_name", 0, TEXT),
            array("configs", 0).of(&[
                field("name", 0, TEXT),
                field("value", 0, TEXT),
                field("read_only", 0, I8),
                field("config_source", 1, I8),
                field("is_sensitive", 0, I8),
                array("synonyms", 1).of(&[field("name", 1, TEXT), field("value", 1, TEXT), field("source", 1, I8)]),
                field("config_type", 3, I8),
                field("documentation", 3, TEXT),
            ]),
        ]),
    ],
};
