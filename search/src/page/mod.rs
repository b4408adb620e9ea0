//! The Discover page: served from the binary, with a read-only proxy to an Elasticsearch.
