//! What a pipeline file is refused for: the exact messages, and what is not refused.

use pipelines::document::{Document, Value};
use pipelines::pipeline::{Context, Outcome, Pipeline};

fn check(text: &str, expect: &str) {
    let error = Pipeline::parse("p.yml", text).err().unwrap_or_else(|| panic!("{text:?} was taken"));
    assert_eq!(error.to_string(), expect, "{text}");
}

/// Runs a pipeline over an empty document and gives the field `a`.
fn field_a(text: &str) -> Value {
    let pipeline = Pipeline::parse("p.yml", text).unwrap_or_else(|error| panic!("{error}"));
    let mut document = Document::new();
    let context = Context::at(0, "2026-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(pipeline.run(&mut document, &context), Outcome::Done);
    document.get("a").cloned().unwrap_or(Value::Null)
}

#[test]
fn unknown_names_are_refused_with_a_hint() {
    check(
        "processors:\n  - set:\n      field: a\n      valu: 1\n",
        "p.yml:2: required option \"value\" or \"copy_from\" of set is missing",
    );
    check(
        "processors:\n  - set:\n      field: a\n      value: 1\n      overide: false\n",
        "p.yml:5: unknown option \"overide\" in set\nhint: did you mean \"override\"?",
    );
    check(
        "processors:\n  - groc: {field: a, patterns: [x]}\n",
        "p.yml:2: unknown processor \"groc\"\nhint: did you mean \"grok\"?",
    );
    check("processors:\n  - enrich_everything: {}\n", "p.yml:2: unknown processor \"enrich_everything\"");
    check(
        "description: x\nprocesors: []\n",
        "p.yml:2: unknown option \"procesors\" in pipeline\nhint: did you mean \"processors\"?",
    );
    check("description: x\n", "p.yml:1: a pipeline must have \"processors\"");
    check(
        "processors:\n  - grok:\n      field: a\n      patterns:\n        - '%{NUMBR:n}'\n",
        "p.yml:5: option \"patterns\" of grok: pattern \"%{NUMBR:n}\": unable to find pattern [NUMBR] in Grok's \
         pattern dictionary\nhint: did you mean \"NUMBER\"?",
    );
}

#[test]
fn what_is_not_supported_is_refused() {
    check(
        "processors:\n  - set:\n      if: |\n        def x = ctx.a;\n        return x == 1\n      field: a\n      value: 1\n",
        "p.yml:4: option \"if\" of set: statements such as \"def\" are not supported in conditions at \"def x = ctx.a;\\nreturn x \"",
    );
    check(
        "processors:\n  - set:\n      if: ctx.a.foo()\n      field: a\n      value: 1\n",
        "p.yml:3: option \"if\" of set: method \"foo\" is not supported in conditions at \"foo\"",
    );
    check(
        "processors:\n- set: {field: a, value: 1}\n- script: {source: 'ctx.a = 1'}\n",
        "p.yml:3: processor \"script\" is not supported yet: conditions are, statements are not",
    );
    check(
        "processors:\n- enrich: {policy_name: x}\n",
        "p.yml:2: processor \"enrich\" is not supported: there are no indices to enrich from",
    );
    check(
        "processors:\n- set: {field: a, value: 1}\n- pipeline:\n    name: other\n",
        "p.yml:4: pipeline \"other\", which is called here, does not exist",
    );
    check(
        "processors:\n- date: {field: a, formats: [ISO8601], locale: fr-FR}\n",
        "p.yml:2: option \"locale\" of date: got \"fr-FR\"; only English names of months and days are known",
    );
}

#[test]
fn wrong_types_are_refused() {
    check("- a\n", "p.yml:1: options of pipeline must be an object; got a list");
    check("processors: {}\n", "p.yml:1: \"processors\" must be a list of processors; got an object");
    check("processors:\n- x\n", "p.yml:2: a processor must be an object such as {\"set\": {..}}; got a string");
    check("processors:\n- {}\n", "p.yml:2: a processor must have exactly one name; got 0");
    check(
        "processors:\n- remove: {field: 7}\n",
        "p.yml:2: option \"field\" of remove must be a string or a list of strings; got an integer",
    );
    check(
        "processors:\n- rename:\n    field: a\n    target_field: b\n    ignore_missing: 'yes'\n",
        "p.yml:5: option \"ignore_missing\" of rename must be true or false; got a string",
    );
    check("processors:\n- json: {field: ''}\n", "p.yml:2: option \"field\" of json: path cannot be null nor empty");
    check("processors:\n- drop: {on_failure: []}\n", "p.yml:2: option \"on_failure\" of drop is an empty list");
    check("processors: []\non_failure: []\n", "p.yml:2: option \"on_failure\" of pipeline is an empty list");
    check(
        "processors:\n- date: {field: a, formats: [yyyyTHH]}\n",
        "p.yml:2: option \"formats\" of date: unknown pattern letter 'T' in \"yyyyTHH\"",
    );
    check(
        "processors:\n- date: {field: a, formats: [ISO8601], timezone: Mars/Olympus}\n",
        "p.yml:2: option \"timezone\" of date: unknown zone \"Mars/Olympus\"",
    );
    check(
        "processors:\n- json: {field: a, add_to_root: true, add_to_root_conflict_strategy: merg}\n",
        "p.yml:2: option \"add_to_root_conflict_strategy\" of json: got \"merg\"; want replace or merge\n\
         hint: did you mean \"merge\"?",
    );
}

#[test]
fn a_name_that_is_no_pipeline_says_which_there_are() {
    let text = |name| Pipeline::load(name).err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(
        text("nginx-acces"),
        "nginx-acces: no such pipeline, and no file of that name\nhint: did you mean \"nginx-access\"?"
    );
    let names: Vec<&str> = pipelines::library::names().collect();
    assert_eq!(
        text("q"),
        format!("q: no such pipeline, and no file of that name\nhint: ready-made pipelines are {}", names.join(", "))
    );
    assert!(text("./no/such/file.yml").starts_with("./no/such/file.yml: cannot read pipeline: "));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    assert_eq!(text(&path), format!("{path}: is a directory; want a pipeline file"));
    let file = folder.path().join("p.yml");
    std::fs::write(&file, b"processors: []\n# \xff").unwrap();
    let path = file.to_str().unwrap();
    assert_eq!(text(path), format!("{path}: is not UTF-8 text"));
    std::fs::write(&file, "---\nprocessors: []\n").unwrap();
    assert_eq!(Pipeline::load(path).unwrap().name(), path);
}

#[test]
fn yaml_is_read_as_version_1_2() {
    let set = |value: &str| field_a(&format!("---\nprocessors:\n  - set:\n      field: a\n      value: {value}\n"));
    for text in ["ON", "No", "yes", "off", "=", "n", "0x", "1_000", "12:30", "2024-01-01", "~x", "'1'"] {
        assert_eq!(set(text), Value::from(text.trim_matches('\'')), "{text}");
    }
    assert_eq!(set("true"), Value::Bool(true));
    assert_eq!(set("12"), Value::Integer(12));
    assert_eq!(set("1.5"), Value::Double(1.5));
    assert_eq!(set("18446744073709551615"), Value::from(u64::MAX));
    let Value::Map(map) = set("{ON: 1, No: 2, =: 3}") else { panic!("no map") };
    assert_eq!(map.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["ON", "No", "="]);
}

#[test]
fn json_is_read_too() {
    let text = "{\n\t\"description\": \"tabs \\u00fc \\/\",\n\t\"processors\": [\n\t\t{\"set\": {\"field\": \"a\", \"value\": \"\\ud83d\\ude00\\n\"}}\n\t]\n}\n";
    assert_eq!(field_a(text), Value::from("😀\n"));
    check(
        "{\n  \"processors\": [\n    {\"set\": {\"field\": \"a\", \"values\": 1}}\n  ]\n}",
        "p.yml:3: required option \"value\" or \"copy_from\" of set is missing",
    );
}

#[test]
fn what_is_no_yaml_is_refused_with_its_line() {
    for text in ["processors: [", "processors:\n  - set: {field: a\n", "\u{0}", "a: &a [*a]", "a: b: c"] {
        let error = Pipeline::parse("p.yml", text).err().unwrap_or_else(|| panic!("{text:?} was taken"));
        assert!(error.reason.starts_with("not YAML or JSON: "), "{text:?}: {error}");
        assert!(error.line > 0, "{text:?}: {error}");
    }
    let deep = format!("processors: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Pipeline::parse("p.yml", &deep).is_err());
    let mut nested = "{drop: {}}".to_owned();
    for _ in 0..40 {
        nested = format!("{{fail: {{message: x, on_failure: [{nested}]}}}}");
    }
    let error = Pipeline::parse("p.yml", &format!("processors: [{nested}]")).unwrap_err();
    assert_eq!(error.reason, "\"on_failure\" is nested deeper than 32");
}
