//! DescribeLogDirs (key 35): the data directory, the bytes of each partition in it, and the room that is left.

use kafka_wire::protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_wire::protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, text, topic_name};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 1..=4;

/// The file system does not say.
const UNKNOWN: i64 = -1;

pub async fn handle(node: &Arc<Node>, call: &Call, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    if let Err(error) = call.check_admin(node) {
        let response = DescribeLogDirsResponse::default();
        return if call.version >= 3 { response.with_error_code(error.code()) } else { response };
    }
    // `None`: all partitions.
    let asked: Option<BTreeMap<String, BTreeSet<i32>>> = request.topics.map(|topics| {
        topics.into_iter().map(|topic| (topic.topic.to_string(), topic.partitions.into_iter().collect())).collect()
    });
    let mut topics = Vec::new();
    for topic in node.log.topics().values() {
        let wanted = match &asked {
            None => None,
            Some(asked) => match asked.get(&*topic.name) {
                Some(partitions) => Some(partitions),
                None => continue,
            },
        };
        let partitions = (topic.live_partitions())
            .filter(|partition| wanted.is_none_or(|wanted| wanted.contains(&partition.number())))
            .map(|partition| {
                DescribeLogDirsPartition::default()
                    .with_partition_index(partition.number())
                    .with_partition_size(i64::try_from(partition.bytes()).unwrap_or(i64::MAX))
                    .with_offset_lag(0)
                    .with_is_future_key(false)
            })
            .collect();
        topics.push(DescribeLogDirsTopic::default().with_name(topic_name(&topic.name)).with_partitions(partitions));
    }
    let directory = std::path::absolute(node.log.root()).unwrap_or_else(|_| node.log.root().to_owned());
    let result =
        DescribeLogDirsResult::default().with_log_dir(text(directory.display().to_string())).with_topics(topics);
    let result = match call.version {
        ..4 => result,
        _ => {
            let room = rustix::fs::statvfs(&directory).ok();
            let bytes = |blocks: u64, block: u64| i64::try_from(blocks.saturating_mul(block)).unwrap_or(i64::MAX);
            result
                .with_total_bytes(room.as_ref().map_or(UNKNOWN, |room| bytes(room.f_blocks, room.f_frsize)))
                .with_usable_bytes(room.as_ref().map_or(UNKNOWN, |room| bytes(room.f_bavail, room.f_frsize)))
        }
    };
    DescribeLogDirsResponse::default().with_results(vec![result])
}
