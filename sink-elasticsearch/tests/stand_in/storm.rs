//! A server at its limit: how often it has to refuse what comes.

use crate::*;
use elasticsearch_stand_in::{Answer, Fault};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the server takes for a request, whatever is in it.
const SERVICE: Duration = Duration::from_millis(4);
/// Requests that may wait in the server.
const QUEUE: u32 = 2;
const REQUESTS: usize = 1000;
const DOCUMENTS_PER_REQUEST: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_requests_are_refused_while_a_backlog_is_worked_off() {
    let server = StandIn::start().await;
    let (asked, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut free_at = Instant::now();
    server.fault_source(Box::new({
        let (asked, refused) = (asked.clone(), refused.clone());
        move |_, _| {
            let now = Instant::now();
            asked.fetch_add(1, Ordering::Relaxed);
            if free_at.saturating_duration_since(now) > SERVICE * QUEUE {
                refused.fetch_add(1, Ordering::Relaxed);
                return Fault::Status(Answer::error(429, "es_rejected_execution_exception", "rejected execution"));
            }
            free_at = free_at.max(now) + SERVICE;
            Fault::Slow(free_at - now)
        }
    }));
    let pauses = Config::new([server.url()]);
    let sink = sink(Config {
        bulk_documents_max: DOCUMENTS_PER_REQUEST,
        backoff_min: pauses.backoff_min,
        backoff_max: pauses.backoff_max,
        ..config(server.url())
    });
    let begin = Instant::now();
    let deliveries: Vec<_> = (0..REQUESTS)
        .map(|number| {
            let (sink, first) = (sink.clone(), number * DOCUMENTS_PER_REQUEST);
            tokio::spawn(async move { deliver(&sink, batch("a", first..first + DOCUMENTS_PER_REQUEST)).await })
        })
        .collect();
    for delivery in deliveries {
        delivery.await.expect("delivered");
    }
    let (asked, refused) = (asked.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    println!("{refused} of {asked} requests were refused; {:?} for {:?}", begin.elapsed(), SERVICE * REQUESTS as u32);
    assert_eq!(server.document_count(), REQUESTS * DOCUMENTS_PER_REQUEST);
    assert!(refused * 20 <= asked, "{refused} of {asked} requests were refused");
    assert!(begin.elapsed() < 10 * SERVICE * REQUESTS as u32, "{:?}", begin.elapsed());
    assert_sound(&server);
}
