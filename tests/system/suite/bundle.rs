//! `sluice debug bundle`: what is in it, and that no secret is.

use crate::harness::scene::Scene;
use crate::harness::{ports, sluice};
use anyhow::{Context, ensure};
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

/// Everything that must not be found, as the config and the log have it.
const SECRETS: [&str; 7] =
    ["agent-s3cret", "store-s3cret", "worker-s3cret", "url-s3cret", "es-s3cret", "token-s3cret", "file-s3cret"];

pub fn has_no_secret(scene: &Scene) -> anyhow::Result<()> {
    scene.file("key", "file-s3cret\n");
    let log = format!("login refused: {}\nurl http://u:url-s3cret@h/\n", SECRETS.join(" "));
    scene.file("sluice.log", log.replace("store-s3cret", "password=store-s3cret").replace(" url-s3cret ", " "));
    let address = ports::free_address();
    scene.file(
        "sluice.yaml",
        format!(
            "agent: {{sasl: {{user: a, password: agent-s3cret}}, inputs: [{{paths: [/srv/logs/x.log]}}]}}\n\
             broker: {{status_listen: \"{address}\"}}\n\
             worker:\n  sasl: {{user: w, password: worker-s3cret}}\n  elasticsearch: {{urls: [\"http://u:url-s3cret@h:9200\"], \
             username: u, password: es-s3cret, api_key_file: key, bearer_token: \"${{SLUICE_TEST_TOKEN}}\"}}\n"
        ),
    );
    let broker = sluice::command(["broker", "--data", "data", "--listen", &ports::free_address()]);
    let mut broker = scene.start("broker", broker);
    broker.wait_for_stderr("health", sluice::START)?;
    let mut command = sluice::command(["debug", "bundle", "--output", "bundle.tar.gz", "--log", "sluice.log"]);
    let output = command.env("SLUICE_TEST_TOKEN", "token-s3cret").current_dir(scene.folder()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = scene.path("bundle.tar.gz");
    ensure!(fs::metadata(&path)?.permissions().mode() & 0o077 == 0, "others may read it");

    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(GzDecoder::new(File::open(&path)?)).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text)?;
        files.insert(name, text);
    }
    for (name, text) in &files {
        for secret in SECRETS {
            ensure!(!text.contains(secret), "{secret} in {name}:\n{text}");
        }
    }
    let text = |name: &str| files.get(&format!("sluice-debug/{name}")).with_context(|| format!("{name} in {files:#?}"));
    ensure!(text("versions.txt")?.starts_with("sluice "), "{files:#?}");
    ensure!(text("config.json")?.contains("/srv/logs/x.log"), "{files:#?}");
    ensure!(text("logs/sluice.log")?.contains("login refused"), "{files:#?}");
    let port = address.rsplit(':').next().unwrap_or_default();
    ensure!(text(&format!("status/{port}/metrics.txt"))?.contains("sluice_broker_"), "{files:#?}");
    ensure!(text(&format!("status/{port}/health.json"))?.contains("status"), "{files:#?}");

    // Nothing is written over.
    let again =
        sluice::command(["debug", "bundle", "--output", "bundle.tar.gz"]).current_dir(scene.folder()).output()?;
    let told = String::from_utf8_lossy(&again.stderr);
    ensure!(again.status.code() == Some(2) && told.contains("hint: name a new file"), "{told}");
    Ok(())
}
