//! The shapes of the requests that administrators and their tools send.

use super::super::shape::{I8, I16, I32, I64, Message, Shape, TEXT, UUID, array, field, nullable_record};

pub(super) const DESCRIBE_GROUPS: Message = Message {
    api_key: 15,
    version_min: 0,
    version_max: 6,
    flexible_since: 5,
    fields: &[field("groups", 0, Shape::List(&TEXT)), field("include_authorized_operations", 3, I8)],
};

pub(super) const LIST_GROUPS: Message = Message {
    api_key: 16,
    version_min: 0,
    version_max: 5,
    flexible_since: 3,
    fields: &[field("states_filter", 4, Shape::List(&TEXT)), field("types_filter", 5, Shape::List(&TEXT))],
};

pub(super) const CREATE_TOPICS: Message = Message {
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

pub(super) const DELETE_TOPICS: Message = Message {
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

pub(super) const DELETE_RECORDS: Message = Message {
    api_key: 21,
    version_min: 0,
    version_max: 2,
    flexible_since: 2,
    fields: &[
        array("topics", 0).of(&[
            field("name", 0, TEXT),
            array("partitions", 0).of(&[field("partition_index", 0, I32), field("offset", 0, I64)]),
        ]),
        field("timeout_ms", 0, I32),
    ],
};

pub(super) const DESCRIBE_CONFIGS: Message = Message {
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

pub(super) const ALTER_CONFIGS: Message = Message {
    api_key: 33,
    version_min: 0,
    version_max: 2,
    flexible_since: 2,
    fields: &[
        array("resources", 0).of(&[
            field("resource_type", 0, I8),
            field("resource_name", 0, TEXT),
            array("configs", 0).of(&[field("name", 0, TEXT), field("value", 0, TEXT)]),
        ]),
        field("validate_only", 0, I8),
    ],
};

pub(super) const DESCRIBE_LOG_DIRS: Message = Message {
    api_key: 35,
    version_min: 1,
    version_max: 4,
    flexible_since: 2,
    fields: &[array("topics", 0).of(&[field("topic", 0, TEXT), field("partitions", 0, Shape::List(&I32))])],
};

pub(super) const CREATE_PARTITIONS: Message = Message {
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

pub(super) const DELETE_GROUPS: Message = Message {
    api_key: 42,
    version_min: 0,
    version_max: 2,
    flexible_since: 2,
    fields: &[field("groups_names", 0, Shape::List(&TEXT))],
};

pub(super) const ELECT_LEADERS: Message = Message {
    api_key: 43,
    version_min: 0,
    version_max: 2,
    flexible_since: 2,
    fields: &[
        field("election_type", 1, I8),
        array("topic_partitions", 0).of(&[field("topic", 0, TEXT), field("partitions", 0, Shape::List(&I32))]),
        field("timeout_ms", 0, I32),
    ],
};

pub(super) const INCREMENTAL_ALTER_CONFIGS: Message = Message {
    api_key: 44,
    version_min: 0,
    version_max: 1,
    flexible_since: 1,
    fields: &[
        array("resources", 0).of(&[
            field("resource_type", 0, I8),
            field("resource_name", 0, TEXT),
            array("configs", 0).of(&[
                field("name", 0, TEXT),
                field("config_operation", 0, I8),
                field("value", 0, TEXT),
            ]),
        ]),
        field("validate_only", 0, I8),
    ],
};

pub(super) const ALTER_PARTITION_REASSIGNMENTS: Message = Message {
    api_key: 45,
    version_min: 0,
    version_max: 1,
    flexible_since: 0,
    fields: &[
        field("timeout_ms", 0, I32),
        field("allow_replication_factor_change", 1, I8),
        array("topics", 0).of(&[
            field("name", 0, TEXT),
            array("partitions", 0).of(&[field("partition_index", 0, I32), field("replicas", 0, Shape::List(&I32))]),
        ]),
    ],
};

pub(super) const LIST_PARTITION_REASSIGNMENTS: Message = Message {
    api_key: 46,
    version_min: 0,
    version_max: 0,
    flexible_since: 0,
    fields: &[
        field("timeout_ms", 0, I32),
        array("topics", 0).of(&[field("name", 0, TEXT), field("partition_indexes", 0, Shape::List(&I32))]),
    ],
};

pub(super) const OFFSET_DELETE: Message = Message {
    api_key: 47,
    version_min: 0,
    version_max: 0,
    flexible_since: i16::MAX,
    fields: &[
        field("group_id", 0, TEXT),
        array("topics", 0)
            .of(&[field("name", 0, TEXT), array("partitions", 0).of(&[field("partition_index", 0, I32)])]),
    ],
};

pub(super) const DESCRIBE_QUORUM: Message = Message {
    api_key: 55,
    version_min: 0,
    version_max: 2,
    flexible_since: 0,
    fields: &[array("topics", 0)
        .of(&[field("topic_name", 0, TEXT), array("partitions", 0).of(&[field("partition_index", 0, I32)])])],
};

pub(super) const DESCRIBE_CLUSTER: Message = Message {
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

pub(super) const DESCRIBE_PRODUCERS: Message = Message {
    api_key: 61,
    version_min: 0,
    version_max: 0,
    flexible_since: 0,
    fields: &[array("topics", 0).of(&[field("name", 0, TEXT), field("partition_indexes", 0, Shape::List(&I32))])],
};

pub(super) const DESCRIBE_TRANSACTIONS: Message = Message {
    api_key: 65,
    version_min: 0,
    version_max: 0,
    flexible_since: 0,
    fields: &[field("transactional_ids", 0, Shape::List(&TEXT))],
};

pub(super) const LIST_TRANSACTIONS: Message = Message {
    api_key: 66,
    version_min: 0,
    version_max: 2,
    flexible_since: 0,
    fields: &[
        field("state_filters", 0, Shape::List(&TEXT)),
        field("producer_id_filters", 0, Shape::List(&I64)),
        field("duration_filter", 1, I64),
        field("transactional_id_pattern", 2, TEXT),
    ],
};

pub(super) const LIST_CONFIG_RESOURCES: Message = Message {
    api_key: 74,
    version_min: 0,
    version_max: 1,
    flexible_since: 0,
    fields: &[field("resource_types", 1, Shape::List(&I8))],
};

pub(super) const DESCRIBE_TOPIC_PARTITIONS: Message = Message {
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
