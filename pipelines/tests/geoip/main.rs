//! `geoip` with databases: small ones in MaxMind's format, made here.

mod mmdb;

use std::collections::BTreeMap;

use mmdb::database;
use pipelines::document::{Document, Origin};
use pipelines::pipeline::{Context, Outcome, Pipeline, Settings};
use serde_json::{Value, json};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let city = json!({
        "city": {"names": {"en": "Berlin", "de": "Berlin"}},
        "continent": {"code": "EU", "names": {"en": "Europe"}},
        "country": {"iso_code": "DE", "is_in_european_union": true, "names": {"en": "Germany"}},
        "location": {"latitude": 52.52, "longitude": 13.405, "time_zone": "Europe/Berlin", "accuracy_radius": 10},
        "subdivisions": [{"iso_code": "BE", "names": {"en": "State of Berlin"}}],
    });
    let country_only = json!({"country": {"iso_code": "NO", "names": {"en": "Norway"}}});
    let cities = [("192.0.2.0", 24, 0), ("2001:db8::", 32, 1)];
    std::fs::write(folder.path().join("GeoLite2-City.mmdb"), database("GeoLite2-City", &cities, &[city, country_only]))
        .unwrap();
    let network = json!({"autonomous_system_number": 64500, "autonomous_system_organization": "Example Net"});

    std::fs::write(
        folder.path().join("GeoLite2-ASN.mmdb"),
        database("GeoLite2-ASN", &[("192.0.2.0", 25, 0)], &[network]),
    )
    .unwrap();
    folder
}

fn run(pipeline: &Pipeline, line: &str) -> Value {
    let mut document = Document::from_line(line.as_bytes(), &Origin::default());
    let context = Context::at(0, "2026-03-01T00:30:00Z".parse().unwrap());
    assert_eq!(pipeline.run(&mut document, &context), Outcome::Done, "{line}");
    let mut out = Vec::new();
    document.write_json(&mut out);
    serde_json::from_slice(&out).unwrap()
}

fn line(address: &str) -> String {
    format!(r#"{address} - - [28/Feb/2026:23:59:59 +0000] "GET / HTTP/1.1" 200 1 "-" "curl/8.5.0""#)
}

#[test]
fn an_access_line_says_where_it_came_from() {
    let folder = folder();
    let settings = Settings { geoip_folder: folder.path().to_owned(), ..Settings::default() };
    for (name, kind) in [("nginx-access-geoip", "nginx.access"), ("apache-access-geoip", "apache.access")] {
        let pipeline = Pipeline::load_with(name, &settings).unwrap();
        let got = run(&pipeline, &line("192.0.2.7"));
        let want = json!({
            "continent_name": "Europe", "country_name": "Germany", "country_iso_code": "DE", "region_iso_code": "DE-BE",
            "region_name": "State of Berlin", "city_name": "Berlin", "location": {"lat": 52.52, "lon": 13.405},
        });
        assert_eq!(got["source"]["geo"], want);
        assert_eq!(got["source"]["as"], json!({"number": 64500, "organization": {"name": "Example Net"}}));
        assert_eq!(got["user_agent"]["name"], "curl");
        assert_eq!(got["event"]["dataset"], kind);
        assert!(got.get("tags").is_none(), "{got:#}");

        let got = run(&pipeline, &line("2001:db8::7"));
        assert_eq!(got["source"]["geo"], json!({"country_name": "Norway", "country_iso_code": "NO"}));
        assert!(got["source"].get("as").is_none(), "{got:#}");
        let got = run(&pipeline, &line("203.0.113.9"));
        assert!(got["source"].get("geo").is_none() && got.get("tags").is_none(), "{got:#}");
        let got = run(&pipeline, "no access line");
        assert_eq!(got["message"], "no access line");
    }
}

#[test]
fn properties_are_those_of_the_kind_of_database() {
    let folder = folder();
    let settings = Settings { geoip_folder: folder.path().to_owned(), ..Settings::default() };
    let pipeline = |options: Value| {
        let text = json!({"processors": [{"geoip": options}]}).to_string();
        let none = pipelines_that_are_not_there();
        Pipeline::parse_with("p.json", &text, &settings, &none)
    };
    let all = pipeline(
        json!({"field": "message", "properties": ["timezone", "accuracy_radius", "CONTINENT_CODE", "country_in_european_union"]}),
    );
    let want = json!({"timezone": "Europe/Berlin", "accuracy_radius": 10, "continent_code": "EU", "country_in_european_union": true});
    assert_eq!(run(&all.unwrap(), "192.0.2.255")["geoip"], want);
    let network = pipeline(json!({"field": "message", "database_file": "GeoLite2-ASN.mmdb"})).unwrap();
    let want = json!({"ip": "192.0.2.7", "asn": 64500, "organization_name": "Example Net", "network": "192.0.2.0/25"});
    assert_eq!(run(&network, "192.0.2.7")["geoip"], want);
    assert!(run(&network, "192.0.2.200").get("geoip").is_none());
    let refused = pipeline(json!({"field": "message", "properties": ["asn"]})).unwrap_err().to_string();
    assert!(refused.contains("asn"), "{refused}");
}

#[test]
fn a_damaged_database_is_refused_or_fails_but_never_panics() {
    let folder = folder();
    let whole = std::fs::read(folder.path().join("GeoLite2-City.mmdb")).unwrap();
    let settings = Settings { geoip_folder: folder.path().to_owned(), ..Settings::default() };
    let seed = fastrand::u64(..);
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..300 {
        let mut bytes = whole.clone();
        match round % 2 {
            0 => bytes.truncate(random.usize(..bytes.len())),
            _ => (0..3).for_each(|_| {
                let place = random.usize(..bytes.len());
                bytes[place] = random.u8(..);
            }),
        }
        std::fs::write(folder.path().join("GeoLite2-City.mmdb"), &bytes).unwrap();
        let text = json!({"processors": [{"geoip": {"field": "message", "ignore_failure": true}}]}).to_string();
        if let Ok(pipeline) = Pipeline::parse_with("p.json", &text, &settings, &pipelines_that_are_not_there()) {
            for address in ["192.0.2.7", "2001:db8::7", "::", "255.255.255.255"] {
                run(&pipeline, address);
            }
        }
    }
}

fn pipelines_that_are_not_there() -> impl pipelines::pipeline::Resolve {
    struct None(BTreeMap<String, String>);
    impl pipelines::pipeline::Resolve for None {
        fn resolve(&self, id: &str) -> Result<Option<(String, String)>, pipelines::pipeline::LoadError> {
            Ok(self.0.get(id).map(|text| (id.to_owned(), text.clone())))
        }

        fn all(&self) -> Vec<String> {
            Vec::new()
        }
    }
    None(BTreeMap::new())
}
