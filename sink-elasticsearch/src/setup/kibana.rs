//! A data view, a saved search and a dashboard for Kibana and OpenSearch Dashboards, as importable NDJSON.
//!
//! The objects have the form of version 7.10, in which the two products parted: both bring objects that say no version of
//! their own up to date when they import them.

use super::options::Options;
use serde_json::{Value, json};

/// The dashboard's grid has 48 columns.
const GRID_COLUMNS: u32 = 48;
const SEARCH_COLUMNS: [&str; 4] = ["event.dataset", "host.name", "log.level", "message"];

/// A chart of the dashboard.
struct Chart {
    id: &'static str,
    title: &'static str,
    kind: Kind,
    /// By which the lines are counted.
    field: &'static str,
    /// Columns and rows on the grid.
    size: [u32; 2],
}

#[derive(Clone, Copy)]
enum Kind {
    /// Over time, one colour per value.
    Bars,
    Ring,
    Table,
}

const CHARTS: [Chart; 7] = [
    Chart { id: "datasets", title: "Lines over time", kind: Kind::Bars, field: "event.dataset", size: [48, 12] },
    Chart { id: "levels", title: "Levels over time", kind: Kind::Bars, field: "log.level", size: [24, 10] },
    Chart {
        id: "statuses",
        title: "HTTP status codes over time",
        kind: Kind::Bars,
        field: "http.response.status_code",
        size: [24, 10],
    },
    Chart { id: "hosts", title: "Hosts", kind: Kind::Ring, field: "host.name", size: [12, 12] },
    Chart { id: "urls", title: "URLs", kind: Kind::Table, field: "url.original", size: [16, 12] },
    Chart { id: "clients", title: "Clients", kind: Kind::Table, field: "source.ip", size: [10, 12] },
    // A pipeline that failed, a time that was replaced, a field that was rescued.
    Chart { id: "tags", title: "Tags", kind: Kind::Table, field: "tags", size: [10, 12] },
];

/// The objects as NDJSON, one a line, for Kibana's *Saved objects > Import*. Importing them again writes them over.
pub fn saved_objects(options: &Options) -> String {
    let id = |name: &str| format!("{}-{name}", options.name());
    let data_view = id("data-view");
    let of_data_view = json!([{ "name": DATA_VIEW, "type": "index-pattern", "id": data_view }]);
    let title = |text: &str| format!("[{}] {text}", options.name());

    let mut objects = vec![
        json!({
            "type": "index-pattern",
            "id": data_view,
            "attributes": { "title": options.pattern(), "timeFieldName": "@timestamp" },
            "references": [],
        }),
        json!({
            "type": "search",
            "id": id("lines"),
            "attributes": {
                "title": title("Lines"),
                "description": "All lines, the latest first.",
                "columns": SEARCH_COLUMNS,
                "sort": [["@timestamp", "desc"]],
                "kibanaSavedObjectMeta": { "searchSourceJSON": search_source() },
            },
            "references": of_data_view,
        }),
    ];
    let (mut panels, mut references) = (Vec::new(), Vec::new());
    let mut place = Place::default();
    let mut add = |kind: &str, id: String, size: [u32; 2]| {
        let number = panels.len() + 1;
        let [x, y] = place.of(size);
        panels.push(json!({
            "type": kind,
            "panelIndex": number.to_string(),
            "gridData": { "x": x, "y": y, "w": size[0], "h": size[1], "i": number.to_string() },
            "embeddableConfig": {},
            "panelRefName": format!("panel_{number}"),
        }));
        references.push(json!({ "name": format!("panel_{number}"), "type": kind, "id": id }));
    };
    for chart in &CHARTS {
        let state = json!({ "title": title(chart.title), "type": chart.kind.name(), "aggs": chart.aggs(), "params": chart.kind.params() });
        objects.push(json!({
            "type": "visualization",
            "id": id(chart.id),
            "attributes": {
                "title": title(chart.title),
                "visState": state.to_string(),
                "uiStateJSON": "{}",
                "kibanaSavedObjectMeta": { "searchSourceJSON": search_source() },
            },
            "references": of_data_view,
        }));
        add("visualization", id(chart.id), chart.size);
    }
    add("search", id("lines"), [GRID_COLUMNS, 20]);
    objects.push(json!({
        "type": "dashboard",
        "id": id("overview"),
        "attributes": {
            "title": title("Overview"),
            "description": "What arrives from where, and what is wrong with it.",
            "panelsJSON": Value::Array(panels).to_string(),
            "optionsJSON": json!({ "useMargins": true, "hidePanelTitles": false }).to_string(),
            "timeRestore": true,
            "timeFrom": "now-24h",
            "timeTo": "now",
            "kibanaSavedObjectMeta": {
                "searchSourceJSON": json!({ "query": { "language": "kuery", "query": "" }, "filter": [] }).to_string(),
            },
        },
        "references": references,
    }));
    objects.iter().map(|object| format!("{object}\n")).collect()
}

/// The name by which a search refers to its data view; the import looks for it in the references.
const DATA_VIEW: &str = "kibanaSavedObjectMeta.searchSourceJSON.index";

fn search_source() -> String {
    json!({ "query": { "language": "kuery", "query": "" }, "filter": [], "indexRefName": DATA_VIEW }).to_string()
}

/// Where the next panel goes: beside the last one, or below when the row is full.
#[derive(Default)]
struct Place {
    x: u32,
    y: u32,
    row_height: u32,
}

impl Place {
    fn of(&mut self, [width, height]: [u32; 2]) -> [u32; 2] {
        if self.x + width > GRID_COLUMNS {
            (self.x, self.y, self.row_height) = (0, self.y + self.row_height, 0);
        }
        let place = [self.x, self.y];
        self.x += width;
        self.row_height = self.row_height.max(height);
        place
    }
}

impl Chart {
    fn aggs(&self) -> Value {
        let count = json!({ "id": "1", "enabled": true, "type": "count", "params": {}, "schema": "metric" });
        let terms = |schema: &str| {
            json!({ "id": "2", "enabled": true, "type": "terms", "schema": schema, "params": {
                "field": self.field, "orderBy": "1", "order": "desc", "size": 10,
                "otherBucket": false, "otherBucketLabel": "Other", "missingBucket": false, "missingBucketLabel": "Missing",
            }})
        };
        match self.kind {
            Kind::Bars => json!([count, {
                "id": "3", "enabled": true, "type": "date_histogram", "schema": "segment", "params": {
                    "field": "@timestamp", "useNormalizedEsInterval": true, "scaleMetricValues": false, "interval": "auto",
                    "drop_partials": false, "min_doc_count": 1, "extended_bounds": {},
                },
            }, terms("group")]),
            Kind::Ring => json!([count, terms("segment")]),
            Kind::Table => json!([count, terms("bucket")]),
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Bars => "histogram",
            Self::Ring => "pie",
            Self::Table => "table",
        }
    }

    fn params(self) -> Value {
        let labels = json!({ "show": true, "filter": true, "truncate": 100 });
        match self {
            Self::Bars => json!({
                "type": "histogram",
                "grid": { "categoryLines": false },
                "categoryAxes": [{
                    "id": "CategoryAxis-1", "type": "category", "position": "bottom", "show": true, "style": {},
                    "scale": { "type": "linear" }, "labels": labels, "title": {},
                }],
                "valueAxes": [{
                    "id": "ValueAxis-1", "name": "LeftAxis-1", "type": "value", "position": "left", "show": true, "style": {},
                    "scale": { "type": "linear", "mode": "normal" }, "labels": labels, "title": { "text": "Lines" },
                }],
                "seriesParams": [{
                    "show": true, "type": "histogram", "mode": "stacked", "data": { "id": "1", "label": "Lines" },
                    "valueAxis": "ValueAxis-1", "drawLinesBetweenPoints": true, "lineWidth": 2, "showCircles": true,
                }],
                "addTooltip": true, "addLegend": true, "legendPosition": "right", "times": [], "addTimeMarker": false,
                "labels": { "show": false },
                "thresholdLine": { "show": false, "value": 10, "width": 1, "style": "full", "color": "#E7664C" },
            }),
            Self::Ring => json!({
                "type": "pie", "addTooltip": true, "addLegend": true, "legendPosition": "right", "isDonut": true,
                "labels": { "show": true, "values": true, "last_level": true, "truncate": 100 },
            }),
            Self::Table => json!({
                "perPage": 10, "showPartialRows": false, "showMetricsAtAllLevels": false, "showTotal": false,
                "totalFunc": "sum", "percentageCol": "",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::fields::FIELDS;
    use std::collections::HashSet;

    /// Every text under the key `name`, at any depth, also in JSON that is a text.
    fn texts_under(name: &str, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(keys) => {
                for (key, value) in keys {
                    match value.as_str() {
                        Some(text) if key == name => found.push(text.to_owned()),
                        Some(text) if key.ends_with("JSON") || key == "visState" => {
                            texts_under(name, &serde_json::from_str(text).expect("JSON in a text"), found);
                        }
                        _ => texts_under(name, value, found),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| texts_under(name, value, found)),
            _ => {}
        }
    }

    #[test]
    fn objects_have_their_form_and_refer_to_each_other() {
        let options = Options::for_index("shop-<dataset>").expect("a pattern");
        let text = saved_objects(&options);
        assert!(text.ends_with('\n'));
        let objects: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        let key =
            |object: &Value| (object["type"].as_str().map(str::to_owned), object["id"].as_str().map(str::to_owned));
        let known: HashSet<_> = objects.iter().map(key).collect();
        assert_eq!(known.len(), objects.len(), "two objects have the same type and id");
        for object in &objects {
            let keys: Vec<&str> = object.as_object().expect("an object").keys().map(String::as_str).collect();
            assert_eq!(keys, ["type", "id", "attributes", "references"]);
            assert!(object["attributes"]["title"].as_str().is_some_and(|title| !title.is_empty()), "{object}");
            let references = object["references"].as_array().expect("references");
            for reference in references {
                assert!(known.contains(&key(reference)), "{reference} of {} refers to nothing", object["id"]);
            }
            // A name that is used is among the references, and the other way round.
            let mut names = Vec::new();
            for under in ["indexRefName", "panelRefName"] {
                texts_under(under, &object["attributes"], &mut names);
            }
            let referred: Vec<&str> = references.iter().filter_map(|reference| reference["name"].as_str()).collect();
            assert_eq!(names, referred, "{}", object["id"]);
        }
        for kind in ["index-pattern", "search", "dashboard"] {
            assert_eq!(objects.iter().filter(|object| object["type"] == kind).count(), 1, "{kind}");
        }
        assert_eq!(objects[0]["attributes"]["title"], "shop-*");
    }

    #[test]
    fn every_field_that_is_used_is_in_the_template() {
        let options = Options::for_index("sluice-<dataset>").expect("a pattern");
        let mut fields: Vec<String> = SEARCH_COLUMNS.map(str::to_owned).into();
        for line in saved_objects(&options).lines() {
            let object: Value = serde_json::from_str(line).expect("a line of JSON");
            texts_under("field", &object, &mut fields);
            texts_under("timeFieldName", &object, &mut fields);
        }
        assert!(fields.len() > CHARTS.len() + SEARCH_COLUMNS.len());
        for field in fields {
            assert!(FIELDS.iter().any(|(path, _)| *path == field), "{field} has no mapping");
        }
    }

    #[test]
    fn panels_do_not_overlap() {
        let mut place = Place::default();
        let mut taken = HashSet::new();
        for chart in &CHARTS {
            let [x, y] = place.of(chart.size);
            assert!(x + chart.size[0] <= GRID_COLUMNS, "{}", chart.id);
            for cell in (x..x + chart.size[0]).flat_map(|x| (y..y + chart.size[1]).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{} lies on another", chart.id);
            }
        }
    }
}
