//! The `sluice` command: reads the command line and the config file, starts the parts, and reports how it ended.

// The agent alone uses a part of what the commands share.
#![cfg_attr(not(feature = "server"), allow(dead_code, unused_imports, unused_mut, unused_variables))]

mod allocator;
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
    allocator::bound_arenas();
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
        // These look at no config.
        Command::Completions(args) => return manual::completions(args),
        Command::Man(args) => return manual::man(args),
        #[cfg(feature = "server")]
        Command::Config(ConfigCommand::Schema | ConfigCommand::Keys) => {
            let Command::Config(command) = cli.command else { unreachable!("matched above") };
            return command::config::run(command, config::ConfigFile::default());
        }
        _ => {}
    }
    let config = match cli.command {
        // The one asks who has a config, the other looks at one that may be broken.
        Command::Reload(_) => config::ConfigFile::default(),
        #[cfg(feature = "server")]
        Command::Check(_) => config::ConfigFile::default(),
        _ => config::load(cli.config.as_deref())?,
    };
    // The pipeline commands need no runtime.
    #[cfg(feature = "server")]
    if let Command::Pipeline(command) = cli.command {
        return pipeline::run(command, &worker::pipeline_settings(&config.worker));
    }
    #[cfg(feature = "server")]
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
            #[cfg(feature = "server")]
            Command::Up(args) => up::run(args, config, screen).await,
            #[cfg(feature = "server")]
            Command::Broker(args) => broker::run(args, config).await,
            Command::Agent(args) => agent::run(args, config, screen).await,
            #[cfg(feature = "server")]
            Command::Worker(args) => worker::run(args, config, screen).await,
            #[cfg(feature = "server")]
            Command::Search(args) => command::search::run(args, config).await,
            #[cfg(feature = "server")]
            Command::Tail(args) => command::tail::run(args, config).await,
            #[cfg(feature = "server")]
            Command::Debug(command) => command::debug::run(command, &config, screen).await,
            #[cfg(feature = "server")]
            Command::Top(args) => command::top::run(args, &config).await,
            #[cfg(feature = "server")]
            Command::Explain(args) => command::explain::run(args, config, screen).await,
            #[cfg(feature = "server")]
            Command::Verify(args) => command::verify::run(args, config, screen).await,
            #[cfg(feature = "server")]
            Command::Setup(args) => setup::run(args, config, screen).await,
            #[cfg(feature = "server")]
            Command::Dead(args) => dead::run(args, config, screen).await,
            #[cfg(feature = "server")]
            Command::Demo(args) => command::demo::run(args, screen).await,
            #[cfg(feature = "search")]
            Command::Discover(args) => command::discover::run(args, config).await,
            Command::Reload(args) => command::renew::ask::run(args).await,
            #[cfg(feature = "server")]
            Command::Check(args) => command::check::run(args, cli.config.as_deref(), screen).await,
            #[cfg(feature = "server")]
            Command::Pipeline(_) | Command::Config(_) => unreachable!("handled above"),
            Command::Completions(_) | Command::Man(_) => unreachable!("handled above"),
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
        #[cfg(feature = "server")]
        // What a reload has taken over is told whoever asked for it.
        Command::Up(_) => "warn,sluice::command::renew=info",
        #[cfg(feature = "server")]
        Command::Setup(_)
        | Command::Pipeline(_)
        | Command::Dead(_)
        | Command::Demo(_)
        | Command::Check(_)
        | Command::Config(_)
        | Command::Search(_)
        | Command::Tail(_)
        | Command::Debug(_)
        | Command::Top(_)
        | Command::Explain(_)
        | Command::Verify(_) => "warn",
        #[cfg(feature = "search")]
        Command::Discover(_) => "warn",
        Command::Completions(_) | Command::Man(_) | Command::Reload(_) => "warn",
        Command::Agent(ref args) if args.dry_run || args.command.is_some() => "warn",
        Command::Agent(_) => "info",
        #[cfg(feature = "server")]
        Command::Broker(_) | Command::Worker(_) => "info",
    };
    traces::init(screen, default_level, cli.log_format);
}
