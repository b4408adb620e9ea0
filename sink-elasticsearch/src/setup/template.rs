//! The index template: mappings, and settings by which a document is rather taken in part than refused.

use super::features::Features;
use super::fields::{keyword, properties};
use super::options::Options;
use serde_json::{Value, json};

/// Which template this is: a server that has a newer one was set up by a newer Sluice.
pub(super) const TEMPLATE_VERSION: u64 = 1;
/// Above the 100 of Elasticsearch's own templates for `logs-*-*`.
const PRIORITY: u32 = 200;
/// Fields of an index: twice the default, since JSON lines bring their own. Each costs memory in every node.
const FIELDS_MAX: u32 = 2000;
/// Types that dynamic mapping makes of scalars.
const SCALARS: [&str; 4] = ["string", "long", "double", "boolean"];

/// The body of the template, without its mark.
pub(super) fn template(options: &Options, features: &Features) -> Value {
    let mut settings = json!({
        "index.mapping.total_fields.limit": FIELDS_MAX,
        "index.mapping.ignore_malformed": true,
    });
    if features.ignores_fields_beyond_limit {
        settings["index.mapping.total_fields.ignore_dynamic_beyond_limit"] = json!(true);
    }
    if features.ilm {
        settings["index.lifecycle.name"] = json!(options.name());
    }
    let mut dynamic = Vec::new();
    // Whoever writes `port: 80` first must not keep others from writing `port: http`.
    for parent in ["labels", "_malformed"] {
        if parent == "_malformed" && features.flat.is_some() {
            continue;
        }
        for kind in SCALARS {
            dynamic.push(json!({ format!("{}_{kind}", parent.trim_start_matches('_')): {
                "path_match": format!("{parent}.*"), "match_mapping_type": kind, "mapping": keyword(),
            }}));
        }
    }
    dynamic.push(json!({ "strings": { "match_mapping_type": "string", "mapping": keyword() } }));
    let mut template = json!({
        "index_patterns": [options.pattern()],
        "priority": PRIORITY,
        "version": TEMPLATE_VERSION,
        "template": {
            "settings": settings,
            "mappings": {
                // A text that looks like a date is a text: the next one may look otherwise.
                "date_detection": false,
                "dynamic_templates": dynamic,
                "properties": properties(features),
            },
        },
    });
    if options.data_stream {
        template["data_stream"] = json!({});
    }
    template
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_options_and_features() {
        let mut options = Options::for_index("sluice-<dataset>").expect("a pattern");
        let plain = template(&options, &Features::default());
        assert_eq!(plain["index_patterns"], json!(["sluice-*"]));
        assert_eq!(plain.get("data_stream"), None);
        assert_eq!(plain["template"]["settings"].get("index.lifecycle.name"), None);
        let names = |template: &Value| template["template"]["mappings"]["dynamic_templates"].as_array().map(Vec::len);
        assert_eq!(names(&plain), Some(9));

        options.data_stream = true;
        let features =
            Features { flat: Some("flattened"), ilm: true, ignores_fields_beyond_limit: true, ..Default::default() };
        let full = template(&options, &features);
        assert_eq!(full["data_stream"], json!({}));
        assert_eq!(full["template"]["settings"]["index.lifecycle.name"], "sluice");
        assert_eq!(full["template"]["settings"]["index.mapping.total_fields.ignore_dynamic_beyond_limit"], true);
        assert_eq!(names(&full), Some(5));
    }
}
