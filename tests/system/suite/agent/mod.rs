//! The agent end to end: what it must hold whatever happens to files, broker and itself, each with the real binary.
//!
//! `SLUICE_SOAK=full` runs the long forms.

mod kill;
mod restart;

use crate::Test;

/// Lists tests as `agent::SUITE::TEST`.
macro_rules! tests {
    ($suite:ident: $($test:ident),* $(,)?) => {
        vec![$((concat!("agent::", stringify!($suite), "::", stringify!($test)).to_owned(), $suite::$test as Test)),*]
    };
}

/// Every test, by name; the longest first.
pub fn all() -> Vec<(String, Test)> {
    [tests!(kill: our_broker, apache_kafka), tests!(restart: long_line, half_line)].concat()
}

/// A number of the short form, or of the long one.
fn soak<T>(short: T, full: T) -> T {
    match std::env::var("SLUICE_SOAK").is_ok_and(|value| value == "full") {
        true => full,
        false => short,
    }
}
