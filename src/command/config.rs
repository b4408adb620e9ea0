//! `sluice config`: the config in force, its schema, and the documentation of its keys.

use crate::cli::ConfigCommand;
use crate::config::{ConfigFile, Schema, keys, with_defaults};
use anyhow::Context;
use std::io::{self, Write};
use std::process::ExitCode;

pub fn run(command: ConfigCommand, config: ConfigFile) -> anyhow::Result<ExitCode> {
    let text = match command {
        ConfigCommand::Show { json: true } => format!("{:#}\n", serde_json::to_value(with_defaults(config))?),
        ConfigCommand::Show { json: false } => serde_saphyr::to_string(&with_defaults(config))?,
        ConfigCommand::Schema => format!("{:#}\n", Schema::new().for_editors()),
        ConfigCommand::Keys => keys::markdown(),
    };
    io::stdout().lock().write_all(text.as_bytes()).context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
