//! A thin Kafka client that moves whole record batches: producer and group consumer.
