//! Clusters that refuse to answer, or that are others than before.

use crate::fixture::{Fixture, caught_up};
use agent::SendError;
use std::time::Duration;

const DRAIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_question_is_shown_and_asked_again_until_it_is_answered() {
    let fixture = Fixture::new();
    fixture.append("a.log", "one\n");
    fixture.broker.refuse_questions(Some("topic authorization failed"));
    let agent = fixture.start().await;
    for what in ["the cluster's id", "the partitions of topic \"logs\""] {
        fixture.until(|| agent.problems().iter().any(|problem| problem.contains(what))).await;
    }
    assert!(agent.problems().iter().all(|problem| problem.contains("topic authorization failed")));
    fixture.broker.refuse_questions(None);
    fixture.expect(&["one"]).await;
    fixture.until(|| agent.problems().is_empty()).await;
    // The producer id is the question of a file that is in another partition.
    fixture.broker.refuse_questions(Some("cluster authorization failed"));
    for n in 0..20 {
        fixture.append(&format!("{n}.log"), format!("{n}\n"));
    }
    fixture.until(|| agent.problems().iter().any(|problem| problem.contains("a producer id"))).await;
    fixture.broker.refuse_questions(None);
    fixture.until(|| fixture.broker.count() == 21).await;
    fixture.until(|| agent.problems().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_with_fewer_partitions_gets_everything_in_order() {
    let fixture = Fixture::new();
    let mut want = Vec::new();
    for n in 0..12 {
        let lines: Vec<String> = (0..60).map(|line| format!("{n}:{line}")).collect();
        fixture.append(&format!("{n}.log"), lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        want.push(lines);
    }
    fixture.broker.stall(true);
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.waiting() > 3).await;
    drop(agent);
    fixture.broker.become_cluster("two");
    fixture.broker.have_partitions(1);
    fixture.broker.stall(false);
    let agent = fixture.start().await;
    caught_up(&agent).await;
    for n in 0..12 {
        fixture.append(&format!("{n}.log"), "last\n");
    }
    fixture.until(|| fixture.broker.count() == 12 * 61).await;
    let got = fixture.broker.got();
    assert!(got.iter().all(|got| got.partition == 0));
    for (n, lines) in want.iter().enumerate() {
        let prefix = format!("{n}:");
        let of_file: Vec<String> =
            fixture.broker.values().into_iter().filter(|value| value.starts_with(&prefix)).collect();
        assert_eq!(&of_file, lines);
    }
    agent.stop(DRAIN).await;
    // The choice is on disk.
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.append("3.log", "after\n");
    fixture.until(|| fixture.broker.count() == 12 * 61 + 1).await;
    assert_eq!(fixture.broker.got().last().map(|got| got.partition), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn once_ends_although_a_file_is_refused_and_names_it() {
    let mut fixture = Fixture::new();
    fixture.config.once = true;
    fixture.append("a.log", "one\ntwo\n");
    fixture.broker.refuse(SendError::Refused("not allowed".into()));
    let agent = fixture.start().await;
    caught_up(&agent).await;
    let unread = agent.unread();
    assert!(unread.len() == 1 && unread[0].contains("a.log") && unread[0].contains("not allowed"), "{unread:?}");
    assert_eq!(fixture.broker.count(), 0);
    agent.stop(DRAIN).await;
    let agent = fixture.start().await;
    caught_up(&agent).await;
    assert_eq!(agent.unread(), Vec::<String>::new());
    fixture.expect(&["one", "two"]).await;
}
