//! What the suites are made of: scenes, processes, lines and files, and the oracle that compares them with what arrived.

pub mod agent;
pub mod browser;
pub mod compress;
pub mod destination;
pub mod documents;
pub mod http;
pub mod lines;
pub mod log_file;
pub mod logrotate;
pub mod oracle;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod random;
pub mod scene;
pub mod sluice;
pub mod topic;
pub mod wait;
pub mod writing;
