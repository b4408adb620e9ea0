//! Whether the agent's globs lead to something readable, and directories can be written and have room.

use super::Probe;
use crate::command::agent::{self, AgentFlags, CHECKPOINTS_DEFAULT};
use crate::command::broker::DATA_DEFAULT;
use crate::config::{ConfigFile, OutputSection};
use crate::files::size;
use ::agent::{Kind, Start};
use rustix::fs::{Access, access, statvfs};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Less is used up within minutes when a broker is away.
const FREE_BYTES_LEAST: u64 = 1 << 30;
/// Names of files that are shown where many are meant.
const NAMES_SHOWN: usize = 3;

pub fn all(config: &ConfigFile) -> Vec<Probe> {
    let mut probes = Vec::new();
    if !config.agent.inputs.is_empty() {
        inputs(config, &mut probes);
        let checkpoints = config.agent.checkpoints.clone().unwrap_or_else(|| CHECKPOINTS_DEFAULT.into());
        probes.push(directory("agent.checkpoints", &checkpoints));
    }
    let data = config.broker.data.clone().unwrap_or_else(|| DATA_DEFAULT.into());
    probes.push(directory("broker.data", &data));
    if let Some(OutputSection::File(file)) = &config.worker.output {
        let folder = file.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        probes.push(directory("worker.output.file", folder.unwrap_or(Path::new("."))));
    }
    probes
}

fn inputs(config: &ConfigFile, probes: &mut Vec<Probe>) {
    for (at, input) in config.agent.inputs.iter().enumerate() {
        if input.paths.is_empty() {
            continue;
        }
        let mut section = config.agent.clone();
        section.inputs = vec![input.clone()];
        // Who may connect is asked elsewhere.
        (section.broker_tls, section.sasl) = (None, None);
        let what = format!("agent.inputs.{at} {}", input.paths.join(", "));
        let planned = agent::checked(&section, config.host_name.clone(), AgentFlags::default())
            .map_err(|failure| (failure.to_string(), failure.hint().to_owned()))
            .and_then(|config| {
                ::agent::plan(&config, SystemTime::now()).map_err(|error| {
                    let hint = "the user of this check has to be the agent's to read its checkpoints".to_owned();
                    (format!("{:#}", anyhow::Error::new(error)), hint)
                })
            });
        match planned {
            Err((says, hint)) => probes.push(Probe::error(what, says, hint)),
            Ok(plan) => probes.push(of_plan(what, &plan)),
        }
    }
}

fn of_plan(what: String, plan: &::agent::Plan) -> Probe {
    let is_file = |path: &Path| path.is_file();
    let closed: Vec<String> = plan
        .files
        .iter()
        .filter(|file| is_file(&file.path))
        .filter_map(|file| File::open(&file.path).err().map(|error| format!("{}: {error}", file.path.display())))
        .collect();
    let read = plan.files.iter().filter(|file| !matches!(file.start, Start::Never { .. }));
    let read = read.filter(|file| matches!(file.kind, Some(Kind::Plain | Kind::Gzip))).count();
    if !closed.is_empty() {
        let shown = closed.iter().take(NAMES_SHOWN).cloned().collect::<Vec<_>>().join("; ");
        let says = format!("{} of {} files cannot be read: {shown}", closed.len(), plan.files.len());
        let hint = "let the agent's user read them: its group (adm on Debian), or `setfacl -m u:sluice:r FILE`";
        return Probe::error(what, says, hint);
    }
    if read == 0 {
        let never = plan.files.iter().find_map(|file| match &file.start {
            Start::Never { why } => Some(format!(": {}: {why}", file.path.display())),
            _ => None,
        });
        let says = format!("no file would be read{}", never.unwrap_or_default());
        return Probe::warning(what, says, agent::NO_MATCH_HINT);
    }
    Probe::ok(what, format!("{read} files"))
}

/// Whether `path`, or the directory in which it would be made, can be written, and has room.
fn directory(key: &str, path: &Path) -> Probe {
    let what = format!("{key} {}", path.display());
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing: PathBuf = absolute.ancestors().find(|at| at.exists()).map_or_else(|| "/".into(), Path::to_owned);
    if !existing.is_dir() {
        return Probe::error(what, format!("{} is no directory", existing.display()), "name another directory");
    }
    if let Err(error) = access(&existing, Access::WRITE_OK | Access::EXEC_OK) {
        let says = format!("{} cannot be written: {error}", existing.display());
        return Probe::error(what, says, "let the user of this part own it, or name another directory");
    }
    let made = if existing == absolute { "can be written" } else { "would be made" };
    let Ok(room) = statvfs(&existing) else { return Probe::ok(what, made) };
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    let says = format!("{made}, {} free", size(free));
    match free >= FREE_BYTES_LEAST {
        true => Probe::ok(what, says),
        false => Probe::warning(what, says, "make room there, or name another directory"),
    }
}
