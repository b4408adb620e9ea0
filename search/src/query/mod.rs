//! Queries: Elasticsearch's query DSL and Lucene's syntax, parsed into one AST.
