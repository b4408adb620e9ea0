//! The `sluice` command: reads the command line and the config file, starts the parts, and reports how it ended.

mod cli;
mod command;
mod config;
mod demo;
mod failure;
mod files;
mod followed;
mod ingest;
mod metrics;
mod notify;
mod output;
mod progress;
mod screen;
mod shutdown;
mod status;
mod traces;

use clap::Parser;
use cli::{Cli, Command, ConfigCommand};
use command::{agent, broker, dead, manual, pipeline, setup, up, worker};
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
    match &cli.command {
        // These look at no config, or look at a broken one.
        Command::Completions(args) => return manual::completions(args),
        Command::Man(args) => return manual::man(args),
        Command::Check(_) | Command::Reload(_) => {}
        Command::Config(ConfigCommand::Schema | ConfigCommand::Keys) => {
            let Command::Config(command) = cli.command else { unreachable!("matched above") };
            return command::config::run(command, config::ConfigFile::default());
        }
        _ => {}
    }
    let config = match cli.command {
        Command::Check(_) | Command::Reload(_) => config::ConfigFile::default(),
        _ => config::load(cli.config.as_deref())?,
    };
    // The pipeline commands need no runtime.
    if let Command::Pipeline(command) = cli.command {
        return pipeline::run(command, &worker::pipeline_settings(&config.worker));
    }
    if let Command::Config(command) = cli.command {
        return command::config::run(command, config);
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
            Command::Reload(args) => command::renew::ask::run(args).await,
            Command::Check(args) => command::check::run(args, cli.config.as_deref()).await,
            Command::Pipeline(_) | Command::Config(_) | Command::Completions(_) | Command::Man(_) => {
                unreachable!("handled above")
            }
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

/// Traces of commands that run for long say more than those of others, whose output is what was asked for.
fn init_tracing(screen: &Screen, cli: &Cli) {
    let default_level = match cli.command {
        Command::Up(_)
        | Command::Setup(_)
        | Command::Pipeline(_)
        | Command::Dead(_)
        | Command::Demo(_)
        | Command::Check(_)
        | Command::Reload(_)
        | Command::Config(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Search(_)
        | Command::Tail(_) => "warn",
        #[cfg(feature = "search")]
        Command::Discover(_) => "warn",
        Command::Agent(ref args) if args.dry_run || args.command.is_some() => "warn",
        Command::Broker(_) | Command::Agent(_) | Command::Worker(_) => "info",
    };
    traces::init(screen, default_level, cli.log_format);
}
