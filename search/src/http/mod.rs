//! Elasticsearch's HTTP API, as far as the sink, the Discover page and common clients need it.
