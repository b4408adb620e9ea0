//! `meta.properties`: which cluster, node and directory this is, as Kafka 4 writes it.

use super::disk::{Disk, read_file, replace_file};
use super::names::{self, META_PROPERTIES};
use super::text::{format_properties, parse_properties};
use std::io;
use std::path::Path;

/// Kafka's version of the file since KRaft.
const VERSION: &str = "1";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meta {
    /// 22 characters of base64url as a rule; clients take any text.
    pub cluster_id: String,
    pub node_id: i32,
    pub directory_id: String,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum MetaError {
    #[error("{0}")]
    Content(String),
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// Reads the file, or writes a new one with a new cluster id.
pub(super) fn read_or_create(disk: &dyn Disk, root: &Path, node_id: i32) -> Result<Meta, MetaError> {
    let path = root.join(META_PROPERTIES);
    let Some(contents) = read_file(disk, &path)? else {
        let meta = Meta {
            cluster_id: names::format_id(names::new_id()),
            node_id,
            directory_id: names::format_id(names::new_id()),
        };
        let node = node_id.to_string();
        let text = format_properties([
            ("cluster.id", meta.cluster_id.as_str()),
            ("directory.id", &meta.directory_id),
            ("node.id", &node),
            ("version", VERSION),
        ]);
        replace_file(disk, &path, text.as_bytes())?;
        return Ok(meta);
    };
    let mut properties = parse_properties(&contents).map_err(|error| MetaError::Content(error.to_string()))?;
    let mut take = |key: &str| properties.remove(key).ok_or_else(|| MetaError::Content(format!("{key} is missing")));
    let version = take("version")?;
    if version != VERSION {
        return Err(MetaError::Content(format!("version is {version:?}, want {VERSION}")));
    }
    let found = take("node.id")?;
    if found.parse() != Ok(node_id) {
        return Err(MetaError::Content(format!("node.id is {found}, but this broker has {node_id}")));
    }
    Ok(Meta { cluster_id: take("cluster.id")?, node_id, directory_id: take("directory.id").unwrap_or_default() })
}
