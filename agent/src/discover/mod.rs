//! Finds the files that the globs mean, and watches the directories in which new ones can appear.

mod events;
mod pattern;
mod walk;
mod watch;

pub use pattern::{Exclude, Pattern, PatternError};
pub use walk::{Reach, Scope, Sight, Walk};
pub use watch::{Changes, Opened, Watches};
