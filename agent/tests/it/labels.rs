//! What an input says about its records: labels, topics, and whether there are headers at all.

use crate::fixture::{Fixture, glob};
use agent::Input;
use std::collections::BTreeMap;
use std::time::Duration;

const DRAIN: Duration = Duration::from_secs(10);

fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A batch that is made again has the labels that it was sent with, whatever the config says by then.
#[tokio::test(flavor = "multi_thread")]
async fn labels_of_a_file_are_fixed_at_first_sight() {
    let mut fixture = Fixture::new();
    fixture.config.labels = labels(&[("env", "prod"), ("team", "a")]);
    fixture.config.inputs[0].labels = labels(&[("team", "b")]);
    fixture.broker.lose_acknowledgements(true);
    fixture.append("a.log", "one\n");
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.count() == 1).await;
    drop(agent);
    fixture.broker.lose_acknowledgements(false);
    fixture.config.labels = labels(&[("env", "test")]);
    fixture.append("a.log", "two\n");
    let agent = fixture.start().await;
    fixture.expect(&["one", "two"]).await;
    for record in fixture.broker.got() {
        assert_eq!((record.header("labels.env"), record.header("labels.team")), ("prod", "b"));
    }
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_made_of_parts_of_the_path_and_headers_can_be_left_out() {
    let mut fixture = Fixture::new();
    fixture.config.topic = "{dir}-{name}".to_owned();
    fixture.config.headers = false;
    let other = Input { paths: vec![glob(&fixture.folder, "*.txt")], topic: Some("txt".into()), ..Input::default() };
    fixture.config.inputs.push(other);
    fixture.append("shop.log", "one\n");
    fixture.append("b.txt", "two\n");
    let agent = fixture.start().await;
    fixture.expect(&["one", "two"]).await;
    assert_eq!(fixture.broker.topics(), ["logs-shop", "txt"]);
    assert!(fixture.broker.got().iter().all(|record| record.headers.is_empty()));
    agent.stop(DRAIN).await;
}
