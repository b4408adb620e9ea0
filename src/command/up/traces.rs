//! Stack traces of files that were only named: they stay with the line above them, as a `multiline` in the config would have it.

use agent::format::{Multiline, Preset, Rule};
use agent::{Config, Input, Kind};
use std::time::SystemTime;

/// How long the end of a file waits for more of a trace: shorter than where somebody configures it, since here a person
/// looks on.
const TIMEOUT_MILLIS: u64 = 1000;

/// Gives each file whose lines are those of a language with stack traces an input of its own, before the others. Files
/// that appear later are read line by line.
pub fn keep_together(config: &mut Config) {
    // What stands in the way of the plan stands in the way of the agent, which says so.
    let Ok(plan) = agent::plan(config, SystemTime::now()) else { return };
    let of = |dataset: &str| match dataset {
        "java" => Some(Preset::Java),
        "python" => Some(Preset::Python),
        "go" => Some(Preset::Go),
        _ => None,
    };
    let mut inputs = Vec::new();
    for file in plan.files {
        let preset = file.dataset.as_deref().and_then(of);
        let path = file.path.to_str().filter(|path| !path.contains(['*', '?', '[', '{', '\\']));
        if let (Some(preset), Some(path), Some(Kind::Plain)) = (preset, path, file.kind) {
            let multiline = Multiline { rule: Rule::Preset(preset), timeout_millis: TIMEOUT_MILLIS };
            let mut input = Input { paths: vec![path.to_owned()], ..Input::default() };
            input.format.multiline = Some(multiline);
            inputs.push(input);
        }
    }
    inputs.append(&mut config.inputs);
    config.inputs = inputs;
}
