//! Responses about consumer groups: their offsets, members and coordinators.

use crate::check::shape::{BYTES, I8, I16, I32, I64, Message, TEXT, array, field};

pub(super) const OFFSET_COMMIT: Message = Message {
    api_key: 8,
    version_min: 2,
    version_max: 9,
    flexible_since: 8,
    fields: &[
        field("throttle_time_ms", 3, I32),
        array("topics", 0).of(&[
            field("name", 0, TEXT),
            array("partitions", 0).of(&[field("partition_index", 0, I32), field("error_code", 0, I16)]),
        ]),
    ],
};

pub(super) const OFFSET_FETCH: Message = Message {
    api_key: 9,
    version_min: 1,
    version_max: 9,
    flexible_since: 6,
    fields: &[
        field("throttle_time_ms", 3, I32),
        array("topics", 0).until(7).of(&[
            field("name", 0, TEXT).until(7),
            array("partitions", 0).until(7).of(&[
                field("partition_index", 0, I32).until(7),
                field("committed_offset", 0, I64).until(7),
                field("committed_leader_epoch", 5, I32).until(7),
                field("metadata", 0, TEXT).until(7),
                field("error_code", 0, I16).until(7),
            ]),
        ]),
        field("error_code", 2, I16).until(7),
        array("groups", 8).of(&[
            field("group_id", 8, TEXT),
            array("topics", 8).of(&[
                field("name", 8, TEXT),
                array("partitions", 8).of(&[
                    field("partition_index", 8, I32),
                    field("committed_offset", 8, I64),
                    field("committed_leader_epoch", 8, I32),
                    field("metadata", 8, TEXT),
                    field("error_code", 8, I16),
                ]),
            ]),
            field("error_code", 8, I16),
        ]),
    ],
};

pub(super) const FIND_COORDINATOR: Message = Message {
    api_key: 10,
    version_min: 0,
    version_max: 6,
    flexible_since: 3,
    fields: &[
        field("throttle_time_ms", 1, I32),
        field("error_code", 0, I16).until(3),
        field("error_message", 1, TEXT).until(3),
        field("node_id", 0, I32).until(3),
        field("host", 0, TEXT).until(3),
        field("port", 0, I32).until(3),
        array("coordinators", 4).of(&[
            field("key", 4, TEXT),
            field("node_id", 4, I32),
            field("host", 4, TEXT),
            field("port", 4, I32),
            field("error_code", 4, I16),
            field("error_message", 4, TEXT),
        ]),
    ],
};

pub(super) const JOIN_GROUP: Message = Message {
    api_key: 11,
    version_min: 0,
    version_max: 9,
    flexible_since: 6,
    fields: &[
        field("throttle_time_ms", 2, I32),
        field("error_code", 0, I16),
        field("generation_id", 0, I32),
        field("protocol_type", 7, TEXT),
        field("protocol_name", 0, TEXT),
        field("leader", 0, TEXT),
        field("skip_assignment", 9, I8),
        field("member_id", 0, TEXT),
        array("members", 0).of(&[
            field("member_id", 0, TEXT),
            field("group_instance_id", 5, TEXT),
            field("metadata", 0, BYTES),
        ]),
    ],
};

pub(super) const HEARTBEAT: Message = Message {
    api_key: 12,
    version_min: 0,
    version_max: 4,
    flexible_since: 4,
    fields: &[field("throttle_time_ms", 1, I32), field("error_code", 0, I16)],
};

pub(super) const LEAVE_GROUP: Message = Message {
    api_key: 13,
    version_min: 0,
    version_max: 5,
    flexible_since: 4,
    fields: &[
        field("throttle_time_ms", 1, I32),
        field("error_code", 0, I16),
        array("members", 3).of(&[
            field("member_id", 3, TEXT),
            field("group_instance_id", 3, TEXT),
            field("error_code", 3, I16),
        ]),
    ],
};

pub(super) const SYNC_GROUP: Message = Message {
    api_key: 14,
    version_min: 0,
    version_max: 5,
    flexible_since: 4,
    fields: &[
        field("throttle_time_ms", 1, I32),
        field("error_code", 0, I16),
        field("protocol_type", 5, TEXT),
        field("protocol_name", 5, TEXT),
        field("assignment", 0, BYTES),
    ],
};
