//! Loads a pipeline with those that it calls.

use std::fs;
use std::path::{Path, PathBuf};

use super::load_error::{LoadError, Refusal, closest};
use super::loader::{Call, Loader, Settings};
use super::options::Options;
use super::source;
use super::steps::Steps;
use super::{Neighbours, Pipeline};
use crate::library;
use crate::slots::Plan;

/// Largest pipeline file: the biggest public ones have 300 KiB.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// Pipelines that one pipeline can bring along: the largest public package has 40.
const NEIGHBOURS_MAX: usize = 1000;
/// What pipeline files end with.
const EXTENSIONS: [&str; 3] = ["yml", "yaml", "json"];

/// Finds the pipelines that a pipeline calls.
pub trait Resolve {
    /// The source's name for messages and the text, or none when there is no such pipeline.
    fn resolve(&self, id: &str) -> Result<Option<(String, String)>, LoadError>;

    /// The ids of all pipelines that may be called by a name that only a document tells.
    fn all(&self) -> Vec<String>;

    /// Whether a pipeline that is called and is not there fails only when it is called, as in Elasticsearch.
    fn may_be_missing(&self) -> bool {
        false
    }
}

/// What other pipelines call a pipeline: its name without folder and extension.
pub fn id_of(source_name: &str) -> &str {
    let name = source_name.rsplit(['/', '\\']).next().unwrap_or(source_name);
    EXTENSIONS.iter().find_map(|extension| name.strip_suffix(&format!(".{extension}")[..])).unwrap_or(name)
}

impl Pipeline {
    /// Loads a ready-made pipeline by its name, or a file. What looks like a path is a file. The pipelines that a file
    /// calls lie beside it, or are ready-made ones.
    pub fn load(name_or_path: &str) -> Result<Pipeline, LoadError> {
        Pipeline::load_with(name_or_path, &Settings::default())
    }

    /// As [`load`](Pipeline::load), with other settings than the default ones.
    pub fn load_with(name_or_path: &str, settings: &Settings) -> Result<Pipeline, LoadError> {
        if let Some(text) = library::text(name_or_path) {
            return Pipeline::parse_with(name_or_path, text, settings, &Folder(None));
        }
        let refuse = |reason: String| Refusal::new(0, reason).in_file(name_or_path);
        let path = Path::new(name_or_path);
        let looks_like_path = name_or_path.contains(['/', '\\']) || path.extension().is_some();
        if !looks_like_path && fs::metadata(path).is_err() {
            let mut error = refuse("no such pipeline, and no file of that name".to_owned());
            error.hint = Some(match closest(name_or_path, library::names()) {
                Some(name) => format!("did you mean {name:?}?"),
                None => format!("ready-made pipelines are {}", library::names().collect::<Vec<_>>().join(", ")),
            });
            return Err(error);
        }
        let text = read_file(path)?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Pipeline::parse_with(name_or_path, &text, settings, &Folder(Some(folder)))
    }

    /// Checks and compiles the text of a pipeline, YAML or JSON, that calls only ready-made ones; `source_name` is what
    /// messages call it.
    pub fn parse(source_name: &str, text: &str) -> Result<Pipeline, LoadError> {
        Pipeline::parse_with(source_name, text, &Settings::default(), &Folder(None))
    }

    /// As [`parse`](Pipeline::parse), with settings and a way to find the pipelines that this one calls.
    pub fn parse_with(
        source_name: &str,
        text: &str,
        settings: &Settings,
        resolve: &dyn Resolve,
    ) -> Result<Pipeline, LoadError> {
        let (mut pipeline, calls) = compile(source_name, text, settings)?;
        let mut waiting: Vec<(String, Call)> = calls.into_iter().map(|call| (source_name.to_owned(), call)).collect();
        let mut neighbours = Neighbours::new();
        while let Some((caller, call)) = waiting.pop() {
            let ids = match &call.name {
                Some(name) => vec![name.clone()],
                None => resolve.all(),
            };
            for id in ids {
                if id == *pipeline.id || neighbours.contains_key(id.as_str()) {
                    continue;
                }
                let Some((name, text)) = resolve.resolve(&id)? else {
                    if call.may_be_missing || call.name.is_none() || resolve.may_be_missing() {
                        continue;
                    }
                    let reason = format!("pipeline {id:?}, which is called here, does not exist");
                    return Err(Refusal::new(call.line, reason).in_file(&caller));
                };
                if neighbours.len() >= NEIGHBOURS_MAX {
                    let reason = format!("calls more than {NEIGHBOURS_MAX} other pipelines");
                    return Err(Refusal::new(call.line, reason).in_file(&caller));
                }
                let (mut called, calls) = compile(&name, &text, settings)?;
                called.id = id.as_str().into();
                waiting.extend(calls.into_iter().map(|call| (name.clone(), call)));
                neighbours.insert(called.id.clone(), called);
            }
        }
        // What one writes to `_ingest`, another one may read.
        let names_ingest = pipeline.names_ingest || neighbours.values().any(|called| called.names_ingest);
        pipeline.names_ingest = names_ingest;
        neighbours.values_mut().for_each(|called| called.names_ingest = names_ingest);
        pipeline.neighbours = neighbours;
        pipeline.plan = Plan::new(&pipeline.steps, &pipeline.neighbours);
        Ok(pipeline)
    }
}

fn compile(source_name: &str, text: &str, settings: &Settings) -> Result<(Pipeline, Vec<Call>), LoadError> {
    let loader = Loader::new(settings);
    let mut pipeline = read(source_name, text, &loader).map_err(|refusal| refusal.in_file(source_name))?;
    let (calls, databases) = loader.into_parts();
    pipeline.databases = databases;
    Ok((pipeline, calls))
}

fn read(source_name: &str, text: &str, loader: &Loader<'_>) -> Result<Pipeline, Refusal> {
    let root = source::read(text)?;
    let mut options = Options::new("pipeline", root.line, &root, 0, loader)?;
    options.optional_text("description")?;
    // Elasticsearch keeps these and does nothing with them when it runs a pipeline.
    for bystander in ["version", "_meta", "deprecated", "created_date", "modified_date"] {
        options.node(bystander);
    }
    let Some(processors) = options.node("processors") else {
        // An unknown key here is often the misspelt list itself.
        options.node("on_failure");
        let line = options.line;
        options.finish()?;
        return Err(Refusal::new(line, "a pipeline must have \"processors\""));
    };
    let steps = Steps::parse(processors, "\"processors\"", 0, loader)?;
    let on_failure = match options.node("on_failure") {
        None => Steps::default(),
        Some(node) => Steps::parse_handlers(node, "pipeline", 0, loader)?,
    };
    options.finish()?;
    Ok(Pipeline {
        name: source_name.into(),
        id: id_of(source_name).into(),
        text: text.into(),
        steps,
        on_failure,
        names_ingest: text.contains("_ingest"),
        neighbours: Neighbours::new(),
        databases: Vec::new(),
        plan: None,
    })
}

fn read_file(path: &Path) -> Result<String, LoadError> {
    let name = path.to_string_lossy();
    let refuse = |reason: String| Refusal::new(0, reason).in_file(&name);
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(refuse("is a directory; want a pipeline file".to_owned())),
        Ok(metadata) if metadata.len() > FILE_BYTES_MAX => {
            let reason =
                format!("is larger than a pipeline can be: {} bytes; at most {FILE_BYTES_MAX}", metadata.len());
            return Err(refuse(reason));
        }
        Ok(_) => {}
        Err(error) => return Err(refuse(format!("cannot read pipeline: {error}"))),
    }
    let bytes = fs::read(path).map_err(|error| refuse(format!("cannot read pipeline: {error}")))?;
    String::from_utf8(bytes).map_err(|_| refuse("is not UTF-8 text".to_owned()))
}

/// Pipelines of a folder, then the ready-made ones.
struct Folder(Option<PathBuf>);

impl Resolve for Folder {
    fn resolve(&self, id: &str) -> Result<Option<(String, String)>, LoadError> {
        // A name is not a way out of the folder.
        if let Some(folder) = self.0.as_ref().filter(|_| !id.contains(['/', '\\'])) {
            for extension in EXTENSIONS {
                let path = folder.join(format!("{id}.{extension}"));
                if path.is_file() {
                    return Ok(Some((path.to_string_lossy().into_owned(), read_file(&path)?)));
                }
            }
        }
        Ok(library::text(id).map(|text| (id.to_owned(), text.to_owned())))
    }

    fn all(&self) -> Vec<String> {
        let Some(folder) = &self.0 else { return library::names().map(str::to_owned).collect() };
        let Ok(entries) = fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder }) else {
            return Vec::new();
        };
        let mut ids: Vec<String> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let id = id_of(&name);
                (id.len() < name.len()).then(|| id.to_owned())
            })
            .collect();
        ids.sort();
        ids
    }
}
