//! A full disk under the checkpoints: nothing is sent that could not be written down, and all of it when there is space.

use crate::fixture::{Fixture, caught_up};
use agent::WriteGate;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A disk, and the bytes that still fit on it.
pub fn disk() -> (WriteGate, Arc<AtomicUsize>) {
    let left = Arc::new(AtomicUsize::new(usize::MAX));
    let gate = {
        let left = Arc::clone(&left);
        WriteGate(Arc::new(move |bytes| {
            let fits = bytes.min(left.load(Ordering::SeqCst));
            if fits < bytes {
                left.store(0, Ordering::SeqCst);
            } else if left.load(Ordering::SeqCst) != usize::MAX {
                left.fetch_sub(fits, Ordering::SeqCst);
            }
            fits
        }))
    };
    (gate, left)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_sending_until_there_is_space() {
    // Space for an acknowledgement, for a batch, for a file.
    for fits in [0, 50, 500, 1000, 2000, 4000, 8000] {
        let mut fixture = Fixture::new();
        let (gate, left) = disk();
        fixture.config.write_gate = Some(gate);
        let lines: Vec<String> = (0..1000).map(|n| format!("line {n:05}")).collect();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let agent = fixture.start().await;
        caught_up(&agent).await;
        left.store(fits, Ordering::SeqCst);
        fixture.append("a.log", &text);
        println!("{fits} bytes fit");
        let full = |problem: &String| problem.contains("cannot");
        fixture.until(|| left.load(Ordering::SeqCst) == 0 && agent.problems().iter().any(full)).await;
        assert!(fixture.broker.count() < 1000, "{fits} bytes fit");
        // A new file cannot be begun either.
        fixture.append("b.log", "other\n");
        if fits % 1000 == 0 {
            left.store(usize::MAX, Ordering::SeqCst);
        } else {
            drop(agent);
            assert!(fixture.try_start().await.is_err());
            left.store(usize::MAX, Ordering::SeqCst);
            let agent = fixture.start().await;
            fixture.until(|| fixture.broker.count() == 1001).await;
            caught_up(&agent).await;
        }
        fixture.until(|| fixture.broker.count() == 1001).await;
        let values: Vec<String> = fixture.broker.values().into_iter().filter(|value| value != "other").collect();
        assert_eq!(values, lines, "{fits} bytes fit");
    }
}
