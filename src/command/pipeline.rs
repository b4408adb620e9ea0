//! `sluice pipeline`: try ingest pipelines without a broker.

mod cases;
mod changes;
mod paint;
mod suites;
mod test;

use crate::cli::PipelineCommand;
use anyhow::Context;
use pipelines::pipeline::{Pipeline, Settings};
use std::io::{self, BufWriter};
use std::process::ExitCode;

pub fn run(command: PipelineCommand, settings: &Settings) -> anyhow::Result<ExitCode> {
    match command {
        PipelineCommand::Run { pipeline } => {
            let pipeline = Pipeline::load_with(&pipeline, settings)?;
            let stdout = BufWriter::new(io::stdout().lock());
            let run = pipelines::run_lines(&pipeline, jiff::Timestamp::now(), io::stdin().lock(), stdout)
                .context("parse standard input")?;
            if run.failed > 0 {
                eprintln!("{} of {} lines failed; their documents say why in error.message", run.failed, run.lines);
            }
            Ok(ExitCode::SUCCESS)
        }
        PipelineCommand::Test { folder, pipeline, update } => test::run(&folder, pipeline.as_deref(), settings, update),
    }
}
