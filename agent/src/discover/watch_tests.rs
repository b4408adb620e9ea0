//! Real directories, and what the watches tell of them.
