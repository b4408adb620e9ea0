//! Finding brokers, agreeing on versions, coming back.

use kafka_client::{Call, ClientError, Producer, ProducerConfig, Sequencer};
use kafka_wire::protocol::messages::{HeartbeatRequest, ProduceRequest};
use tokio::net::TcpListener;

use crate::fake::Cluster;
use crate::producing::{batches, partition, send_all};
use crate::{client, until};

#[tokio::test]
async fn versions_are_negotiated() {
    // A broker of today, one that does not know the newest request, and one from before it had a body.
    for api_versions_max in [4, 3, 2, 0] {
        let cluster = Cluster::with_topic(3).await;
        cluster.state().api_versions_max = api_versions_max;
        let client = client(cluster.bootstrap());
        assert_eq!(client.partitions("t").await.expect("the topic is there"), 3);
        assert_eq!(client.cluster_id().await.expect("the broker answers").as_deref(), Some("fake"));
        let software = cluster.state().client_software.clone();
        assert_eq!(software.map(|(name, _)| name).as_deref(), (api_versions_max >= 3).then_some("sluice"));
    }
}

#[tokio::test]
async fn an_api_that_is_too_old_is_an_error() {
    let cluster = Cluster::with_topic(1).await;
    cluster.state().version_max.insert(0, 2);
    let result = client(cluster.bootstrap()).call_any(ProduceRequest::default()).await;
    assert!(matches!(result, Err(ClientError::Unsupported { api: "Produce", .. })), "{result:?}");
}

#[tokio::test]
async fn a_topic_is_created_by_asking_or_by_request() {
    let cluster = Cluster::start(2).await;
    let client = client(cluster.bootstrap());
    client.create_topic("asked", 5).await.expect("created");
    client.create_topic("asked", 9).await.expect("exists already");
    assert_eq!(client.partitions("asked").await.expect("created"), 5);
    cluster.state().auto_create = Some(2);
    assert_eq!(client.partitions("automatic").await.expect("created"), 2);
}

#[tokio::test]
async fn partitions_waits_for_leaders() {
    let cluster = Cluster::with_topic(2).await;
    let set_leader = |leader| {
        cluster.state().partitions.get_mut(&("t".to_owned(), 1)).expect("created").leader = leader;
    };
    set_leader(None);
    let client = client(cluster.bootstrap());
    let asking = client.clone();
    let partitions = tokio::spawn(async move { asking.partitions("t").await });
    until("a problem", || client.problem().is_some_and(|text| text.contains("LEADER_NOT_AVAILABLE"))).await;
    set_leader(Some(0));
    assert_eq!(partitions.await.expect("no panic").expect("a leader came"), 2);
    assert_eq!(client.problem(), None);
}

#[tokio::test]
async fn a_dead_bootstrap_address_is_passed_over() {
    let cluster = Cluster::with_topic(1).await;
    let dead = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound").to_string();
    let client = client([vec![dead, "nonsense".to_owned()], cluster.bootstrap()].concat());
    assert_eq!(client.partitions("t").await.expect("one of them answers"), 1);
    assert_eq!(client.problem(), None);
}

#[tokio::test]
async fn waits_for_a_broker_that_comes_later() {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = socket.local_addr().expect("bound");
    drop(socket);
    let client = client(vec![address.to_string()]);
    let producer = Producer::new(client.clone(), ProducerConfig::default());
    let identity = kafka_client::ProducerIdentity { id: 1, epoch: 0 };
    let all = batches(&mut Sequencer::new(identity), &partition(0), 3);
    let answer = producer.send(partition(0), all[0].clone());
    until("a problem", || client.problem().is_some()).await;
    let problem = client.problem().expect("there is one");
    assert!(problem.contains(&address.to_string()) && problem.contains("refused"), "{problem}");

    let cluster = Cluster::start_at(address).await;
    cluster.create("t", 1);
    answer.await.expect("written when the broker came");
    assert_eq!(client.problem(), None);

    // The same again with everything known: the broker restarts on its port.
    let state = cluster.stop().await;
    let answer = producer.send(partition(0), all[1].clone());
    until("a problem", || client.problem().is_some()).await;
    let cluster = Cluster::start_at(address).await;
    *cluster.state() = state;
    answer.await.expect("written when the broker came back");
    send_all(&producer, &partition(0), &all[2..]).await;
    assert!(cluster.log(0) == all);
    assert_eq!(client.problem(), None);
}

#[tokio::test]
async fn a_coordinator_is_found_and_called() {
    let cluster = Cluster::start(2).await;
    let client = client(cluster.bootstrap());
    let heartbeat = || Call::build(|version| HeartbeatRequest::default().with_generation_id(i32::from(version)));
    for _ in 0..2 {
        let response = client.call_coordinator("group", heartbeat()).await.expect("answered");
        assert_eq!(response.error_code, 25);
    }
    // Found once.
    assert_eq!(cluster.state().requests[&10], 1);
    client.forget_coordinator("group");
    client.separate().call_coordinator("group", heartbeat()).await.expect("answered on a connection of its own");
    assert_eq!(cluster.state().requests[&10], 2);
}
