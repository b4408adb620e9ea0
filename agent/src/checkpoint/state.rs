//! What the agent knows about its files and its batches in flight, as the journal's entries change it.

use super::Records;
use super::gaps::{Gap, Gaps};
use crate::fingerprint::{FileId, FileKey};
use crate::host::HostIdentity;
use crate::journal::{Entry, FileRecord, Sent, Source};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The state of an agent. Only [`State::apply`] changes it, so that a replay of the journal leads to the same state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Identity of the agent, part of the identity of its files.
    pub agent: String,
    /// The machine that it runs on; absent in the checkpoints of earlier versions.
    #[serde(default)]
    pub host: Option<HostIdentity>,
    /// The cluster that the sequences in flight belong to.
    pub cluster: Option<String>,
    /// Number of the next batch.
    pub next_number: u64,
    pub files: Records,
    /// Batches without acknowledgement.
    pub unresolved: BTreeMap<u64, Sent>,
    /// Absent in the checkpoints of earlier versions.
    #[serde(default)]
    pub gaps: Gaps,
}

impl State {
    pub fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Agent { uuid } => self.agent = uuid,
            Entry::Host(host) => self.host = Some(host),
            Entry::Copied { uuid, host } => self.become_another(uuid, host),
            Entry::Cluster { id } => self.cluster = Some(id),
            Entry::File(record) => {
                self.files.insert(record);
            }
            Entry::Forget { file } => {
                if let Some(record) = self.files.remove(&file) {
                    self.gaps.forget(record);
                }
            }
            Entry::Sent(sent) => self.add(sent),
            Entry::Acknowledged { number } => {
                let part_of = self.resolve(number).and_then(|sent| sent.part_of);
                self.is_not_there(part_of);
            }
            Entry::Lost { number, reason } => {
                let Some(sent) = self.resolve(number) else { return };
                for Source { file, start, end, .. } in sent.sources {
                    self.gaps.add(file, Gap { start, end, reason: reason.clone() });
                }
                self.is_not_there(sent.part_of);
            }
            Entry::Gap { file, gap } => self.gaps.add(file, gap),
            Entry::Had { number } => drop(self.resolve(number)),
            Entry::Passed { file, position, marker, skipping } => {
                if let Some(record) = self.files.get_mut(&file)
                    && record.position <= position
                {
                    (record.position, record.marker, record.skipping) = (position, marker, skipping);
                }
            }
            Entry::Replaced { gone, by } => {
                for number in gone {
                    self.unresolved.remove(&number);
                }
                by.into_iter().for_each(|sent| self.add(sent));
            }
        }
    }

    /// The agent that this state was copied from has its identity, and those of its files, and sends its batches. What
    /// it has not told to be acknowledged is read again under new identities.
    fn become_another(&mut self, uuid: String, host: HostIdentity) {
        self.unresolved.clear();
        self.gaps = Gaps::default();
        for record in std::mem::take(&mut self.files).values() {
            let id = FileId::assign(&uuid, &record.key, 0, u128::from(record.id.0));
            self.files.insert(FileRecord { id, ..record.clone() });
        }
        self.agent = uuid;
        self.host = Some(host);
    }

    /// A part was taken by the broker, so it does not have the whole. Or it was lost, and what the broker says to the others
    /// tells nothing any more.
    fn is_not_there(&mut self, whole: Option<u64>) {
        if whole.is_some() {
            self.unresolved.values_mut().filter(|sent| sent.part_of == whole).for_each(|sent| sent.part_of = None);
        }
    }

    fn add(&mut self, sent: Sent) {
        self.next_number = self.next_number.max(sent.number + 1);
        for source in &sent.sources {
            self.gaps.sent(source.file, source.start, source.end);
        }
        self.unresolved.insert(sent.number, sent);
    }

    /// Takes a batch out, and moves the positions of its sources on.
    fn resolve(&mut self, number: u64) -> Option<Sent> {
        let sent = self.unresolved.remove(&number)?;
        for source in &sent.sources {
            // A lost batch may have moved on before an earlier one was acknowledged.
            if let Some(record) = self.files.get_mut(&source.file)
                && record.position <= source.end
            {
                record.position = source.end;
                record.skipping = source.after;
                record.marker = source.marker;
            }
        }
        Some(sent)
    }

    /// The file that `key` names; what is gone no longer has a name.
    pub fn by_key(&self, key: &FileKey) -> Option<&FileRecord> {
        self.files.by_key(key)
    }

    /// Whether a batch in flight still needs this file.
    pub fn in_flight(&self, file: FileId) -> bool {
        self.unresolved.values().any(|sent| sent.sources.iter().any(|source| source.file == file))
    }
}
