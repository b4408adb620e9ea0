//! The broker as clients see it, frame by frame.

mod client;
mod connections;
mod crowd;
mod frames;
mod groups;
mod records;
mod refused;
mod turnover;
