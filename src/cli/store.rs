//! The flags of the embedded store.

use crate::config::{Age, Size};
use clap::Args;
use std::net::SocketAddr;

#[derive(Debug, Default, Args)]
pub struct StoreArgs {
    /// Start the embedded store at this address, and deliver there [default: 127.0.0.1:9200 when documents go there].
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["elasticsearch", "output"])]
    pub search_listen: Option<SocketAddr>,

    /// How long the embedded store keeps documents after the end of their day, for example 30d [no limit].
    #[arg(long, value_name = "AGE")]
    pub search_retention: Option<Age>,

    /// What the documents of the embedded store may take of the disk, for example 20GiB; the oldest days go first [no limit].
    #[arg(long, value_name = "SIZE")]
    pub search_retention_bytes: Option<Size>,
}
