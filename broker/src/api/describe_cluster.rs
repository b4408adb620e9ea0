//! DescribeCluster (key 60): this node, which is the whole cluster (KIP-700).

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_wire::protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, text};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=2;

/// `endpoint_type`: brokers; 2 would be controllers, which have no listener here.
const BROKERS: i8 = 1;

pub async fn handle(node: &Arc<Node>, call: &Call, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let response = DescribeClusterResponse::default().with_cluster_id(text(node.log.cluster_id()));
    if call.version >= 1 && request.endpoint_type != BROKERS {
        return response
            .with_endpoint_type(BROKERS)
            .with_error_code(ResponseError::MismatchedEndpointType.code())
            .with_error_message(Some(text("the request was sent to a broker")));
    }
    let (host, port) = node.advertised(&call.peers);
    let node_id = BrokerId(node.config.node_id);
    let broker =
        DescribeClusterBroker::default().with_broker_id(node_id).with_host(text(host)).with_port(i32::from(port));
    response.with_controller_id(node_id).with_brokers(vec![broker])
}
