//! The `sluice` command: reads the command line and the config file, starts the parts, and reports how it ended.

mod cli;
mod command;
mod config;
mod demo;
mod failure;
mod files;
mod followed;
mod ingest;
mod output;
mod progress;
mod screen;
mod shutdown;
mod status;

use clap::Parser;
use cli::{Cli, Command};
use command::{agent, broker, dead, pipeline, setup, up, worker};
use failure::Failure;
use screen::Screen;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let screen = Screen::new();
    init_tracing(&screen, &cli);
    match run(cli, &screen) {
        Ok(code) => code,
        Err(error) => {
            screen.end();
            Failure::report(&error)
        }
    }
}

fn run(cli: Cli, screen: &Screen) -> anyhow::Result<ExitCode> {
    let config = config::load(cli.config.as_deref())?;
    // The pipeline commands need no runtime.
    if let Command::Pipeline(command) = cli.command {
        return pipeline::run(command, &worker::pipeline_settings(&config.worker));
    }
    raise_open_files_limit();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if matches!(cli.command, Command::Agent(_)) {
        // The agent works on a thread of its own. What is left is the network, and to wake a second thread for every
        // step of a request would cost more than the step.
        runtime.worker_threads(1);
    }
    let runtime = runtime.enable_all().build()?;
    let code = runtime.block_on(async {
        match cli.command {
            Command::Up(args) => up::run(args, config, screen).await,
            Command::Broker(args) => broker::run(args, config).await,
            Command::Agent(args) => agent::run(args, config, screen).await,
            Command::Worker(args) => worker::run(args, config, screen).await,
            Command::Search(args) => command::search::run(args, config).await,
            Command::Tail(args) => command::tail::run(args, config).await,
            Command::Setup(args) => setup::run(args, config).await,
            Command::Dead(args) => dead::run(args, config).await,
            Command::Demo(args) => command::demo::run(args, screen).await,
            #[cfg(feature = "search")]
            Command::Discover(args) => command::discover::run(args, config).await,
            Command::Pipeline(_) => unreachable!("handled above"),
        }
    });
    // A blocking task that waits for a dead server must not hold up the end: what counts has been written by now.
    runtime.shutdown_background();
    code
}

/// Every followed file and every segment is an open file; the soft limit that shells set, often 1024, is for programs
/// that use `select`.
fn raise_open_files_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        tracing::warn!(?current, "the limit of open files cannot be raised");
    }
}

/// Traces go to standard error, above the live line. `SLUICE_LOG` takes a filter such as `info` or `agent=debug`.
fn init_tracing(screen: &Screen, cli: &Cli) {
    let default_level = match cli.command {
        Command::Up(_)
        | Command::Setup(_)
        | Command::Pipeline(_)
        | Command::Dead(_)
        | Command::Demo(_)
        | Command::Search(_)
        | Command::Tail(_) => "warn",
        #[cfg(feature = "search")]
        Command::Discover(_) => "warn",
        Command::Agent(ref args) if args.dry_run || args.command.is_some() => "warn",
        Command::Broker(_) | Command::Agent(_) | Command::Worker(_) => "info",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("SLUICE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default_level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(screen.is_terminal())
        .with_writer(screen.clone())
        .init();
}
