//! Tails log files and produces their lines to Kafka as record batches, each line once.
