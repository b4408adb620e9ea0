//! `sluice completions` and `sluice man`, from the definition of the command line itself.

use crate::cli::{Cli, CompletionsArgs, ManArgs};
use crate::failure::Failure;
use anyhow::Context;
use clap::CommandFactory;
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

pub fn completions(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sluice", &mut script);
    io::stdout().lock().write_all(&script).context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a page for `sluice` and for each of its subcommands: sluice.1, sluice-agent.1, sluice-agent-status.1, ...
pub fn man(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let folder = args.folder.display();
    let written =
        fs::create_dir_all(&args.folder).and_then(|()| clap_mangen::generate_to(Cli::command(), &args.folder));
    written.map_err(|error| {
        Failure::new(format!("write manual pages to {folder}: {error}"), "name a directory that can be written")
    })?;
    Ok(ExitCode::SUCCESS)
}
