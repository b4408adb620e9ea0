//! What can be typed behind `sluice pipeline`.

use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum PipelineCommand {
    /// Parse lines from standard input into documents (NDJSON) on standard output.
    Run {
        /// A pipeline file (YAML or JSON), or the name of a ready-made one.
        #[arg(value_name = "FILE_OR_NAME")]
        pipeline: String,

        /// A table that fits the terminal instead of NDJSON.
        #[arg(long)]
        table: bool,
    },
    /// Show what each processor does with a line: conditions, changed fields, failures, and where a grok pattern stopped.
    ///
    /// The exit code is 1 when the pipeline fails.
    Explain {
        /// A pipeline file (YAML or JSON), or the name of a ready-made one.
        #[arg(value_name = "FILE_OR_NAME")]
        pipeline: String,

        line: String,
    },
    /// Compare what a pipeline makes of sample events with what is expected, as in the packages of Elastic.
    ///
    /// DIR holds samples: raw lines (NAME.log) or events (NAME.json, {"events": [..]}), and beside each
    /// NAME.log-expected.json ({"expected": [..]}, null for a dropped event). NAME.log-config.yml and
    /// test-common-config.yml may set fields, dynamic_fields and multiline.first_line_pattern. DIR may also be a package or
    /// one of its data streams. The exit code is 1 when a document is not as expected.
    Test {
        #[arg(value_name = "DIR")]
        folder: PathBuf,

        /// A pipeline file, or the name of a ready-made one [default: the data stream's
        /// elasticsearch/ingest_pipeline/default.yml, else a pipeline in DIR].
        #[arg(long, value_name = "FILE_OR_NAME")]
        pipeline: Option<String>,

        /// Write what the pipeline makes now as what is expected.
        #[arg(long)]
        update: bool,
    },
}
