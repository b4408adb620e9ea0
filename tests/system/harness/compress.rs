//! gzip, as logrotate and people use it.

use anyhow::Context;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// One gzip member.
pub fn member(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes everything")
}

/// `path` with `.gz` at its end.
pub fn gz_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    name.into()
}

/// Replaces `path` by `path.gz`, which is complete before the original goes.
pub fn gzip(path: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(path).with_context(|| format!("read {path:?}"))?;
    fs::write(gz_path(path), member(&bytes)).with_context(|| format!("compress {path:?}"))?;
    fs::remove_file(path).with_context(|| format!("remove {path:?}"))
}
