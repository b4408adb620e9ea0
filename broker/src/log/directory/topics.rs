//! Topics are created, extended, configured and deleted.

use super::{DataDirectory, PARTITIONS_MAX, POISON};
use crate::log::config::TopicConfig;
use crate::log::names::{self, TopicNameError};
use crate::log::topic::{Topic, TopicProperties};
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

impl DataDirectory {
    /// Creates a topic; durable and visible on return.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        config: TopicConfig,
    ) -> Result<Arc<Topic>, CreateTopicError> {
        names::check_topic_name(name)?;
        if !(1..=PARTITIONS_MAX).contains(&partitions) {
            return Err(CreateTopicError::Partitions(partitions));
        }
        let _writer = self.writer.lock().expect(POISON);
        if self.topic(name).is_some() {
            return Err(CreateTopicError::Exists(name.to_owned()));
        }
        let topic = self
            .create_partitions(
                name.into(),
                names::new_id(),
                Arc::new(RwLock::new(Arc::new(config))),
                Vec::new(),
                partitions,
            )
            .map_err(CreateTopicError::Disk)?;
        Ok(self.insert(topic))
    }

    /// Adds partitions up to `partitions` in all; durable and visible on return.
    pub fn add_partitions(&self, name: &str, partitions: i32) -> Result<Arc<Topic>, CreateTopicError> {
        let _writer = self.writer.lock().expect(POISON);
        let topic =
            self.topic(name).filter(|topic| topic.partition_count() < partitions && partitions <= PARTITIONS_MAX);
        let topic = topic.ok_or(CreateTopicError::Partitions(partitions))?;
        let slots = topic.partitions.clone();
        let topic = self
            .create_partitions(Arc::clone(&topic.name), topic.id, Arc::clone(&topic.config), slots, partitions)
            .map_err(CreateTopicError::Disk)?;
        Ok(self.insert(topic))
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

    /// Deletes a topic; it is gone for good on return, and its space soon.
    pub fn delete_topic(&self, name: &str) -> Result<(), DeleteTopicError> {
        let _writer = self.writer.lock().expect(POISON);
        let topic = self.topic(name).ok_or_else(|| DeleteTopicError::Unknown(name.to_owned()))?;
        let properties =
            TopicProperties { partitions: Some(topic.partition_count()), deleted: true, ..Default::default() };
        properties.write(&*self.disk, &self.folder(name, 0))?;
        let mut topics = self.topics();
        Arc::make_mut(&mut topics).remove(name);
        *self.topics.write().expect(POISON) = topics;
        topic.live_partitions().for_each(|partition| partition.mark_deleted());
        self.remove_folders(name, (0..topic.partition_count()).collect())?;
        self.recount();
        Ok(())
    }
}
