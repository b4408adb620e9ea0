//! Aggregations: what a request asks for, and buckets in Elasticsearch's form.
