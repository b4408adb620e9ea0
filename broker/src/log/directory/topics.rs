//! Topics are created, extended, configured and deleted.

use super::{DataDirectory, PARTITIONS_MAX, POISON, Topics};
use crate::clock::now_ms;
use crate::log::config::TopicConfig;
use crate::log::folders::{GivenUp, Making};
use crate::log::names::{self, TopicNameError};
use crate::log::topic::{Topic, TopicProperties};
use crate::together;
use std::collections::HashSet;
use std::io;
use std::sync::{Arc, RwLock};

/// Why a topic was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateTopicError {
    /// INVALID_TOPIC_EXCEPTION (17).
    #[error(transparent)]
    Name(#[from] TopicNameError),
    /// TOPIC_ALREADY_EXISTS (36).
    #[error("topic {0:?} already exists")]
    Exists(String),
    /// INVALID_PARTITIONS (37).
    #[error("a topic cannot have {0} partitions: want 1 to {PARTITIONS_MAX}")]
    Partitions(i32),
    /// KAFKA_STORAGE_ERROR (56).
    #[error("create the topic's files")]
    Disk(#[source] io::Error),
}

/// Why a topic was not deleted or changed.
#[derive(Debug, thiserror::Error)]
pub enum DeleteTopicError {
    /// UNKNOWN_TOPIC_OR_PARTITION (3).
    #[error("there is no topic {0:?}")]
    Unknown(String),
    /// KAFKA_STORAGE_ERROR (56).
    #[error("change the topic's files")]
    Disk(#[from] io::Error),
}

/// A topic that is asked for.
#[derive(Debug, Clone)]
pub struct NewTopic {
    pub name: String,
    pub partitions: i32,
    pub config: TopicConfig,
}

impl DataDirectory {
    /// Creates a topic; durable and visible on return.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        config: TopicConfig,
    ) -> Result<Arc<Topic>, CreateTopicError> {
        let asked = NewTopic { name: name.to_owned(), partitions, config };
        self.create_topics(vec![asked]).pop().expect("an outcome for each")
    }

    /// Creates topics together; those that were created are durable and visible on return. Outcomes in the order of
    /// `asked`; where the disk refuses, all of them fail that could have been created.
    pub fn create_topics(&self, asked: Vec<NewTopic>) -> Vec<Result<Arc<Topic>, CreateTopicError>> {
        let _writer = self.writer.lock().expect(POISON);
        let mut names = HashSet::new();
        self.change(asked, |NewTopic { name, partitions, config }| {
            names::check_topic_name(&name)?;
            if !(1..=PARTITIONS_MAX).contains(&partitions) {
                return Err(CreateTopicError::Partitions(partitions));
            }
            if self.topic(&name).is_some() || !names.insert(name.clone()) {
                return Err(CreateTopicError::Exists(name));
            }
            let config = Arc::new(RwLock::new(Arc::new(config)));
            Ok(Making { name: name.into(), id: names::new_id(), config, slots: Vec::new(), partitions })
        })
    }

    /// Adds partitions to topics, each up to a number in all; durable and visible on return, as in
    /// [`DataDirectory::create_topics`].
    pub fn add_partitions(&self, asked: Vec<(String, i32)>) -> Vec<Result<Arc<Topic>, CreateTopicError>> {
        let _writer = self.writer.lock().expect(POISON);
        let mut names = HashSet::new();
        self.change(asked, |(name, partitions)| {
            let topic = self.topic(&name).filter(|topic| {
                topic.partition_count() < partitions && partitions <= PARTITIONS_MAX && names.insert(name)
            });
            let topic = topic.ok_or(CreateTopicError::Partitions(partitions))?;
            let slots = topic.partitions.clone();
            let config = Arc::clone(&topic.config);
            Ok(Making { name: Arc::clone(&topic.name), id: topic.id, config, slots, partitions })
        })
    }

    /// Does all that `check` lets pass at once.
    fn change<T>(
        &self,
        asked: Vec<T>,
        check: impl FnMut(T) -> Result<Making, CreateTopicError>,
    ) -> Vec<Result<Arc<Topic>, CreateTopicError>> {
        let (sound, refused) = together::part(asked.into_iter().map(check));
        let mut made = match sound.is_empty() {
            true => Ok(Vec::new().into_iter()),
            false => self.make_partitions(sound).map(|topics| self.insert(topics).into_iter()),
        };
        together::in_order(refused, || match &mut made {
            Ok(topics) => Ok(topics.next().expect("a topic for each that was let pass")),
            Err(error) => Err(CreateTopicError::Disk(again(error))),
        })
    }

    /// Replaces what is set of a topic's configs; durable and in force on return.
    pub fn set_topic_config(&self, name: &str, config: TopicConfig) -> Result<(), DeleteTopicError> {
        let _writer = self.writer.lock().expect(POISON);
        let topic = self.topic(name).ok_or_else(|| DeleteTopicError::Unknown(name.to_owned()))?;
        let properties = TopicProperties {
            partitions: Some(topic.partition_count()),
            deleted: false,
            overrides: config.overrides().clone(),
        };
        properties.write(&*self.disk, &self.folder(name, 0))?;
        *topic.config.write().expect(POISON) = Arc::new(config);
        Ok(())
    }

    /// Deletes a topic; it is gone for good on return, its space after `file.delete.delay.ms`, or sooner where there is none.
    pub fn delete_topic(&self, name: &str) -> Result<(), DeleteTopicError> {
        self.delete_topics(&[name]).pop().expect("an outcome for each")
    }

    /// Deletes topics together. Outcomes in the order of `names`.
    pub fn delete_topics(&self, names: &[impl AsRef<str>]) -> Vec<Result<(), DeleteTopicError>> {
        let _writer = self.writer.lock().expect(POISON);
        let mut topics = self.topics();
        let left = Arc::make_mut(&mut topics);
        let gone: Vec<Option<Arc<Topic>>> = names.iter().map(|name| left.remove(name.as_ref())).collect();
        let all: Vec<Arc<Topic>> = gone.iter().flatten().cloned().collect();
        let deleted = if all.is_empty() { Ok(()) } else { self.delete(topics, &all) };
        let outcome = |(name, topic): (&_, &Option<_>)| match (topic, &deleted) {
            (None, _) => Err(DeleteTopicError::Unknown(AsRef::<str>::as_ref(name).to_owned())),
            (Some(_), Ok(())) => Ok(()),
            (Some(_), Err(error)) => Err(again(error).into()),
        };
        names.iter().zip(&gone).map(outcome).collect()
    }

    /// `left` are the topics without `gone`.
    fn delete(&self, left: Topics, gone: &[Arc<Topic>]) -> io::Result<()> {
        self.mark_deleted(gone)?;
        *self.topics.write().expect(POISON) = left;
        for topic in gone {
            topic.live_partitions().for_each(|partition| partition.mark_deleted());
        }
        let given_up: Vec<GivenUp> = gone.iter().map(|topic| given_up(topic)).collect();
        self.give_up(&given_up)?;
        self.recount();
        Ok(())
    }
}

/// The folders of a deleted topic, which go after its `file.delete.delay.ms`.
fn given_up(topic: &Topic) -> GivenUp {
    let bytes = |number| topic.partition(number).map_or(0, |partition| partition.bytes());
    GivenUp {
        topic: Arc::clone(&topic.name),
        partitions: (0..topic.partition_count()).map(|number| (number, bytes(number))).collect(),
        due_ms: topic.config().removal_due_ms(now_ms()),
    }
}

/// The same error, for the next of those who are told.
fn again(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}
