//! Everything at random, with a printed seed.

use kafka_client::{ProducerIdentity, Sequencer};

use crate::fake::{Cluster, Fault, State};
use crate::producing::{batches, partition, producer, send_all};

const NODES: usize = 2;
const PARTITIONS: i32 = 5;
const BATCHES: usize = 60;
const SEEDS: u64 = 4;

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn fault(&mut self, state: &mut State) -> Fault {
        if self.below(20) == 0 {
            let moved = ("t".to_owned(), self.below(PARTITIONS as u64) as i32);
            let leader = self.below(NODES as u64) as i32;
            state.partitions.get_mut(&moved).expect("created").leader = Some(leader);
        }
        match self.below(40) {
            0 => Fault::Stall,
            1 | 2 => Fault::ResetBeforeAppend,
            3..=5 => Fault::LoseAcknowledgement,
            6..=9 => Fault::Refuse([6, 19, 56, 13][self.below(4) as usize]),
            10..=12 => Fault::RefuseAfterAppend([7, 20][self.below(2) as usize]),
            13 => Fault::Throttle(3),
            14 => Fault::Garble,
            _ => Fault::None,
        }
    }
}

/// `SLUICE_SEED` repeats one run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_batch_is_written_once_and_in_order() {
    let given = std::env::var("SLUICE_SEED").ok().map(|seed| seed.parse().expect("SLUICE_SEED is a number"));
    let first: u64 = given.unwrap_or_else(|| u64::from(std::process::id()) * 1000 + 1);
    for seed in first..first + given.map_or(SEEDS, |_| 1) {
        println!("SLUICE_SEED={seed}");
        run(seed).await;
    }
}

async fn run(seed: u64) {
    let cluster = Cluster::start(NODES).await;
    cluster.create("t", PARTITIONS);
    let mut random = Random(seed | 1);
    cluster.state().mixture = Some(Box::new(move |state| random.fault(state)));
    let producer = producer(&cluster);
    let mut sending = Vec::new();
    for index in 0..PARTITIONS {
        let producer = producer.clone();
        sending.push(tokio::spawn(async move {
            let mut sequencer = Sequencer::new(ProducerIdentity { id: 7, epoch: 0 });
            // Wraps in the middle.
            sequencer.rewind(&partition(index), i32::MAX - BATCHES as i32);
            let batches = batches(&mut sequencer, &partition(index), BATCHES);
            let results = send_all(&producer, &partition(index), &batches).await;
            (batches, results)
        }));
    }
    for (index, sending) in sending.into_iter().enumerate() {
        let (batches, results) = sending.await.expect("no panic");
        for (number, result) in results.iter().enumerate() {
            let offset = result.as_ref().expect("every batch is written").base_offset;
            assert!(offset.is_none_or(|offset| offset == 2 * number as i64), "seed {seed}: {offset:?}");
        }
        assert!(cluster.log(index as i32) == batches, "seed {seed}, partition {index}");
    }
}
