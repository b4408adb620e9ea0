//! The Debian package: built, installed in a copy of this machine, started as its units say, used, removed and purged.

use crate::harness::scene::Scene;
use crate::harness::sluice;
use crate::real;
use anyhow::{Context, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

pub fn installed_used_removed(scene: &Scene) -> anyhow::Result<()> {
    need_parts()?;
    real::need(
        "overlays in namespaces, which root may make",
        Command::new("unshare").args(["--mount", "--net", "true"]),
    )?;
    // Symbols of a debug build are ten times its code.
    let binary = scene.path("sluice");
    run(Command::new("strip").arg("-o").arg(&binary).arg(sluice::binary()))?;
    let package = run(Command::new(script("packaging/deb")).arg(&binary).arg(scene.path("packages")))?;
    let contents = run(Command::new("dpkg-deb").arg("--contents").arg(package.trim()))?;
    for (path, mode) in [
        ("./usr/bin/sluice", "-rwxr-xr-x root/root"),
        ("./etc/sluice/sluice.yaml", "-rw-r----- root/root"),
        ("./usr/lib/systemd/system/sluice-agent.service", "-rw-r--r-- root/root"),
        ("./usr/share/doc/sluice/copyright", "-rw-r--r-- root/root"),
    ] {
        let line =
            contents.lines().find(|line| line.ends_with(path)).with_context(|| format!("{path} in {contents}"))?;
        ensure!(line.starts_with(mode), "want {mode}: {line}");
    }
    let copy = scene.path("copy");
    std::fs::create_dir(&copy)?;
    let said = run(Command::new(script("tests/real/installed")).arg(&copy).arg(package.trim()))?;
    ensure!(said.ends_with("installed, used, removed\n"), "{said}");
    Ok(())
}

/// systemd finds no fault in the units, and nothing in them is left open that can be closed.
pub fn units_are_hardened(_: &Scene) -> anyhow::Result<()> {
    real::need("systemd 250 or later", Command::new("systemd-analyze").args(["security", "--help"]))?;
    for part in ["agent", "broker", "worker"] {
        let unit = script(&format!("packaging/systemd/sluice-{part}.service"));
        let exposure =
            run(Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=20"]).arg(&unit))?;
        ensure!(exposure.contains("Overall exposure level"), "{exposure}");
        let said = Command::new("systemd-analyze").arg("verify").arg(&unit).output()?;
        let faults: Vec<String> = String::from_utf8_lossy(&said.stderr)
            .lines()
            .filter(|line| line.contains(&format!("sluice-{part}.service")) && !line.contains("is not executable"))
            .map(str::to_owned)
            .collect();
        ensure!(faults.is_empty(), "{faults:?}");
    }
    Ok(())
}

/// Every command of the compose file is one of ours, every volume is declared, and Dockerfile and compose file name the same things.
pub fn compose_file_is_sound(_: &Scene) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(script("packaging/docker/compose.yaml"))?;
    let compose: Value = serde_saphyr::from_str(&text).context("compose.yaml is YAML")?;
    let services = compose["services"].as_object().context("there are services")?;
    let volumes = compose["volumes"].as_object().context("there are volumes")?;
    let mut commands = 0;
    for (name, service) in services {
        for volume in service["volumes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let source = volume.split(':').next().unwrap_or_default();
            ensure!(source.starts_with('/') || volumes.contains_key(source), "{name}: volume {source} is not declared");
        }
        for needed in needs(&service["depends_on"]) {
            ensure!(services.contains_key(needed), "{name} depends on {needed}, which is not there");
        }
        if service["image"] != "sluice" {
            continue;
        }
        let words = service["command"].as_array().with_context(|| format!("{name} has a command"))?;
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        // Help comes last: a flag before it that is not known is an error.
        run(sluice::command(&words).arg("--help")).with_context(|| format!("the command of {name}"))?;
        let wrong = sluice::command(&words).args(["--no-such-flag", "--help"]).output()?;
        ensure!(!wrong.status.success(), "a wrong flag would be seen");
        commands += 1;
    }
    ensure!(commands == 4, "setup, broker, agent and worker have commands of ours: {commands}");

    let dockerfile = std::fs::read_to_string(script("packaging/docker/Dockerfile"))?.replace("\\\n", " ");
    let instructions: Vec<(&str, &str)> = dockerfile
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .collect();
    for (instruction, arguments) in &instructions {
        let known = ["FROM", "RUN", "WORKDIR", "COPY", "USER", "VOLUME", "EXPOSE", "ENTRYPOINT", "CMD"];
        ensure!(known.contains(instruction), "{instruction} is no instruction");
        if let Some(stage) = arguments.strip_prefix("--from=").and_then(|rest| rest.split(' ').next()) {
            ensure!(instructions.contains(&("FROM", format!("rust:1-alpine AS {stage}").as_str())), "no stage {stage}");
        }
        if ["ENTRYPOINT", "CMD"].contains(instruction) {
            serde_json::from_str::<Vec<String>>(arguments).with_context(|| format!("{instruction} {arguments}"))?;
        }
    }
    Ok(())
}

/// The services that one waits for, in either form.
fn needs(depends_on: &Value) -> Vec<&str> {
    let names = depends_on.as_array().into_iter().flatten().filter_map(Value::as_str);
    names.chain(depends_on.as_object().into_iter().flatten().map(|(name, _)| name.as_str())).collect()
}

fn need_parts() -> anyhow::Result<()> {
    for tool in ["dpkg-deb", "strip", "unshare", "setpriv", "ip", "ss", "curl", "useradd"] {
        real::need(tool, Command::new("sh").args(["-c", &format!("command -v {tool}")]))?;
    }
    Ok(())
}

fn script(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Standard output of a command that succeeds.
fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}
