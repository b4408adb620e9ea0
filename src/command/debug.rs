//! `sluice debug bundle`: an archive for a report of a problem.

mod scrub;

use super::agent::status;
use super::bar::Bar;
use super::status_port;
use crate::cli::{BundleArgs, DebugCommand};
use crate::config::ConfigFile;
use crate::failure::Failure;
use crate::followed::FollowedFiles;
use crate::screen::Screen;
use anyhow::Context;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use scrub::Scrub;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// A status port answers within milliseconds.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Bytes from the end of each log: some hours of a program that says little.
const LOG_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What each status port is asked for.
const QUESTIONS: [&str; 4] = ["metrics", "health", "files", "partitions"];

pub async fn run(command: DebugCommand, config: &ConfigFile, screen: &Screen) -> anyhow::Result<ExitCode> {
    let DebugCommand::Bundle(args) = command;
    let now = Timestamp::now();
    let output =
        args.output.clone().unwrap_or_else(|| format!("sluice-debug-{}.tar.gz", now.strftime("%Y%m%dT%H%M%SZ")).into());
    let mut options = OpenOptions::new();
    // Names of hosts and files are nobody else's business, and nothing is written over.
    let file = options.write(true).create_new(true).mode(0o600).open(&output).map_err(|error| {
        Failure::new(format!("write {}: {error}", output.display()), "name a new file with --output FILE")
    })?;
    let scrub = Scrub::new(config);
    let mut bundle = Bundle { archive: tar::Builder::new(GzEncoder::new(file, Compression::default())), scrub, now };
    bundle.fill(&args, config, screen).await.with_context(|| format!("write {}", output.display()))?;
    let written = bundle.archive.into_inner().and_then(GzEncoder::finish).and_then(|file| file.sync_all());
    written.with_context(|| format!("write {}", output.display()))?;
    println!("{}", output.display());
    eprintln!(
        "secrets were taken out; look through it before you give it to others: names of hosts and files are in it"
    );
    Ok(ExitCode::SUCCESS)
}

struct Bundle {
    archive: tar::Builder<GzEncoder<File>>,
    scrub: Scrub,
    now: Timestamp,
}

impl Bundle {
    async fn fill(&mut self, args: &BundleArgs, config: &ConfigFile, screen: &Screen) -> io::Result<()> {
        self.put("versions.txt", &versions())?;
        let written = serde_json::to_string_pretty(&self.scrub.config(config)).unwrap_or_default();
        self.put("config.json", &written)?;
        let mut has_files = false;
        let ports = super::top::ports(&args.status, config);
        let mut bar = Bar::new(screen);
        for (done, address) in (0..).zip(&ports) {
            bar.show(done, ports.len() as u64, || format!("asking {address}"));
            has_files |= self.port(*address).await?;
        }
        bar.end();
        if !has_files {
            self.checkpoints(args, config)?;
        }
        for path in &args.log {
            let name = path.file_name().map_or_else(|| "log".into(), |name| name.to_string_lossy());
            let text = end_of(path).unwrap_or_else(|error| format!("cannot be read: {error}\n"));
            self.put(&format!("logs/{name}"), &text)?;
        }
        Ok(())
    }

    /// What a part says; whether it told of files.
    async fn port(&mut self, address: SocketAddr) -> io::Result<bool> {
        let mut has_files = false;
        for question in QUESTIONS {
            let path = format!("/{question}");
            let answer = tokio::time::timeout(ANSWER_MAX, status_port::get(address, &path)).await;
            let text = match answer {
                Ok(Ok((404, _))) => continue,
                Ok(Ok((_, body))) => {
                    has_files |= question == "files";
                    body
                }
                Ok(Err(error)) => {
                    // Nobody listens there.
                    return self
                        .put(&format!("status/{}/absent.txt", address.port()), &format!("{error:#}\n"))
                        .map(|()| false);
                }
                Err(_) => "no answer\n".to_owned(),
            };
            let ending = if question == "metrics" { "txt" } else { "json" };
            self.put(&format!("status/{}/{question}.{ending}", address.port()), &text)?;
        }
        Ok(has_files)
    }

    /// The states of files as they stand on disk.
    fn checkpoints(&mut self, args: &BundleArgs, config: &ConfigFile) -> io::Result<()> {
        let folder = status::checkpoints(args.checkpoints.clone(), config);
        if !folder.is_dir() {
            return Ok(());
        }
        let text = match agent::checkpointed(&folder) {
            Ok(files) => serde_json::to_string_pretty(&FollowedFiles::of(&files)).unwrap_or_default(),
            Err(error) => format!("{}: {error}\n", folder.display()),
        };
        self.put("files.json", &text)
    }

    fn put(&mut self, name: &str, text: &str) -> io::Result<()> {
        let text = self.scrub.text(text);
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(self.now.as_second()).unwrap_or(0));
        self.archive.append_data(&mut header, format!("sluice-debug/{name}"), text.as_bytes())
    }
}

/// What runs where.
fn versions() -> String {
    let uname = rustix::system::uname();
    let mut text = Vec::new();
    let _ = writeln!(text, "sluice {}", env!("CARGO_PKG_VERSION"));
    let name = |name: &std::ffi::CStr| name.to_string_lossy().into_owned();
    let _ = writeln!(text, "{} {} {}", name(uname.sysname()), name(uname.release()), name(uname.machine()));
    let _ = writeln!(text, "search {}", cfg!(feature = "search"));
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let _ = writeln!(text, "processors {processors}");
    for (file, lines) in [("/etc/os-release", 4), ("/proc/meminfo", 3), ("/proc/self/limits", 20)] {
        let content = std::fs::read_to_string(file).unwrap_or_default();
        for line in content.lines().take(lines) {
            let _ = writeln!(text, "{line}");
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The end of a log, from a whole line on.
fn end_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(LOG_BYTES_MAX);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let whole = if from == 0 { &*text } else { text.split_once('\n').map_or("", |(_, rest)| rest) };
    Ok(whole.to_owned())
}
