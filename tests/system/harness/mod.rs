//! What the suites are made of: scenes, processes, lines and files, and the oracle that compares them with what arrived.

pub mod agent;
pub mod browser;
pub mod compress;
pub mod destination;
pub mod documentation;
pub mod documents;
pub mod front;
pub mod http;
pub mod lines;
pub mod log_file;
pub mod logrotate;
pub mod machine;
pub mod oracle;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod random;
pub mod scene;
pub mod sluice;
pub mod soak;
pub mod terminal;
pub mod topic;
pub mod wait;
pub mod writing;
