//! Runs queries on the partitions of the store.
