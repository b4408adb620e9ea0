//! `sluice pipeline`: try ingest pipelines without a broker.

mod cases;
mod changes;
mod explain;
mod suites;
mod table;
mod test;

use super::paint::Paint;
use crate::cli::PipelineCommand;
use anyhow::Context;
use pipelines::pipeline::{Pipeline, Settings};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;
use table::Table;

pub fn run(command: PipelineCommand, settings: &Settings) -> anyhow::Result<ExitCode> {
    match command {
        PipelineCommand::Run { pipeline, table } => {
            let pipeline = Pipeline::load_with(&pipeline, settings)?;
            let stdout = BufWriter::new(io::stdout().lock());
            match table {
                true => {
                    let width = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
                    let mut table = Table::new(stdout, width.map(|(width, _)| usize::from(width.0)));
                    lines(&pipeline, &mut table)?;
                    let hidden = table.finish().context("write the table")?;
                    if hidden > 0 {
                        eprintln!("{hidden} fields have no room; a wider terminal, or no --table, shows them");
                    }
                }
                false => lines(&pipeline, stdout)?,
            }
            Ok(ExitCode::SUCCESS)
        }
        PipelineCommand::Explain { pipeline, line } => {
            let pipeline = Pipeline::load_with(&pipeline, settings)?;
            let (text, failed) = explain::explain(&pipeline, &line, jiff::Timestamp::now(), Paint::for_stdout());
            io::stdout().write_all(text.as_bytes()).context("write to standard output")?;
            Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
        PipelineCommand::Test { folder, pipeline, update } => test::run(&folder, pipeline.as_deref(), settings, update),
    }
}

/// Parses the lines of standard input.
fn lines(pipeline: &Pipeline, out: impl Write) -> anyhow::Result<()> {
    let run = pipelines::run_lines(pipeline, jiff::Timestamp::now(), io::stdin().lock(), out)
        .context("parse standard input")?;
    if run.failed > 0 {
        eprintln!("{} of {} lines failed; their documents say why in error.message", run.failed, run.lines);
    }
    Ok(())
}
