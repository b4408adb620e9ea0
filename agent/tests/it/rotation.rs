//! Rotation by rename: old before new, in one partition, and nothing of either lost or doubled.

use crate::fixture::Fixture;
use crate::gzip::{lines, text};

/// Item 4: the broker is stalled while a log is rotated twice; then everything comes, old before new.
#[tokio::test(flavor = "multi_thread")]
async fn old_files_come_before_new_ones_over_a_restart() {
    for restart in [false, true] {
        let mut fixture = Fixture::new();
        fixture.config.blocks_bytes_max = 64 * 1024;
        fixture.config.rotated_grace = std::time::Duration::from_secs(30);
        fixture.broker.stall(true);
        let (first, second, third) = (lines("first", 4000), lines("second", 3000), lines("third", 100));
        fixture.append("a.log", &text(&first)[..20_000]);
        let mut agent = fixture.start().await;
        fixture.until(|| agent.progress().bytes_read > 0).await;
        fixture.append("a.log", &text(&first)[20_000..]);
        fixture.rename("a.log", "a.1");
        fixture.append("a.log", text(&second));
        fixture.until(|| agent.files().len() == 2).await;
        fixture.rename("a.log", "a.2");
        fixture.append("a.log", text(&third));
        fixture.until(|| agent.files().len() == 3).await;
        if restart {
            drop(agent);
            agent = fixture.start().await;
        }
        fixture.broker.stall(false);
        let all = [first, second, third].concat();
        fixture.until(|| fixture.broker.count() >= all.len()).await;
        assert!(fixture.broker.values() == all, "in order, restart {restart}");
        let partitions: std::collections::BTreeSet<i32> =
            fixture.broker.got().iter().map(|got| got.partition).collect();
        assert_eq!(partitions.len(), 1, "one partition for all generations");
        drop(agent);
    }
}
