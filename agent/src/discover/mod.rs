//! Finds the files that the globs mean, and watches the directories in which new ones can appear.

mod pattern;
mod watch;

pub use pattern::{Pattern, PatternError, Walk};
pub use watch::Watches;
