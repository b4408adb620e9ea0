//! The command line of `sluice demo`.

use clap::Args;
use std::path::PathBuf;

/// Lines in a second when nothing else is said: enough for a histogram, slow enough to read along.
const RATE_DEFAULT: u32 = 50;
/// More lines in a second are a benchmark, not a demonstration.
const RATE_MAX: i64 = 100_000;
/// Seconds before now of which lines are written at once: two rounds of what there is to see.
const HISTORY_DEFAULT: u32 = 600;
/// A day of the default rate fits on any disk.
const HISTORY_MAX: i64 = 86_400;

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder for the files, which is made when it is missing.
    #[arg(value_name = "FOLDER", default_value = "demo-logs")]
    pub folder: PathBuf,

    /// Lines in a second, over all files; a burst has six times as many.
    #[arg(long, value_name = "N", default_value_t = RATE_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=RATE_MAX))]
    pub rate: u32,

    /// End after so many seconds [default: at Ctrl-C].
    #[arg(long, value_name = "S")]
    pub seconds: Option<u32>,

    /// Begin with the lines of so many seconds before now, where the files are new.
    #[arg(long, value_name = "S", default_value_t = HISTORY_DEFAULT, value_parser = clap::value_parser!(u32).range(0..=HISTORY_MAX))]
    pub history: u32,

    /// Seed of everything that is random; the same one tells the same story [default: another each time].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}
