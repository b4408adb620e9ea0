//! What a user may do: read and write topics by the beginning of their names, and administer.

use crate::node::is_internal;

/// Rights of one user, or of everybody where nobody has to say who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    /// Beginnings of topics' names; an empty one is that of all.
    pub read: Vec<String>,
    pub write: Vec<String>,
    /// Everything, also what belongs to no topic.
    pub admin: bool,
}

impl Rights {
    pub fn all() -> Self {
        Self { read: Vec::new(), write: Vec::new(), admin: true }
    }

    pub fn may_read(&self, topic: &str) -> bool {
        self.admin || begins(&self.read, topic)
    }

    /// Includes making the topic by asking for it.
    pub fn may_write(&self, topic: &str) -> bool {
        self.admin || begins(&self.write, topic)
    }

    /// Whether the topic exists, and where: who may do something with it.
    pub fn may_see(&self, topic: &str) -> bool {
        self.may_read(topic) || self.may_write(topic)
    }

    /// Consumer groups belong to no topic: who may read something may be in any group, and sees all of them.
    pub fn may_use_groups(&self) -> bool {
        self.admin || !self.read.is_empty()
    }

    pub fn may_write_something(&self) -> bool {
        self.admin || !self.write.is_empty()
    }
}

fn begins(prefixes: &[String], topic: &str) -> bool {
    !is_internal(topic) && prefixes.iter().any(|prefix| topic.starts_with(prefix.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let rights = Rights { read: vec!["logs".to_owned()], write: vec![String::new()], admin: false };
        assert!(rights.may_read("logs") && rights.may_read("logs-nginx") && !rights.may_read("log"));
        assert!(rights.may_write("anything") && !rights.may_write("__consumer_offsets"));
        assert!(rights.may_see("anything") && rights.may_use_groups());
        assert!(!Rights::default().may_see("logs") && !Rights::default().may_use_groups());
        assert!(Rights::all().may_read("__consumer_offsets"));
    }
}
