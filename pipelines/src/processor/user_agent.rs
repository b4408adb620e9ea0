//! `user_agent`: browser, operating system and device by the text with which a client names itself.
//!
//! The expressions are those of uap-core (`data/user-agents.yaml`, Apache License 2.0).

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use ua_parser::{Extractor, Regexes};

use super::text::text_of;
use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Map, Value};
use crate::pipeline::{Options, Refusal, Run};

const REGEXES: &str = include_str!("../../data/user-agents.yaml");
const PROPERTIES: [&str; 5] = ["name", "os", "device", "original", "version"];
/// What is not known.
const OTHER: &str = "Other";

struct UserAgent {
    field: FieldPath,
    target: FieldPath,
    properties: Vec<String>,
    device_type: bool,
    extractor: Arc<Extractor<'static>>,
    ignore_missing: bool,
}

impl std::fmt::Debug for UserAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserAgent").field("field", &self.field).field("target", &self.target).finish_non_exhaustive()
    }
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.path("field")?;
    let target = match options.optional_path("target_field")? {
        Some(target) => target,
        None => FieldPath::parse("user_agent").map_err(|error| options.refuse("target_field", error))?,
    };
    let properties = match options.text_or_texts("properties")? {
        None => PROPERTIES.map(str::to_owned).to_vec(),
        Some(properties) => {
            if let Some(unknown) = properties.iter().find(|name| !PROPERTIES.contains(&name.to_lowercase().as_str())) {
                let reason = format!("got {unknown:?}; want one of {}", PROPERTIES.join(", "));
                return Err(options.refuse("properties", reason).guessing(unknown, PROPERTIES));
            }
            properties.iter().map(|name| name.to_lowercase()).collect()
        }
    };
    let device_type = options.flag("extract_device_type", false)?;
    let extractor = match options.optional_text("regex_file")? {
        None => built_in(),
        Some(file) => Arc::new(own(&file).map_err(|reason| options.refuse("regex_file", reason))?),
    };
    let ignore_missing = options.flag("ignore_missing", false)?;
    Ok(Box::new(UserAgent { field, target, properties, device_type, extractor, ignore_missing }))
}

/// Made once for all pipelines: it takes a tenth of a second and some tens of megabytes.
fn built_in() -> Arc<Extractor<'static>> {
    static EXTRACTOR: OnceLock<Arc<Extractor<'static>>> = OnceLock::new();
    let make = || Arc::new(extractor(REGEXES).expect("a test reads the built-in expressions"));
    Arc::clone(EXTRACTOR.get_or_init(make))
}

/// A file of the user's own.
fn own(file: &str) -> Result<Extractor<'static>, String> {
    /// uap-core's own file has 210 KiB.
    const FILE_BYTES_MAX: u64 = 16 << 20;
    let length = fs::metadata(Path::new(file)).map_err(|error| format!("cannot read {file:?}: {error}"))?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!("{file:?} has {length} bytes; at most {FILE_BYTES_MAX}"));
    }
    let text = fs::read_to_string(file).map_err(|error| format!("cannot read {file:?}: {error}"))?;
    extractor(&text).map_err(|reason| format!("{file:?}: {reason}"))
}

fn extractor(text: &str) -> Result<Extractor<'static>, String> {
    let regexes: Regexes<'static> = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    Extractor::try_from(regexes).map_err(|error| error.to_string())
}

impl Processor for UserAgent {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let Some(text) = text_of(document, &self.field, self.ignore_missing, "cannot parse user-agent.")? else {
            return Ok(Flow::Next);
        };
        let mut found = Map::new();
        for property in &self.properties {
            match property.as_str() {
                "original" => drop(found.insert("original", text)),
                "name" => {
                    let agent = self.extractor.ua.extract(text);
                    found.insert("name", agent.as_ref().map_or(OTHER, |agent| &*agent.family));
                }
                "version" => {
                    if let Some(agent) = self.extractor.ua.extract(text)
                        && let Some(version) = version([agent.major, agent.minor, agent.patch, agent.patch_minor])
                    {
                        found.insert("version", version);
                    }
                }
                "os" => {
                    if let Some(system) = self.extractor.os.extract(text) {
                        let parts = [&system.major, &system.minor, &system.patch, &system.patch_minor];
                        found.insert("os", os(&system.os, version(parts.map(|part| part.as_deref()))));
                    }
                }
                _ => drop(found.insert("device", self.device(text))),
            }
        }
        document.set_field(&self.target, Value::Map(found))?;
        Ok(Flow::Next)
    }
}

impl UserAgent {
    fn device(&self, text: &str) -> Map {
        let device = self.extractor.dev.extract(text);
        let mut map = Map::new();
        map.insert("name", device.as_ref().map_or(OTHER, |device| &*device.device));
        if self.device_type {
            map.insert("type", device_type(text));
        }
        map
    }
}

/// A guess at the kind of device by words that browsers and robots use.
fn device_type(text: &str) -> &'static str {
    let lower = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["bot", "crawl", "spider", "slurp"]) {
        "Robot"
    } else if has(&["ipad", "tablet", "kindle"]) || lower.contains("android") && !lower.contains("mobile") {
        "Tablet"
    } else if has(&["mobile", "iphone", "android", "phone"]) {
        "Phone"
    } else if has(&["windows", "macintosh", "linux", "x11", "cros"]) {
        "Desktop"
    } else {
        OTHER
    }
}

/// The parts up to the first that is missing.
fn version(parts: [Option<&str>; 4]) -> Option<String> {
    let parts: Vec<&str> = parts.into_iter().map_while(|part| part.filter(|part| !part.is_empty())).collect();
    (!parts.is_empty()).then(|| parts.join("."))
}

fn os(name: &str, version: Option<String>) -> Map {
    let mut map = Map::new();
    map.insert("name", name);
    if let Some(version) = version {
        map.insert("full", format!("{name} {version}"));
        map.insert("version", version);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_expressions_can_be_read() {
        let extractor = extractor(REGEXES).unwrap();
        let text = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        assert_eq!(extractor.ua.extract(text).map(|agent| agent.family.into_owned()), Some("Firefox".to_owned()));
    }
}
