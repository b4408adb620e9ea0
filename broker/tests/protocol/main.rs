//! The broker as clients see it, frame by frame.

mod client;
mod connections;
mod groups;
mod records;
