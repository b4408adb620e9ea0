//! The shapes of the requests that the broker serves.

use super::shape::{BYTES, I8, I16, I32, I64, Message, Shape, TEXT, UUID, array, field, nullable_record, record};

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
    &API_VERSIONS,
    &CREATE_TOPICS,
    &DELETE_TOPICS,
    &INIT_PRODUCER_ID,
    &OFFSET_FOR_LEADER_EPOCH,
    &DESCRIBE_CONFIGS,
    &CREATE_PARTITIONS,
    &DELETE_GROUPS,
    &DESCRIBE_CLUSTER,
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

const DESCRIBE_GROUPS: Message = Message {
    api_key: 15,
    version_min: 0,
    version_max: 6,
    flexible_since: 5,
    fields: &[field("groups", 0, Shape::List(&TEXT)), field("include_authorized_operations", 3, I8)],
};

const LIST_GROUPS: Message = Message {
    api_key: 16,
    version_min: 0,
    version_max: 5,
    flexible_since: 3,
    fields: &[field("states_filter", 4, Shape::List(&TEXT)), field("types_filter", 5, Shape::List(&TEXT))],
};

const API_VERSIONS: Message = Message {
    api_key: 18,
    version_min: 0,
    version_max: 4,
    flexible_since: 3,
    fields: &[field("client_software_name", 3, TEXT), field("client_software_version", 3, TEXT)],
};

const CREATE_TOPICS: Message = Message {
    api_key: 19,
    version_min: 2,
    version_max: 7,
    flexible_since: 5,
    fields: &[
        array("topics", 0).of(&[
            field("name", 0, TEXT),
            field("num_partitions", 0, I32),
            field("replication_factor", 0, I16),
            array("assignments", 0).of(&[field("partition_index", 0, I32), field("broker_ids", 0, Shape::List(&I32))]),
            array("configs", 0).of(&[field("name", 0, TEXT), field("value", 0, TEXT)]),
        ]),
        field("timeout_ms", 0, I32),
        field("validate_only", 0, I8),
    ],
};

const DELETE_TOPICS: Message = Message {
    api_key: 20,
    version_min: 1,
    version_max: 6,
    flexible_since: 4,
    fields: &[
        array("topics", 6).of(&[field("name", 6, TEXT), field("topic_id", 6, UUID)]),
        field("topic_names", 0, Shape::List(&TEXT)).until(5),
        field("timeout_ms", 0, I32),
    ],
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

const DESCRIBE_CONFIGS: Message = Message {
    api_key: 32,
    version_min: 1,
    version_max: 4,
    flexible_since: 4,
    fields: &[
        array("resources", 0).of(&[
            field("resource_type", 0, I8),
            field("resource_name", 0, TEXT),
            field("configuration_keys", 0, Shape::List(&TEXT)),
        ]),
        field("include_synonyms", 0, I8),
        field("include_documentation", 3, I8),
    ],
};

const CREATE_PARTITIONS: Message = Message {
    api_key: 37,
    version_min: 0,
    version_max: 3,
    flexible_since: 2,
    fields: &[
        array("topics", 0).of(&[
            field("name", 0, TEXT),
            field("count", 0, I32),
            array("assignments", 0).of(&[field("broker_ids", 0, Shape::List(&I32))]),
        ]),
        field("timeout_ms", 0, I32),
        field("validate_only", 0, I8),
    ],
};

const DELETE_GROUPS: Message = Message {
    api_key: 42,
    version_min: 0,
    version_max: 2,
    flexible_since: 2,
    fields: &[field("groups_names", 0, Shape::List(&TEXT))],
};

const DESCRIBE_CLUSTER: Message = Message {
    api_key: 60,
    version_min: 0,
    version_max: 2,
    flexible_since: 0,
    fields: &[
        field("include_cluster_authorized_operations", 0, I8),
        field("endpoint_type", 1, I8),
        field("include_fenced_brokers", 2, I8),
    ],
};

const DESCRIBE_TOPIC_PARTITIONS: Message = Message {
    api_key: 75,
    version_min: 0,
    version_max: 0,
    flexible_since: 0,
    fields: &[
        array("topics", 0).of(&[field("name", 0, TEXT)]),
        field("response_partition_limit", 0, I32),
        nullable_record("cursor", 0).of(&[field("topic_name", 0, TEXT), field("partition_index", 0, I32)]),
    ],
};
