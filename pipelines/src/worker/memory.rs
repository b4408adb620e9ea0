//! The worker's memory: bytes that were fetched and documents that were made, and who may have more of them.
//!
//! A partition may use as much as is free. So one alone gets half of the memory, two get a third each; whoever is held
//! keeps what it has, and there is always something left for the others. (The rule is that of shared buffers in switches:
//! A. K. Choudhury and E. L. Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998.)

/// What is in use, and the limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub fetched: usize,
    pub documents: usize,
    fetched_max: usize,
    documents_max: usize,
}

impl Memory {
    pub fn new(fetched_max: usize, documents_max: usize) -> Self {
        Self { fetched: 0, documents: 0, fetched_max, documents_max }
    }

    pub fn fetched_max(&self) -> usize {
        self.fetched_max
    }

    pub fn documents_max(&self) -> usize {
        self.documents_max
    }

    /// Whether a partition may be fetched that has `fetched` bytes.
    pub fn may_fetch(&self, fetched: usize) -> bool {
        let free = self.fetched_max.saturating_sub(self.fetched);
        free > 0 && fetched <= free
    }

    /// Whether a partition that has `documents` bytes of documents may have `more`. What is larger than all of the memory
    /// goes when nothing else does.
    pub fn may_make(&self, documents: usize, more: usize) -> bool {
        let free = self.documents_max.saturating_sub(self.documents);
        self.documents == 0 || more <= free && documents <= free - more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What partitions have when each takes all that it may, one byte after the other.
    fn shares(partitions: usize, max: usize) -> Vec<usize> {
        let mut memory = Memory::new(max, max);
        let mut shares = vec![0; partitions];
        let mut grew = true;
        while std::mem::take(&mut grew) {
            for share in &mut shares {
                if memory.may_make(*share, 1) {
                    *share += 1;
                    memory.documents += 1;
                    grew = true;
                }
            }
        }
        shares
    }

    #[test]
    fn a_partition_may_use_as_much_as_is_free() {
        assert_eq!(shares(1, 1000), [500]);
        assert_eq!(shares(3, 1000), [250, 250, 250]);
        let many = shares(2000, 1000);
        assert!(many.iter().sum::<usize>() <= 1000, "{} of 1000", many.iter().sum::<usize>());
    }

    #[test]
    fn what_is_held_leaves_something_for_the_others() {
        let mut memory = Memory::new(1000, 1000);
        memory.documents = 500;
        assert!(!memory.may_make(500, 1));
        assert!(memory.may_make(0, 250) && memory.may_make(200, 100));
        assert!(!memory.may_make(450, 100));
    }

    #[test]
    fn what_is_larger_than_all_goes_alone() {
        let mut memory = Memory::new(10, 10);
        assert!(memory.may_make(0, 1000));
        memory.documents = 1000;
        assert!(!memory.may_make(0, 1));
        assert!(memory.may_fetch(5) && !memory.may_fetch(11));
        memory.fetched = 10;
        assert!(!memory.may_fetch(0));
    }
}
