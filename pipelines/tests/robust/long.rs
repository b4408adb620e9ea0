//! Lines of a mebibyte through every processor that reads text.

use serde_json::{Value, json};

use super::{of_one, run};

const LINE_BYTES: usize = 1 << 20;

const PIECES: &[&str] = &["a ", "k=v,", "{\"a\":[", "1.1.1.1 - - [", "%20\"é\\"];

fn processors() -> Vec<Value> {
    let on = |name: &str, more: Value| {
        let mut options = json!({"field": "message"});
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({name: options})
    };
    let set = |condition: &str| json!({"set": {"field": "a", "value": 1, "if": condition}});
    vec![
        on("grok", json!({"patterns": ["%{COMBINEDAPACHELOG}", "^%{IP:a} %{DATA:b} %{QS:c}", "%{NOTSPACE:a}$"]})),
        on("grok", json!({"patterns": ["^%{GREEDYDATA:a} %{GREEDYDATA:b}x$"]})),
        // Begins at every fourth byte of a row of addresses, and needs what never comes.
        on("grok", json!({"patterns": ["%{IP:a} %{DATA:b} %{QS:c}"]})),
        on("dissect", json!({"pattern": "%{a} %{b->} %{+b}"})),
        on("dissect", json!({"pattern": "%{*k}=%{&k} %{rest}"})),
        on("kv", json!({"field_split": " ", "value_split": "="})),
        on("kv", json!({"field_split": " (?=[a-z]+=)", "value_split": "=", "strip_brackets": true})),
        on("csv", json!({"target_fields": ["a", "b", "c"]})),
        on("json", json!({"target_field": "j"})),
        on("gsub", json!({"pattern": "[a-z]+", "replacement": "$0$0"})),
        on("gsub", json!({"pattern": "(?<=a) ", "replacement": "-"})),
        on("split", json!({"separator": "\\s*,\\s*"})),
        on("uri_parts", json!({})),
        on("urldecode", json!({})),
        on("user_agent", json!({})),
        on("html_strip", json!({})),
        on("redact", json!({"patterns": ["%{IP:ip}", "%{EMAILADDRESS:mail}"]})),
        on("registered_domain", json!({"target_field": "d"})),
        on("date", json!({"formats": ["ISO8601", "yyyy-MM-dd HH:mm:ss", "UNIX", "dd/MMM/yyyy:HH:mm:ss Z"]})),
        on("date_index_name", json!({"date_rounding": "d"})),
        on("convert", json!({"type": "auto"})),
        on("convert", json!({"type": "double"})),
        on("convert", json!({"type": "ip"})),
        on("bytes", json!({})),
        on("trim", json!({})),
        on("lowercase", json!({})),
        on("uppercase", json!({})),
        json!({"fingerprint": {"fields": ["message"]}}),
        json!({"network_direction": {"source_ip": "message", "destination_ip": "message", "internal_networks": ["private"]}}),
        json!({"set": {"field": "a", "value": "{{message}}{{{message}}}"}}),
        json!({"append": {"field": "message", "value": ["{{message}}"]}}),
        set("ctx.message.contains('zz') || ctx.message.toLowerCase().endsWith('q')"),
        set("ctx.message =~ /a.*b.*c$/"),
        set("ctx.message ==~ /(?:a|a )*x/"),
    ]
}

#[test]
fn a_line_of_a_mebibyte_goes_through_every_processor() {
    for processor in processors() {
        let pipeline = of_one(&processor).unwrap_or_else(|| panic!("refused: {processor}"));
        for piece in PIECES {
            run(&pipeline, &piece.repeat(LINE_BYTES / piece.len()), &processor.to_string());
        }
    }
}

#[test]
fn a_line_of_a_mebibyte_is_a_line_to_every_ready_made_pipeline() {
    for name in pipelines::library::names() {
        let pipeline = pipelines::pipeline::Pipeline::load(name).unwrap();
        for piece in PIECES {
            run(&pipeline, &piece.repeat(LINE_BYTES / piece.len()), name);
        }
    }
}
