//! The made-up logs of a shop: a story of requests, told by four programs in four formats.

mod entry;
mod story;
mod words;

pub use entry::{Entry, Source};
pub use story::{Phase, Story};
