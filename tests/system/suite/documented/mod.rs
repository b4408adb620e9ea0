//! Every command of the documentation, run as it is written and in its order, on a machine of its own.
//!
//! A page has a script: what is expected of each of its commands, and what happens in between. A command that its script
//! does not have fails the test, so that none is written down that nobody has run.

mod pages;

use crate::harness::documentation::{self, shell_lines};
use crate::harness::machine::Machine;
use crate::harness::scene::Scene;
use crate::harness::terminal::Terminal;
use anyhow::{Context, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For a debug binary on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// One step of a script.
enum Step {
    /// A command of the page that ends with success, and says the second text.
    Ends(&'static str, &'static str),
    /// A command of the page that goes on; it has begun when the condition holds.
    Serves(&'static str, &'static str),
    /// A command of the page that a person ends with Ctrl-C once the text is seen.
    Watches(&'static str, &'static str),
    /// A command of the page that is not run, and why.
    NotRun(&'static str, &'static str),
    /// What happens meanwhile, a line for the shell.
    Do(&'static str),
    /// Waits for a condition.
    Holds(&'static str),
    /// A part of ours that goes on until it is stopped, begun when the condition holds.
    Runs(&'static str, &'static str),
    /// Ctrl-C for what goes on and begins so.
    Stop(&'static str),
}

pub fn readme(scene: &Scene) -> anyhow::Result<()> {
    follow(scene, "README.md", pages::README)
}

pub fn quick_start(scene: &Scene) -> anyhow::Result<()> {
    follow(scene, "docs/quick-start.md", pages::QUICK_START)
}

pub fn agent(scene: &Scene) -> anyhow::Result<()> {
    follow(scene, "docs/agent.md", pages::AGENT)
}

pub fn broker(scene: &Scene) -> anyhow::Result<()> {
    follow(scene, "docs/broker.md", pages::BROKER)
}

pub fn pipelines(scene: &Scene) -> anyhow::Result<()> {
    follow(scene, "docs/pipelines.md", pages::PIPELINES)
}

pub fn elasticsearch_and_kibana(scene: &Scene) -> anyhow::Result<()> {
    follow(scene, "docs/elasticsearch-and-kibana.md", pages::ELASTICSEARCH_AND_KIBANA)
}

pub fn operations(scene: &Scene) -> anyhow::Result<()> {
    follow(scene, "docs/operations.md", pages::OPERATIONS)
}

/// Pages with commands in them are the ones above.
pub fn every_page(_: &Scene) -> anyhow::Result<()> {
    let pages = documentation::pages(root())?;
    let with_commands = |page: &&PathBuf| fs::read_to_string(page).is_ok_and(|text| !shell_lines(&text).is_empty());
    let names = pages.iter().filter(with_commands).filter_map(|page| page.file_name()?.to_str());
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let known = [
        "README.md",
        "agent.md",
        "broker.md",
        "elasticsearch-and-kibana.md",
        "operations.md",
        "pipelines.md",
        "quick-start.md",
    ];
    ensure!(names == known, "pages with commands are {names:?}; those that a test runs are {known:?}");
    Ok(())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Goes through a page.
fn follow(scene: &Scene, page: &str, steps: &[Step]) -> anyhow::Result<()> {
    let text = fs::read_to_string(root().join(page)).with_context(|| format!("read {page}"))?;
    let lines = shell_lines(&text);
    // What stands behind `#` is for people.
    let mut lines = lines.iter().map(|line| line.split(" # ").next().unwrap_or_default().trim_end());
    let mut reader = Reader { machine: Machine::start(scene)?, running: Vec::new(), terminals: 0 };
    for step in steps {
        let of_page = match step {
            Step::Ends(begins, _) | Step::Serves(begins, _) | Step::Watches(begins, _) | Step::NotRun(begins, _) => {
                let line = lines.next().with_context(|| format!("{page} has no command {begins:?} any more"))?;
                ensure!(line.starts_with(begins), "{page}: want a command {begins:?}; got {line:?}");
                line
            }
            Step::Do(_) | Step::Holds(_) | Step::Runs(..) | Step::Stop(_) => "",
        };
        reader.take(step, of_page).with_context(|| format!("{page}: {of_page}"))?;
    }
    let rest: Vec<&str> = lines.collect();
    ensure!(rest.is_empty(), "{page}: no test runs {rest:?}");
    while let Some((line, terminal)) = reader.running.pop() {
        stopped(&line, terminal)?;
    }
    Ok(())
}

/// Somebody who types what is written.
struct Reader<'a> {
    machine: Machine<'a>,
    /// What goes on, in the order in which it was begun.
    running: Vec<(String, Terminal)>,
    terminals: usize,
}

impl Reader<'_> {
    fn take(&mut self, step: &Step, line: &str) -> anyhow::Result<()> {
        match step {
            Step::Ends(_, says) => self.ends(line, says),
            Step::Serves(_, until) => self.serves(line, until),
            Step::Watches(_, text) => {
                let terminal = self.terminal(line)?;
                terminal.wait_for(text, PATIENCE)?;
                stopped(line, terminal)
            }
            Step::NotRun(_, why) => {
                eprintln!("documented: not run: {line}: {why}");
                Ok(())
            }
            Step::Do(own) => self.ends(own, "").with_context(|| (*own).to_owned()),
            Step::Holds(condition) => self.machine.wait_for(condition, PATIENCE),
            Step::Runs(own, until) => self.serves(own, until).with_context(|| (*own).to_owned()),
            Step::Stop(begins) => {
                let at = self.running.iter().position(|(line, _)| line.starts_with(begins));
                let (line, terminal) = self.running.remove(at.with_context(|| format!("{begins:?} goes on"))?);
                stopped(&line, terminal)
            }
        }
    }

    fn ends(&self, line: &str, says: &str) -> anyhow::Result<()> {
        let output = self.machine.run(line)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        ensure!(output.status.success(), "ended with {}: {said}", output.status);
        ensure!(said.contains(says), "want {says:?}; got {said}");
        Ok(())
    }

    fn serves(&mut self, line: &str, until: &str) -> anyhow::Result<()> {
        let terminal = self.terminal(line)?;
        let begun = self.machine.wait_for(until, PATIENCE);
        begun.with_context(|| format!("its terminal shows\n{}", terminal.screen()))?;
        self.running.push((line.to_owned(), terminal));
        Ok(())
    }

    fn terminal(&mut self, line: &str) -> anyhow::Result<Terminal> {
        self.terminals += 1;
        // The program is built already.
        let line = line.replace("cargo run --release -- ", "sluice ");
        self.machine.terminal(&format!("terminal-{}", self.terminals), &line)
    }
}

/// Ctrl-C. What is ours ends with success then.
fn stopped(line: &str, mut terminal: Terminal) -> anyhow::Result<()> {
    terminal.interrupt()?;
    let status = terminal.ended(PATIENCE).with_context(|| format!("Ctrl-C for {line}"))?;
    let is_ours = line.starts_with("sluice") || line.starts_with("cargo");
    ensure!(status.success() || !is_ours, "{line} ended with {status} after Ctrl-C:\n{}", terminal.screen());
    Ok(())
}
