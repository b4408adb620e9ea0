//! Changed pipeline files, and databases that they read, are loaded again without a stop; while one is broken, what was loaded before goes on.

use super::worker;
use crate::status::Pipelines;
use pipelines::pipeline::{Pipeline, Settings};
use pipelines::worker::{Choice, Exchanger};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Between two looks at the files. A change counts when two looks find it the same, so that no half-written file is loaded.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Files above this are told by length and time: they are hardly pipelines, and reading them each second would cost.
const READ_BYTES_MAX: u64 = 1 << 20;
const EXTENSIONS: [&str; 3] = ["yml", "yaml", "json"];

/// Where pipelines come from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Dataset, and file or name.
    pub pipelines: Vec<(String, String)>,
    pub settings: Settings,
}

/// The task that looks; it ends with the value.
pub struct Reload {
    task: JoinHandle<()>,
    problem: watch::Receiver<Option<String>>,
}

impl Reload {
    /// Looks after the files among `sources`, which are loaded as `current`.
    pub fn start(
        sources: Sources,
        current: Vec<(String, Choice)>,
        exchanger: Exchanger,
        shown: watch::Sender<Pipelines>,
        registry: &mut Registry,
    ) -> Self {
        let reloads: Counter = Counter::default();
        let refusals: Counter = Counter::default();
        registry.register("sluice_pipeline_reloads", "Times that changed pipelines were loaded", reloads.clone());
        registry.register(
            "sluice_pipeline_reload_failures",
            "Times that changed pipelines were broken, and the ones before were kept",
            refusals.clone(),
        );
        let (report, problem) = watch::channel(None);
        let settings = sources.settings.clone();
        let mut watched = Watched::new(sources, &current);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(LOOK_EVERY);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while !watched.is_empty() {
                ticks.tick().await;
                let looked = tokio::task::spawn_blocking(move || {
                    let look = watched.look();
                    (watched, look)
                });
                let Ok((back, look)) = looked.await else { return };
                watched = back;
                match look {
                    Look::Same => {}
                    Look::Mended => drop(report.send_replace(None)),
                    Look::Broken(reason) => {
                        tracing::error!("changed pipelines are not used, those before go on: {reason}");
                        refusals.inc();
                        report.send_replace(Some(format!("changed pipelines are not used: {reason}")));
                    }
                    Look::Changed(choices) => {
                        tracing::info!("pipelines have changed; they are used when all before them is committed");
                        report.send_replace(None);
                        let catalogue = worker::catalogue(&choices, &settings);
                        if exchanger.exchange(choices).await.is_err() {
                            return;
                        }
                        reloads.inc();
                        shown.send_replace(catalogue.into());
                    }
                }
            }
        });
        Self { task, problem }
    }

    /// Why changed files are not used.
    pub fn problems(&self) -> Vec<String> {
        self.problem.borrow().iter().cloned().collect()
    }
}

impl Drop for Reload {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a look found.
#[derive(Debug)]
enum Look {
    Same,
    /// What was broken is as it was loaded.
    Mended,
    Changed(Vec<(String, Choice)>),
    /// Told once for each state of the files.
    Broken(String),
}

/// The files, and what is known of them.
struct Watched {
    sources: Sources,
    /// Those of the pipelines: what these call lies beside them.
    folders: BTreeSet<PathBuf>,
    /// What `geoip` reads.
    databases: BTreeSet<PathBuf>,
    /// The texts that are in use, and the state of the databases.
    texts: (Vec<String>, u64),
    /// State of the files in which nothing is to be done any more.
    done: u64,
    /// State at the last look.
    seen: u64,
    is_broken: bool,
}

impl Watched {
    fn new(sources: Sources, current: &[(String, Choice)]) -> Self {
        let is_file = |choice: &Choice, name: &str| match choice {
            Choice::Pipeline(_) => pipelines::library::text(name).is_none(),
            Choice::ByDataset => false,
        };
        let files = sources.pipelines.iter().zip(current).filter(|((_, name), (_, choice))| is_file(choice, name));
        let folders = files.filter_map(|((_, name), _)| Path::new(name).parent()).map(|folder| {
            match folder.as_os_str().is_empty() {
                true => PathBuf::from("."),
                false => folder.to_owned(),
            }
        });
        let folders = folders.collect();
        let databases = databases(current);
        let of_databases = state_of_files(&databases);
        let state = state(&folders) ^ of_databases;
        let texts = (texts(current), of_databases);
        // What was changed between loading and now is seen by the first load.
        Self { sources, folders, databases, texts, done: state.wrapping_add(1), seen: state, is_broken: false }
    }

    /// Whether there is nothing to look after.
    fn is_empty(&self) -> bool {
        self.folders.is_empty() && self.databases.is_empty()
    }

    fn look(&mut self) -> Look {
        let of_databases = state_of_files(&self.databases);
        let state = state(&self.folders) ^ of_databases;
        let was_seen = std::mem::replace(&mut self.seen, state) == state;
        if state == self.done || !was_seen {
            return Look::Same;
        }
        self.done = state;
        let Sources { pipelines, settings } = &self.sources;
        let load = |(dataset, name): &(String, String)| Ok((dataset.clone(), worker::choice(name, settings)?));
        let choices: anyhow::Result<Vec<_>> = pipelines.iter().map(load).collect();
        match choices {
            Err(error) => {
                self.is_broken = true;
                Look::Broken(format!("{error:#}"))
            }
            Ok(choices) => {
                let was_broken = std::mem::take(&mut self.is_broken);
                let texts = (texts(&choices), of_databases);
                match texts == self.texts {
                    true if was_broken => Look::Mended,
                    true => Look::Same,
                    false => {
                        // Other ones than before are looked at, and their pipelines loaded, once more.
                        self.databases = databases(&choices);
                        self.texts = texts;
                        Look::Changed(choices)
                    }
                }
            }
        }
    }
}

/// The texts of pipelines and of what they call.
fn texts(choices: &[(String, Choice)]) -> Vec<String> {
    let whole = |pipeline: &Pipeline| {
        let mut called: Vec<(&str, &str)> = pipeline.called().map(|called| (called.id(), called.text())).collect();
        called.sort_unstable();
        format!("{}\n{called:?}", pipeline.text())
    };
    let text = |choice: &Choice| match choice {
        Choice::Pipeline(pipeline) => whole(pipeline),
        Choice::ByDataset => String::new(),
    };
    choices.iter().map(|(_, choice)| text(choice)).collect()
}

/// The databases that pipelines read.
fn databases(choices: &[(String, Choice)]) -> BTreeSet<PathBuf> {
    let pipelines = choices.iter().filter_map(|(_, choice)| match choice {
        Choice::Pipeline(pipeline) => Some(pipeline),
        Choice::ByDataset => None,
    });
    pipelines.flat_map(|pipeline| pipeline.databases()).map(Path::to_owned).collect()
}

/// A number that changes with files that are too large to be read each second: they are told by length and time.
fn state_of_files(paths: &BTreeSet<PathBuf>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        path.hash(&mut hasher);
        if let Ok(metadata) = fs::metadata(path) {
            (metadata.len(), metadata.modified().ok()).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// A number that changes with the files that may be pipelines: their names and contents.
fn state(folders: &BTreeSet<PathBuf>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for folder in folders {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().and_then(|it| it.to_str()).is_some_and(|it| EXTENSIONS.contains(&it)));
        paths.sort();
        for path in paths {
            path.hash(&mut hasher);
            let Ok(metadata) = fs::metadata(&path) else { continue };
            metadata.len().hash(&mut hasher);
            let mut content = Vec::new();
            let is_read = metadata.is_file()
                && metadata.len() <= READ_BYTES_MAX
                && File::open(&path).and_then(|file| file.take(READ_BYTES_MAX).read_to_end(&mut content)).is_ok();
            match is_read {
                true => content.hash(&mut hasher),
                false => metadata.modified().ok().hash(&mut hasher),
            }
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(value: &str) -> String {
        format!("processors:\n  - set: {{field: a, value: {value}}}\n  - pipeline: {{name: called}}\n")
    }

    /// The second of two looks, which is the one that loads.
    fn look(watched: &mut Watched) -> Look {
        let first = watched.look();
        assert!(matches!(first, Look::Same), "{first:?}");
        watched.look()
    }

    #[test]
    fn changed_files_are_loaded_and_broken_ones_told_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
        write("p.yml", &set("1"));
        write("called.yml", "processors: []");
        let name = folder.path().join("p.yml").display().to_string();
        let sources = vec![("*".to_owned(), name.clone()), ("x".to_owned(), "syslog".to_owned())];
        let settings = Settings::default();
        let load = |name: &str| worker::choice(name, &settings).expect("a pipeline");
        let current = sources.iter().map(|(dataset, name)| (dataset.clone(), load(name)));
        let current = current.collect::<Vec<_>>();
        let sources = Sources { pipelines: sources.clone(), settings: settings.clone() };
        let mut watched = Watched::new(sources, &current);
        assert_eq!(watched.folders.len(), 1);
        assert!(matches!(watched.look(), Look::Same) && matches!(watched.look(), Look::Same));

        write("p.yml", &set("2"));
        match look(&mut watched) {
            Look::Changed(choices) => match &choices[0].1 {
                Choice::Pipeline(pipeline) => assert_eq!(pipeline.text(), set("2")),
                Choice::ByDataset => panic!("a pipeline was named"),
            },
            other => panic!("{other:?}"),
        }
        assert!(matches!(watched.look(), Look::Same));
        // One that is called.
        write("called.yml", "processors: [{set: {field: b, value: 1}}]");
        assert!(matches!(look(&mut watched), Look::Changed(_)));
        // One that has nothing to do with it.
        write("sluice.yaml", "worker: {}");
        assert!(matches!(look(&mut watched), Look::Same));

        write("p.yml", "processors:\n  - sett: {}\n");
        match look(&mut watched) {
            Look::Broken(reason) => assert!(reason.starts_with(&format!("{name}:2: unknown processor")), "{reason}"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(watched.look(), Look::Same), "told once");
        write("p.yml", "processors: 1");
        assert!(matches!(look(&mut watched), Look::Broken(_)));
        write("p.yml", &set("2"));
        assert!(matches!(look(&mut watched), Look::Mended));
        fs::remove_file(folder.path().join("called.yml")).expect("it was there");
        assert!(matches!(look(&mut watched), Look::Broken(_)));
    }

    #[test]
    fn a_changed_database_loads_the_pipelines_that_read_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = Settings { geoip_folder: folder.path().to_owned(), ..Settings::default() };
        let sources = vec![("*".to_owned(), "nginx-access-geoip".to_owned())];
        let choice = worker::choice("nginx-access-geoip", &settings).expect("a pipeline");
        let current = vec![("*".to_owned(), choice)];
        let mut watched = Watched::new(Sources { pipelines: sources, settings }, &current);
        assert!(watched.folders.is_empty() && !watched.is_empty());
        assert!(matches!(watched.look(), Look::Same) && matches!(watched.look(), Look::Same));

        let city = folder.path().join("GeoLite2-City.mmdb");
        fs::write(&city, "no database").expect("a file");
        match look(&mut watched) {
            Look::Broken(reason) => assert!(reason.contains("GeoLite2-City.mmdb"), "{reason}"),
            other => panic!("{other:?}"),
        }
        fs::remove_file(&city).expect("it was there");
        assert!(matches!(look(&mut watched), Look::Mended));
        fs::write(folder.path().join("another.mmdb"), "none of ours").expect("a file");
        assert!(matches!(look(&mut watched), Look::Same));
    }
}
