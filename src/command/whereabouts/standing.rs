//! Where a line stands, decided from what each place says.

use super::fates::Fate;
use super::topics::Found;
use agent::{Gap, KnownFile, Owner};
use pipelines::worker::Made;
use serde_json::{Value, json};

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub index: String,
    pub id: String,
}

/// A record that the agent makes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Of its first byte.
    pub position: u64,
    /// The `_id` of its document.
    pub id: String,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// As `sluice dead show` takes it.
    pub place: String,
    pub status: u16,
    pub kind: String,
    pub reason: String,
}

/// The words of what is wrong, beside what is a document, left out, or on its way.
pub const WRONG: [&str; 5] = ["rejected", "doubled", "lost", "missing", "unknown"];

/// Where a line is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Not read, or not whole yet.
    Unread {
        why: String,
    },
    /// It makes no record: filtered, or in front of where reading began.
    LeftOut {
        why: String,
    },
    /// Sent, without an acknowledgement.
    InFlight {
        topic: String,
        partition: i32,
        batch: u64,
    },
    /// In the topic; the workers have not committed it.
    Waiting {
        topic: String,
        partition: i32,
        offset: i64,
    },
    Indexed(Place),
    /// Several documents have its `_id`.
    Doubled(Vec<Place>),
    Rejected(Rejection),
    /// The pipelines, as they are now, make no document of it.
    Dropped {
        topic: String,
        partition: i32,
        offset: i64,
    },
    /// The agent has reported that it could not deliver these bytes.
    Lost(Gap),
    /// It was read, and is nowhere.
    Missing {
        why: String,
    },
    /// A part that knows does not answer.
    Unknown {
        why: String,
    },
}

impl Standing {
    /// Its name in JSON and in sums.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unread { .. } => "unread",
            Self::LeftOut { .. } => "left_out",
            Self::InFlight { .. } => "in_flight",
            Self::Waiting { .. } => "waiting",
            Self::Indexed(_) => "indexed",
            Self::Doubled(_) => "doubled",
            Self::Rejected(_) => "rejected",
            Self::Dropped { .. } => "dropped",
            Self::Lost(_) => "lost",
            Self::Missing { .. } => "missing",
            Self::Unknown { .. } => "unknown",
        }
    }

    pub fn is_wrong(&self) -> bool {
        WRONG.contains(&self.word())
    }

    /// A sentence for people.
    pub fn sentence(&self) -> String {
        match self {
            Self::Unread { why } => format!("not read yet: {why}"),
            Self::LeftOut { why } => format!("left out: {why}"),
            Self::InFlight { topic, partition, batch } => {
                format!("sent to {topic}-{partition} as a part of batch {batch}, not acknowledged yet")
            }
            Self::Waiting { topic, partition, offset } => {
                format!("in the topic {topic}, partition {partition}, offset {offset}, waits for a worker")
            }
            Self::Indexed(Place { index, id }) => format!("document {id} in index {index}"),
            Self::Doubled(places) => {
                let indices: Vec<&str> = places.iter().map(|place| place.index.as_str()).collect();
                format!("{} documents, in {}", places.len(), indices.join(", "))
            }
            Self::Rejected(Rejection { place, status, kind, reason }) => {
                format!("dead letter {place}: {status} {kind}: {reason}")
            }
            Self::Dropped { topic, partition, offset } => {
                format!("dropped by its pipeline; its record is in {topic}, partition {partition}, offset {offset}")
            }
            Self::Lost(gap) if gap.is_open() => {
                format!("lost, as reported, from byte {} on: {}", gap.start, gap.reason)
            }
            Self::Lost(Gap { start, end, reason }) => {
                format!("lost, as reported, with bytes {start} to {end}: {reason}")
            }
            Self::Missing { why } => format!("missing: {why}"),
            Self::Unknown { why } => format!("not known: {why}"),
        }
    }

    pub fn to_json(&self) -> Value {
        let mut value = match self {
            Self::Unread { why } | Self::LeftOut { why } | Self::Missing { why } | Self::Unknown { why } => {
                json!({ "why": why })
            }
            Self::Lost(gap) => {
                json!({ "start": gap.start, "end": (!gap.is_open()).then_some(gap.end), "why": gap.reason })
            }
            Self::InFlight { topic, partition, batch } => {
                json!({ "topic": topic, "partition": partition, "batch": batch })
            }
            Self::Waiting { topic, partition, offset } | Self::Dropped { topic, partition, offset } => {
                json!({ "topic": topic, "partition": partition, "offset": offset })
            }
            Self::Indexed(Place { index, id }) => json!({ "index": index, "id": id }),
            Self::Doubled(places) => {
                let places: Vec<Value> =
                    places.iter().map(|place| json!({ "index": place.index, "id": place.id })).collect();
                json!({ "documents": places })
            }
            Self::Rejected(Rejection { place, status, kind, reason }) => {
                json!({ "place": place, "status": status, "type": kind, "reason": reason })
            }
        };
        value["state"] = self.word().into();
        value
    }
}

/// A file that the agent has not read.
pub struct Unseen {
    /// Where reading would begin.
    from: u64,
    why: String,
}

impl Unseen {
    /// `Ok`: the agent knows the file.
    pub fn of(owner: Owner) -> Result<KnownFile, Self> {
        match owner {
            Owner::Known(known) => Ok(known),
            Owner::New { from, why } => Err(Self { from, why }),
            Owner::Never { why } => Err(Self { from: 0, why }),
        }
    }

    /// Where a line of it stands.
    pub fn standing(&self, position: u64) -> Standing {
        match position < self.from {
            true => Standing::LeftOut { why: format!("reading would begin behind it, at position {}", self.from) },
            false => Standing::Unread { why: self.why.clone() },
        }
    }
}

/// Where a record of `file` stands. `record`: what was found of it in its topic, or why that is not known; `documents`: those
/// with its id, or why that is not known; `fate`: what the pipelines make of a record that the workers are done with.
pub fn decide(
    file: &KnownFile,
    line: &Line,
    record: Result<&Found, &str>,
    letter: Option<&Rejection>,
    documents: Result<&[Place], &str>,
    fate: Option<&Fate>,
) -> Standing {
    match documents {
        Ok([place]) => return Standing::Indexed(place.clone()),
        Ok([]) => {}
        Ok(places) => return Standing::Doubled(places.to_vec()),
        Err(why) => {
            if let Ok(Found::Done { .. }) = record {
                return Standing::Unknown { why: why.to_owned() };
            }
        }
    }
    if let Some(letter) = letter {
        return Standing::Rejected(letter.clone());
    }
    if let Ok(Found::Waiting { partition, offset }) = record {
        return Standing::Waiting { topic: file.topic.clone(), partition: *partition, offset: *offset };
    }
    if line.position >= file.acknowledged {
        let batch = file.in_flight.iter().find(|batch| (batch.start..batch.end).contains(&line.position));
        return match batch {
            Some(batch) => {
                Standing::InFlight { topic: batch.topic.clone(), partition: batch.partition, batch: batch.number }
            }
            None => match file.gap_at(line.position) {
                Some(gap) => Standing::Lost(gap.clone()),
                None => {
                    Standing::Unread { why: format!("the file is acknowledged up to position {}", file.acknowledged) }
                }
            },
        };
    }
    if let Err(why) = documents {
        return Standing::Unknown { why: why.to_owned() };
    }
    if let (Ok(Found::Before | Found::Removed { .. } | Found::Nowhere | Found::NoTopic), Some(gap)) =
        (record, file.gap_at(line.position))
    {
        return Standing::Lost(gap.clone());
    }
    match record {
        Err(why) => Standing::Unknown { why: why.to_owned() },
        Ok(Found::Waiting { .. }) => unreachable!("handled above"),
        Ok(Found::Done { partition, offset }) => done(file, *partition, *offset, fate),
        Ok(Found::Before) => Standing::LeftOut { why: "reading of this file began behind it".to_owned() },
        Ok(Found::Removed { start }) => Standing::Missing {
            why: format!("its record is not in the topic {} any more, which begins at offset {start}", file.topic),
        },
        Ok(Found::Nowhere) => Standing::Missing {
            why: format!(
                "it was read, but the topic {} has no record of it: it was lost, or filtered then",
                file.topic
            ),
        },
        Ok(Found::NoTopic) => Standing::Missing { why: format!("there is no topic {:?} any more", file.topic) },
    }
}

/// Where a record stands that the workers are done with, and that is no document under the id of its line.
fn done(file: &KnownFile, partition: i32, offset: i64, fate: Option<&Fate>) -> Standing {
    let topic = file.topic.clone();
    let why = match fate {
        Some(Fate { made: Made::Dropped, .. }) => return Standing::Dropped { topic, partition, offset },
        Some(Fate { documents, .. }) if !documents.is_empty() => return Standing::Indexed(documents[0].clone()),
        Some(Fate { made: Made::Unreadable { reason }, .. }) => format!("its record cannot be read: {reason}"),
        Some(Fate { made: Made::Document { id }, .. }) => {
            format!("no document has the id {id}, which it was given: somebody deleted it, or it is in another index")
        }
        None => {
            "no document has its id: a pipeline dropped it or gave it another id, or somebody deleted it".to_owned()
        }
    };
    Standing::Missing { why: format!("the workers are done with {topic}-{partition} offset {offset}, and {why}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent::{FileId, InFlight};

    #[test]
    fn what_stands_before_the_beginning_of_reading_is_left_out() {
        let word = |owner, position| Unseen::of(owner).err().map(|unseen| unseen.standing(position).word());
        let new = || Owner::New { from: 10, why: "not seen yet".into() };
        assert_eq!((word(new(), 9), word(new(), 10)), (Some("left_out"), Some("unread")));
        assert_eq!(word(Owner::Never { why: "excluded".into() }, 0), Some("unread"));
    }

    #[test]
    fn the_furthest_place_counts() {
        let in_flight = vec![InFlight { topic: "logs".into(), partition: 1, number: 7, start: 100, end: 200 }];
        let gap = |(start, end)| Gap { start, end, reason: "deleted".into() };
        let file = KnownFile {
            id: FileId(1),
            path: "/a.log".into(),
            topic: "logs".into(),
            partition: Some(1),
            acknowledged: 100,
            in_flight,
            gaps: [(20, 40), (120, 160), (300, 400), (500, 500)].map(gap).to_vec(),
            is_copy: false,
        };
        let place = |index: &str| Place { index: index.into(), id: "x".into() };
        let letter = Rejection { place: "0:1".into(), status: 400, kind: "t".into(), reason: "r".into() };
        let check =
            |position, record: Result<Found, &str>, letter: Option<&Rejection>, indices: &[&str], want: &str| {
                let documents: Vec<Place> = indices.iter().map(|index| place(index)).collect();
                let record = record.as_ref().map_err(|why| *why);
                let got = decide(&file, &Line { position, id: "x".into() }, record, letter, Ok(&documents), None);
                assert_eq!(got.word(), want, "{position} {record:?} {indices:?}");
            };
        let (waiting, done) = (Found::Waiting { partition: 1, offset: 3 }, Found::Done { partition: 1, offset: 3 });
        check(0, Ok(done.clone()), None, &["a"], "indexed");
        check(0, Ok(waiting.clone()), None, &["a", "b"], "doubled");
        check(0, Ok(done.clone()), Some(&letter), &[], "rejected");
        // Sent back, and taken then.
        check(0, Ok(done.clone()), Some(&letter), &["a"], "indexed");
        check(0, Ok(waiting.clone()), None, &[], "waiting");
        // The acknowledgement is not written down yet.
        check(150, Ok(waiting), None, &[], "waiting");
        check(150, Ok(Found::Nowhere), None, &[], "in_flight");
        check(150, Err("no broker"), None, &[], "in_flight");
        check(250, Ok(Found::Nowhere), None, &[], "unread");
        // What was reported as lost, unless a place has it all the same.
        check(300, Ok(Found::Nowhere), None, &[], "lost");
        check(399, Err("no broker"), None, &[], "lost");
        check(900, Ok(Found::Nowhere), None, &[], "lost");
        check(20, Ok(Found::Nowhere), None, &[], "lost");
        check(20, Ok(Found::Before), None, &[], "lost");
        check(20, Ok(Found::NoTopic), None, &[], "lost");
        check(20, Ok(done.clone()), None, &["a"], "indexed");
        check(20, Ok(done.clone()), None, &[], "missing");
        check(20, Err("no broker"), None, &[], "unknown");
        check(200, Ok(Found::Nowhere), None, &[], "unread");
        check(0, Ok(done), None, &[], "missing");
        check(0, Ok(Found::Removed { start: 9 }), None, &[], "missing");
        check(0, Ok(Found::Nowhere), None, &[], "missing");
        check(0, Ok(Found::Before), None, &[], "left_out");
        check(0, Err("no broker"), None, &[], "unknown");
        let by_fate = |made, documents| {
            let found = Found::Done { partition: 1, offset: 3 };
            let line = Line { position: 0, id: "x".into() };
            decide(&file, &line, Ok(&found), None, Ok(&[]), Some(&Fate { made, documents })).word()
        };
        let given = || Made::Document { id: "own".into() };
        assert_eq!(by_fate(Made::Dropped, vec![]), "dropped");
        assert_eq!(by_fate(given(), vec![place("a")]), "indexed");
        assert_eq!(by_fate(given(), vec![]), "missing");
        let unknown =
            decide(&file, &Line { position: 0, id: "x".into() }, Ok(&Found::Nowhere), None, Err("no server"), None);
        assert_eq!(unknown.word(), "unknown");
    }
}
