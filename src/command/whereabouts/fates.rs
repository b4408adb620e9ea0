//! What pipelines make of records that the workers are done with and that are no documents under the ids of their lines.

use super::Documents;
use super::standing::Place;
use super::topics::Partitions;
use crate::command::worker::choices;
use crate::config::WorkerSection;
use pipelines::worker::{Made, Settings, Trial};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    pub made: Made,
    /// Those with the `_id` that it was given, which is not that of its line.
    pub documents: Vec<Place>,
}

impl Fate {
    /// The `_id` that it was given, whatever became of the document.
    pub fn id(&self) -> Option<&str> {
        self.made.id()
    }
}

/// The pipelines of the workers, as the config has them now.
pub struct Fates {
    worker: WorkerSection,
    /// Loaded when a record is first asked about: most lines are simply documents. `None`: they cannot be loaded here.
    trial: OnceLock<Option<Trial>>,
}

impl Fates {
    pub fn new(worker: WorkerSection) -> Self {
        Self { worker, trial: OnceLock::new() }
    }

    /// Of the records at these partitions and offsets. Without the workers' pipelines nothing is known of them.
    ///
    /// # Errors
    /// The topic or the index cannot be read.
    pub async fn of(
        &self,
        topic: &Partitions,
        documents: &Documents,
        done: &BTreeSet<(i32, i64)>,
    ) -> anyhow::Result<HashMap<(i32, i64), Fate>> {
        let mut fates = HashMap::new();
        let mut by_partition: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
        for (partition, offset) in done {
            by_partition.entry(*partition).or_default().insert(*offset);
        }
        if by_partition.is_empty() {
            return Ok(fates);
        }
        let Some(trial) = self.trial.get_or_init(|| load(&self.worker)) else { return Ok(fates) };
        let mut made = HashMap::new();
        for (partition, offsets) in &by_partition {
            let of_partition = topic.made(*partition, offsets, trial).await?;
            made.extend(of_partition.into_iter().map(|(offset, made)| ((*partition, offset), made)));
        }
        let ids: BTreeSet<&str> = made.values().filter_map(Made::id).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let found = documents.find(&ids).await?;
        for (place, made) in &made {
            let documents = made.id().and_then(|id| found.get(id));
            fates.insert(*place, Fate { made: made.clone(), documents: documents.cloned().unwrap_or_default() });
        }
        Ok(fates)
    }
}

fn load(worker: &WorkerSection) -> Option<Trial> {
    match choices(worker) {
        Ok(named) => Some(Trial::new(named.unwrap_or_else(|| Settings::default().pipelines))),
        Err(error) => {
            tracing::warn!("what pipelines drop is called missing, since they cannot be loaded here: {error:#}");
            None
        }
    }
}
