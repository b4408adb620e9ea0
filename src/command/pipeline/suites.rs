//! Which folders of samples a pipeline test means, and which pipeline each is for.

use crate::failure::Failure;
use anyhow::Context;
use std::fs;
use std::path::{Path, PathBuf};

/// Where Elastic's packages keep the samples of a data stream, and its pipelines.
const SAMPLES: &str = "_dev/test/pipeline";
const PIPELINES: &str = "elasticsearch/ingest_pipeline";
/// Names of the pipeline that comes first.
const FIRST: [&str; 2] = ["default", "pipeline"];
const EXTENSIONS: [&str; 3] = ["yml", "yaml", "json"];

/// A folder of samples and the pipeline that they are for.
#[derive(Debug, PartialEq)]
pub struct Suite {
    pub folder: PathBuf,
    /// A file, or the name of a ready-made one.
    pub pipeline: String,
}

/// The suites of a folder: of a package, a data stream, or the one that it is itself.
pub fn find(folder: &Path, named: Option<&str>) -> anyhow::Result<Vec<Suite>> {
    if !folder.is_dir() {
        let message = format!("{} is not a folder", folder.display());
        return Err(Failure::new(message, "name a folder with NAME.log or NAME.json and NAME.log-expected.json").into());
    }
    let streams = folder.join("data_stream");
    let mut suites = Vec::new();
    if streams.is_dir() {
        for entry in fs::read_dir(&streams).with_context(|| format!("read folder {}", streams.display()))? {
            let stream = entry.with_context(|| format!("read folder {}", streams.display()))?.path();
            if stream.join(SAMPLES).is_dir() {
                suites.push(suite(&stream.join(SAMPLES), named)?);
            }
        }
        suites.sort_by(|one, other| one.folder.cmp(&other.folder));
    }
    if folder.join(SAMPLES).is_dir() {
        suites.push(suite(&folder.join(SAMPLES), named)?);
    }
    if suites.is_empty() {
        suites.push(suite(folder, named)?);
    }
    Ok(suites)
}

fn suite(folder: &Path, named: Option<&str>) -> anyhow::Result<Suite> {
    let pipeline = match named {
        Some(named) => named.to_owned(),
        None => in_package(folder).or_else(|| in_folder(folder)).map(|path| path.display().to_string()).ok_or_else(
            || {
                let message = format!("no pipeline for the samples in {}", folder.display());
                Failure::new(message, "name it with --pipeline FILE, or put it there as default.yml")
            },
        )?,
    };
    Ok(Suite { folder: folder.to_owned(), pipeline })
}

/// The pipeline of the data stream to which `.../_dev/test/pipeline` belongs.
fn in_package(folder: &Path) -> Option<PathBuf> {
    // As it was typed it may be `.`.
    let whole = fs::canonicalize(folder).ok()?;
    if !whole.ends_with(SAMPLES) {
        return None;
    }
    let stream = whole.ancestors().nth(Path::new(SAMPLES).components().count())?;
    first_of(&stream.join(PIPELINES))
}

fn in_folder(folder: &Path) -> Option<PathBuf> {
    if let Some(path) = first_of(folder) {
        return Some(path);
    }
    let mut others: Vec<PathBuf> = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    others.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        (name.ends_with(".yml") || name.ends_with(".yaml")) && !name.ends_with("-config.yml")
    });
    // Of several nobody can tell which one is meant.
    match &others[..] {
        [one] => Some(one.clone()),
        _ => None,
    }
}

fn first_of(folder: &Path) -> Option<PathBuf> {
    let names = FIRST.iter().flat_map(|name| EXTENSIONS.map(|extension| format!("{name}.{extension}")));
    names.map(|name| folder.join(name)).find(|path| path.is_file())
}
