//! From document to bulk item: the Elasticsearch and OpenSearch sink.
