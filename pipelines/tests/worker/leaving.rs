//! What is open when partitions are taken away, or the worker stops.

use crate::flow::{Table, fetched, quick, table};
use crate::records::plain_batch;
use crate::*;
use pipelines::worker::Settings;
use pipelines::worker::source::Event;

#[tokio::test]
async fn what_is_revoked_is_worked_off_committed_and_given_back() {
    let table = table(false, Settings { commit_every: Duration::from_secs(3600), ..Settings::default() });
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0), (partition(1), 0)])));
    table.dealer.send(fetched(0, 0, plain_batch(0, &["a"])));
    table.dealer.send(fetched(1, 0, plain_batch(0, &["b"])));
    until("both wait", || table.sink.waiting() == 2).await;
    table.sink.free.lock().expect("no panic").clear();
    table.dealer.send(Event::Revoked(vec![partition(0)]));
    table.sink.gate.add_permits(2);
    until("given back", || table.dealer.acknowledged_revocations() == 1).await;
    assert_eq!(table.dealer.committed(&partition(0)), Some(1));
    until("gone", || table.worker.delivered() == [(partition(1), 1)]).await;
    // A fetch that was on its way is nobody's.
    table.dealer.send(fetched(0, 1, plain_batch(1, &["late"])));
    table.worker.stop(DEADLINE).await;
    assert_eq!((table.sink.documents().len(), table.dealer.committed(&partition(1))), (2, Some(1)));
}

#[tokio::test]
async fn what_is_revoked_and_stuck_is_dropped_after_a_third_of_the_session() {
    let table = table(false, Settings { session_timeout: Duration::from_millis(30), ..quick() });
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    table.dealer.send(fetched(0, 0, plain_batch(0, &["a"])));
    until("it waits", || table.sink.waiting() == 1).await;
    table.dealer.send(Event::Revoked(vec![partition(0)]));
    until("given back", || table.dealer.acknowledged_revocations() == 1).await;
    assert_eq!(table.dealer.committed(&partition(0)), None);
    // It comes back: what was dropped is read again, and the old unit's end counts for nothing.
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    table.dealer.send(fetched(0, 0, plain_batch(0, &["a"])));
    until("it waits again", || table.sink.waiting() == 2).await;
    table.sink.gate.add_permits(2);
    until("a commit", || table.dealer.committed(&partition(0)) == Some(1)).await;
    assert_eq!(table.sink.documents().len(), 1);
}

#[tokio::test]
async fn stopping_works_off_what_is_open_and_gives_up_at_its_deadline() {
    let stopped = table(false, Settings { commit_every: Duration::from_secs(3600), ..Settings::default() });
    stopped.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    stopped.dealer.send(fetched(0, 0, plain_batch(0, &["a"])));
    until("it waits", || stopped.sink.waiting() == 1).await;
    let Table { dealer, sink, worker, .. } = stopped;
    let (_, progress) = tokio::join!(async { sink.gate.add_permits(1) }, worker.stop(DEADLINE));
    assert_eq!((progress.documents_delivered, dealer.committed(&partition(0))), (1, Some(1)));

    let stuck = table(false, quick());
    stuck.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    stuck.dealer.send(fetched(0, 0, plain_batch(0, &["a"])));
    until("it waits", || stuck.sink.waiting() == 1).await;
    let progress = stuck.worker.stop(Duration::from_millis(10)).await;
    assert_eq!((progress.documents_delivered, stuck.dealer.committed(&partition(0))), (0, None));
}
