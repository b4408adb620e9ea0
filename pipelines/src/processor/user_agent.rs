//! `user_agent`: browser, operating system and device by the text with which a client names itself.
//!
//! The expressions are those of uap-core (`data/user-agents.yaml`, Apache License 2.0).

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use ua_parser::{Extractor, Regexes};

use super::recent::Recent;
use super::text::text_of;
use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Map, Value, write_value};
use crate::pipeline::{Context, Options, Refusal, Run};
use crate::slots::{Field, Fields, Layout, Place, Step};

const REGEXES: &str = include_str!("../../data/user-agents.yaml");
const PROPERTIES: [&str; 5] = ["name", "os", "device", "original", "version"];
/// Longer texts are not kept: those of real clients are shorter, and others could fill memory with them.
const KEPT_BYTES_MAX: usize = 1024;
/// What is not known.
const OTHER: &str = "Other";

struct UserAgent {
    field: FieldPath,
    target: FieldPath,
    properties: Vec<String>,
    device_type: bool,
    extractor: Arc<Extractor<'static>>,
    ignore_missing: bool,
    recent: Recent<String, Client>,
}

/// What a text tells of a client, as far as it is asked for.
#[derive(Debug, Default)]
struct Client {
    name: String,
    version: Option<String>,
    os: Option<Object>,
    device: Object,
}

/// A part of an answer, and its JSON.
#[derive(Debug, Default)]
struct Object {
    map: Map,
    json: String,
}

impl Object {
    fn new(map: Map) -> Object {
        let mut json = Vec::new();
        write_value(&mut json, &Value::Map(map.clone()));
        Object { map, json: String::from_utf8_lossy(&json).into_owned() }
    }
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
    let recent = Recent::default();
    Ok(Box::new(UserAgent { field, target, properties, device_type, extractor, ignore_missing, recent }))
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
    fn plan(&self, layout: &mut Layout) -> Option<Vec<Place>> {
        layout.lookup(&self.field, &self.target, &self.properties)
    }

    fn run_planned(&self, places: &[Place], fields: &mut Fields<'_, '_>, _: &Context) -> Step {
        let [field, target, properties @ ..] = places else { return Step::Tree };
        let original = fields.slot(*field);
        let client = match fields.read(*field) {
            Field::Text(text) => self.client(text),
            Field::Absent | Field::Null if self.ignore_missing => return Step::Next,
            Field::Absent | Field::Null => return Step::Failed,
            Field::Other => return Step::Tree,
        };
        // The answer takes the place of what was there.
        fields.renew_group(*target);
        for (property, place) in self.properties.iter().zip(properties) {
            match property.as_str() {
                "original" => fields.set(*place, original),
                "name" => fields.set_text(*place, &client.name),
                "version" => drop(client.version.as_deref().map(|version| fields.set_text(*place, version))),
                "os" => drop(client.os.as_ref().map(|os| fields.set_json(*place, &os.json))),
                _ => fields.set_json(*place, &client.device.json),
            }
        }
        Step::Next
    }

    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let Some(text) = text_of(document, &self.field, self.ignore_missing, "cannot parse user-agent.")? else {
            return Ok(Flow::Next);
        };
        let client = self.client(text);
        let mut found = Map::new();
        for property in &self.properties {
            match property.as_str() {
                "original" => drop(found.insert("original", text)),
                "name" => drop(found.insert("name", client.name.as_str())),
                "version" => drop(client.version.as_deref().map(|version| found.insert("version", version))),
                "os" => drop(client.os.as_ref().map(|os| found.insert("os", os.map.clone()))),
                _ => drop(found.insert("device", client.device.map.clone())),
            }
        }
        document.set_field(&self.target, Value::Map(found))?;
        Ok(Flow::Next)
    }
}

impl UserAgent {
    /// What the text tells, which was found out before of most texts.
    fn client(&self, text: &str) -> Arc<Client> {
        if text.len() > KEPT_BYTES_MAX {
            return Arc::new(self.read(text));
        }
        let Ok(client) = self.recent.get_or_find(text, || Ok::<_, Infallible>(self.read(text)));
        client
    }

    fn read(&self, text: &str) -> Client {
        let wants = |name: &str| self.properties.iter().any(|property| property == name);
        let mut client = Client::default();
        if wants("name") || wants("version") {
            let agent = self.extractor.ua.extract(text);
            client.name = agent.as_ref().map_or(OTHER, |agent| &*agent.family).to_owned();
            client.version =
                agent.and_then(|agent| version([agent.major, agent.minor, agent.patch, agent.patch_minor]));
        }
        if wants("os") {
            client.os = self.extractor.os.extract(text).map(|system| {
                let parts = [&system.major, &system.minor, &system.patch, &system.patch_minor];
                Object::new(os(&system.os, version(parts.map(|part| part.as_deref()))))
            });
        }
        if wants("device") {
            client.device = Object::new(self.device(text));
        }
        client
    }

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
