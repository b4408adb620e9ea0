//! `geoip`: where an address is, by a database in MaxMind's format.
//!
//! The databases are the user's own, in the folder that the settings name. One that is missing fails nothing: the
//! document gets a tag, as in Elasticsearch.

use std::path::Path;
use std::sync::Arc;

use maxminddb::Reader;
use serde_json::Value as Json;

use super::recent::Recent;
use super::{Flow, Processor, Reason, address};
use crate::document::{Document, FieldPath, Map, Value, write_value};
use crate::pipeline::{Context, Options, Refusal, Run};
use crate::slots::{Field, Fields, Layout, Place, Step};

const DATABASE: &str = "GeoLite2-City.mmdb";

struct GeoIp {
    field: FieldPath,
    target: FieldPath,
    /// None when the file is not there.
    database: Option<Arc<Reader<Vec<u8>>>>,
    file: String,
    properties: Vec<String>,
    first_only: bool,
    ignore_missing: bool,
    /// By the place of its record in the database: what many addresses have in common. The properties are in their order,
    /// and those that the address itself gives are not there.
    recent: Recent<usize, Vec<Option<Kept>>>,
}

/// A property's value, and its JSON where it is an object.
#[derive(Debug)]
struct Kept {
    value: Value,
    json: Option<String>,
}

impl Kept {
    fn new(value: Value) -> Kept {
        let json = matches!(value, Value::Map(_)).then(|| {
            let mut json = Vec::new();
            write_value(&mut json, &value);
            String::from_utf8_lossy(&json).into_owned()
        });
        Kept { value, json }
    }
}

impl std::fmt::Debug for GeoIp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GeoIp").field("field", &self.field).field("file", &self.file).finish_non_exhaustive()
    }
}

/// A kind of database: how its type ends, all properties that it can give, and how many of them it gives by default.
struct Kind {
    suffix: &'static str,
    properties: &'static [&'static str],
    defaults: &'static [&'static str],
}

const CITY: &[&str] = &[
    "ip",
    "accuracy_radius",
    "city_name",
    "continent_code",
    "continent_name",
    "country_in_european_union",
    "country_iso_code",
    "country_name",
    "location",
    "postal_code",
    "region_iso_code",
    "region_name",
    "registered_country_in_european_union",
    "registered_country_iso_code",
    "registered_country_name",
    "timezone",
];
const CITY_DEFAULTS: &[&str] =
    &["continent_name", "country_name", "country_iso_code", "region_iso_code", "region_name", "city_name", "location"];

const ASN: &[&str] = &["ip", "asn", "organization_name", "network"];
const ISP: &[&str] = &[
    "ip",
    "asn",
    "organization_name",
    "network",
    "isp",
    "isp_organization_name",
    "mobile_country_code",
    "mobile_network_code",
];

const KINDS: &[Kind] = &[
    Kind { suffix: "City", properties: CITY, defaults: CITY_DEFAULTS },
    Kind { suffix: "Enterprise", properties: CITY, defaults: CITY_DEFAULTS },
    Kind {
        suffix: "Country",
        properties: &[
            "ip",
            "continent_code",
            "continent_name",
            "country_in_european_union",
            "country_iso_code",
            "country_name",
            "registered_country_in_european_union",
            "registered_country_iso_code",
            "registered_country_name",
        ],
        defaults: &["continent_name", "country_name", "country_iso_code"],
    },
    Kind { suffix: "ASN", properties: ASN, defaults: ASN },
    Kind { suffix: "ISP", properties: ISP, defaults: ISP },
    Kind { suffix: "Domain", properties: &["ip", "domain"], defaults: &["domain"] },
    Kind { suffix: "Connection-Type", properties: &["ip", "connection_type"], defaults: &["connection_type"] },
    Kind {
        suffix: "Anonymous-IP",
        properties: &[
            "ip",
            "hosting_provider",
            "tor_exit_node",
            "anonymous_vpn",
            "anonymous",
            "public_proxy",
            "residential_proxy",
        ],
        defaults: &[
            "hosting_provider",
            "tor_exit_node",
            "anonymous_vpn",
            "anonymous",
            "public_proxy",
            "residential_proxy",
        ],
    },
];

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.path("field")?;
    let target = match options.optional_path("target_field")? {
        Some(target) => target,
        None => FieldPath::parse("geoip").map_err(|error| options.refuse("target_field", error))?,
    };
    let file = options.optional_text("database_file")?.unwrap_or_else(|| DATABASE.to_owned());
    if file.contains(['/', '\\']) || !file.ends_with(".mmdb") {
        return Err(
            options.refuse("database_file", format!("got {file:?}; want the name of a file such as {DATABASE:?}"))
        );
    }
    let wanted = options.text_or_texts("properties")?;
    let first_only = options.flag("first_only", true)?;
    let ignore_missing = options.flag("ignore_missing", false)?;
    // Databases are not downloaded here at all.
    options.flag("download_database_on_pipeline_creation", true)?;
    let path = options.loader.settings.geoip_folder.join(&file);
    let database = open(&path).map_err(|reason| options.refuse("database_file", reason))?;
    options.loader.reads(path);
    let kind_name =
        database.as_ref().map_or_else(|| file.clone(), |database| database.metadata().database_type.clone());
    let kind_name = kind_name.trim_end_matches(".mmdb");
    let kind =
        KINDS.iter().find(|kind| kind_name.ends_with(kind.suffix) || kind_name.contains(&format!("-{}-", kind.suffix)));
    let properties = match (wanted, kind) {
        (_, None) => {
            return Err(options.refuse("database_file", format!("databases of type {kind_name:?} are not known")));
        }
        (None, Some(kind)) => kind.defaults.iter().map(|name| (*name).to_owned()).collect(),
        (Some(wanted), Some(kind)) => {
            if let Some(unknown) = wanted.iter().find(|name| !kind.properties.contains(&name.to_lowercase().as_str())) {
                let reason = format!("got {unknown:?}; want one of {}", kind.properties.join(", "));
                return Err(options.refuse("properties", reason).guessing(unknown, kind.properties.iter().copied()));
            }
            wanted.iter().map(|name| name.to_lowercase()).collect()
        }
    };
    let recent = Recent::default();
    Ok(Box::new(GeoIp { field, target, database, file, properties, first_only, ignore_missing, recent }))
}

fn open(path: &Path) -> Result<Option<Arc<Reader<Vec<u8>>>>, String> {
    match Reader::open_readfile(path) {
        Ok(reader) => Ok(Some(Arc::new(reader))),
        Err(_) if !path.exists() => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

impl Processor for GeoIp {
    fn plan(&self, layout: &mut Layout) -> Option<Vec<Place>> {
        self.database.as_ref()?;
        layout.lookup(&self.field, &self.target, &self.properties)
    }

    fn run_planned(&self, places: &[Place], fields: &mut Fields<'_, '_>, _: &Context) -> Step {
        let ([field, target, properties @ ..], Some(database)) = (places, &self.database) else { return Step::Tree };
        let slot = fields.slot(*field);
        match fields.read(*field) {
            Field::Text(_) => {}
            Field::Absent | Field::Null if self.ignore_missing => return Step::Next,
            Field::Absent | Field::Null => return Step::Failed,
            Field::Other => return Step::Tree,
        }
        let mut is_known = false;
        let done = fields.with_text(slot, |text, fields| {
            self.each_property(database, text, |number, value, json| {
                // The answer takes the place of what was there.
                if !std::mem::replace(&mut is_known, true) {
                    fields.renew_group(*target);
                }
                match json {
                    Some(json) => fields.set_json(properties[number], json),
                    None => fields.set_value(properties[number], value),
                }
            })
        });
        match done {
            Ok(()) => Step::Next,
            Err(_) => Step::Failed,
        }
    }

    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let name = self.field.as_str();
        if self.ignore_missing && !document.has_field(&self.field) {
            return Ok(Flow::Next);
        }
        let value = document.field(&self.field)?.clone();
        match &value {
            Value::Null if self.ignore_missing => return Ok(Flow::Next),
            Value::Null => {
                return Err(Reason::Text(format!("field [{name}] is null, cannot extract geoip information.")));
            }
            _ => {}
        }
        let Some(database) = &self.database else {
            let tag = FieldPath::parse("tags")?;
            super::list::append_value(
                document,
                &tag,
                Value::from(format!("_geoip_database_unavailable_{}", self.file)),
            )?;
            return Ok(Flow::Next);
        };
        let wrong = || Reason::Text(format!("field [{name}] should contain only string or array of strings"));
        match value {
            Value::String(text) => {
                let found = self.look_up(database, &text)?;
                if !found.is_empty() {
                    document.set_field(&self.target, Value::Map(found))?;
                }
            }
            Value::List(values) => {
                let mut all = Vec::with_capacity(values.len());
                for value in &values {
                    let found = self.look_up(database, value.as_str().ok_or_else(wrong)?)?;
                    match found.is_empty() {
                        true => all.push(Value::Null),
                        false if self.first_only => {
                            document.set_field(&self.target, Value::Map(found))?;
                            return Ok(Flow::Next);
                        }
                        false => all.push(Value::Map(found)),
                    }
                }
                if all.iter().any(|value| *value != Value::Null) {
                    document.set_field(&self.target, Value::List(all))?;
                }
            }
            _ => return Err(wrong()),
        }
        Ok(Flow::Next)
    }
}

impl GeoIp {
    /// What the database knows of an address; an empty map when it is nothing.
    fn look_up(&self, database: &Reader<Vec<u8>>, text: &str) -> Result<Map, Reason> {
        let mut found = Map::new();
        self.each_property(database, text, |number, value, _| {
            drop(found.insert(self.properties[number].as_str(), value.clone()))
        })?;
        Ok(found)
    }

    /// Gives what the database knows of an address to `put`: a property's number, its value, and JSON of an object.
    fn each_property(
        &self,
        database: &Reader<Vec<u8>>,
        text: &str,
        mut put: impl FnMut(usize, &Value, Option<&str>),
    ) -> Result<(), Reason> {
        let ip = address::parse(text)?;
        let fail = |error: maxminddb::MaxMindDbError| Reason::Text(format!("cannot look up [{text}]: {error}"));
        let result = database.lookup(ip).map_err(fail)?;
        let Some(place) = result.offset() else { return Ok(()) };
        let values = self.recent.get_or_find(&place, || match result.decode::<Json>() {
            Ok(record) => {
                let kept = |property: &String| read(property, record.as_ref()?).map(Kept::new);
                Ok(self.properties.iter().map(kept).collect())
            }
            Err(error) => Err(fail(error)),
        })?;
        for (number, (property, kept)) in self.properties.iter().zip(&*values).enumerate() {
            match (property.as_str(), kept) {
                ("ip", _) => put(number, &Value::from(ip.to_string()), None),
                ("network", _) => {
                    if let Ok(network) = result.network() {
                        put(number, &Value::from(network.to_string()), None);
                    }
                }
                (_, Some(kept)) => put(number, &kept.value, kept.json.as_deref()),
                (_, None) => {}
            }
        }
        Ok(())
    }
}

/// A property that is the same for all addresses with this record.
fn read(property: &str, record: &Json) -> Option<Value> {
    let at = |pointer: &str| record.pointer(pointer);
    let text = |pointer: &str| at(pointer)?.as_str().map(Value::from);
    let flag = |pointer: &str| Some(Value::Bool(at(pointer).and_then(Json::as_bool).unwrap_or(false)));
    match property {
        "asn" => at("/autonomous_system_number")?.as_i64().map(Value::Long),
        "organization_name" => text("/autonomous_system_organization"),
        "accuracy_radius" => at("/location/accuracy_radius")?.as_i64().map(Value::Integer),
        "city_name" => text("/city/names/en"),
        "continent_code" => text("/continent/code"),
        "continent_name" => text("/continent/names/en"),
        "country_in_european_union" => flag("/country/is_in_european_union"),
        "country_iso_code" => text("/country/iso_code"),
        "country_name" => text("/country/names/en"),
        "registered_country_in_european_union" => flag("/registered_country/is_in_european_union"),
        "registered_country_iso_code" => text("/registered_country/iso_code"),
        "registered_country_name" => text("/registered_country/names/en"),
        "location" => {
            let mut location = Map::new();
            location.insert("lat", Value::Double(at("/location/latitude")?.as_f64()?));
            location.insert("lon", Value::Double(at("/location/longitude")?.as_f64()?));
            Some(Value::Map(location))
        }
        "postal_code" => text("/postal/code"),
        "region_iso_code" => {
            let (country, region) = (at("/country/iso_code")?.as_str()?, at("/subdivisions/0/iso_code")?.as_str()?);
            Some(Value::from(format!("{country}-{region}")))
        }
        "region_name" => text("/subdivisions/0/names/en"),
        "timezone" => text("/location/time_zone"),
        "isp" => text("/isp"),
        "isp_organization_name" => text("/organization"),
        "mobile_country_code" | "mobile_network_code" | "connection_type" | "domain" => text(&format!("/{property}")),
        "hosting_provider" => flag("/is_hosting_provider"),
        "tor_exit_node" => flag("/is_tor_exit_node"),
        "anonymous_vpn" => flag("/is_anonymous_vpn"),
        "anonymous" => flag("/is_anonymous"),
        "public_proxy" => flag("/is_public_proxy"),
        "residential_proxy" => flag("/is_residential_proxy"),
        _ => None,
    }
}
