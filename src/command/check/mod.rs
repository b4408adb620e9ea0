//! `sluice check`: says what is wrong with a config, where, and what to do about it; with `--probe` also with what it names.

mod agent;
mod broker;
mod findings;
mod probe;
mod report;
#[cfg(test)]
mod tests;
mod worker;

use crate::cli::CheckArgs;
use crate::config::{self, ConfigFile, Level, Problem};
use crate::screen::Screen;
use findings::Findings;
use std::path::Path;
use std::process::ExitCode;

/// Exit code of a wrong config, as of all commands.
const EXIT_CONFIG: u8 = 2;
/// Exit code of a config that is right, where something that it names is not.
const EXIT_PROBE: u8 = 1;

/// What was found in a file.
pub struct Checked {
    /// `None`: it cannot be read as a config.
    pub config: Option<ConfigFile>,
    pub problems: Vec<Problem>,
}

impl Checked {
    fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.level == Level::Error)
    }
}

pub async fn run(args: CheckArgs, named: Option<&Path>, screen: &Screen) -> anyhow::Result<ExitCode> {
    let path = config::find(args.file.as_deref().or(named));
    let (name, text) = match &path {
        Some(path) => (path.display().to_string(), config::read(path)?),
        None => ("sluice.yaml".to_owned(), String::new()),
    };
    let checked = check(&name, &text);
    let probes = match (&checked.config, args.probe) {
        // Where nothing can be started there is nothing to ask.
        (Some(config), true) if !checked.has_errors() => probe::all(config, screen).await,
        _ => Vec::new(),
    };
    let failed = probes.iter().any(|probe| probe.level == Some(Level::Error));
    report::write(path.as_deref(), &checked, &probes, args.json)?;
    Ok(match (checked.has_errors(), failed) {
        (true, _) => ExitCode::from(EXIT_CONFIG),
        (false, true) => ExitCode::from(EXIT_PROBE),
        (false, false) => ExitCode::SUCCESS,
    })
}

/// Looks at the file alone, and at the files that it names: certificates, passwords, pipelines.
pub fn check(name: &str, text: &str) -> Checked {
    let config = match config::parse(name, text) {
        Ok(config) => config,
        Err(problem) => return Checked { config: None, problems: vec![*problem] },
    };
    let mut found = Findings::new(name, text);
    for problem in config::out_of_range(&config, name, text) {
        found.add(problem);
    }
    agent::check(&config, &mut found);
    // The agent alone has the code of neither, and runs neither.
    #[cfg(feature = "server")]
    {
        broker::check(&config.broker, &mut found);
        worker::check(&config.worker, &mut found);
        together(&config, &mut found);
    }
    Checked { config: Some(config), problems: found.in_order() }
}

/// What is right alone, and hardly meant together.
fn together(config: &ConfigFile, found: &mut Findings<'_>) {
    let (agent, worker) = (&config.agent, &config.worker);
    if let Some(topics) = &worker.topics {
        let own = agent.topic.as_ref().map(|topic| ("agent.topic".to_owned(), topic));
        let inputs = agent.inputs.iter().enumerate();
        let inputs = inputs.filter_map(|(at, input)| Some((format!("agent.inputs.{at}.topic"), input.topic.as_ref()?)));
        for (key, topic) in own.into_iter().chain(inputs) {
            if !topic.contains('{') && !topics.contains(topic) {
                let cause = format!("lines go to topic {topic:?}, which the worker of this file does not consume");
                let known = config::did_you_mean(topic, topics.iter().map(String::as_str));
                found.warn(&key, cause, known.unwrap_or_else(|| format!("add {topic:?} to worker.topics")));
            }
        }
    }
    if worker.output.is_some() && worker.elasticsearch.as_ref().is_some_and(|section| !section.urls.is_empty()) {
        let cause = "documents go to worker.output, and nothing to worker.elasticsearch";
        found.warn("worker.output", cause, "remove one of the two");
    }
}
