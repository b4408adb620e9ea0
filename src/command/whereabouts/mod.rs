//! Where lines are: what checkpoints, topics, dead letters and the index say about them, put together.
//!
//! A line moves on while it is looked for. So the places are asked in the order in which it meets them, the index last: a
//! line that has left one place by then is found at the next one, and none is called missing that is on its way.

mod documents;
mod fates;
mod standing;
mod topics;

pub use documents::Documents;
pub use fates::{Fate, Fates};
pub use standing::{Line, Place, Rejection, Standing, Unseen, WRONG, decide};
pub use topics::{Found, Opened, Topics, Waiting};

use super::agent::{AgentFlags, checked, status};
use super::search::Server;
use super::up;
use crate::cli::ChainArgs;
use crate::config::ConfigFile;
use crate::failure::Failure;
use crate::followed::FollowedFiles;
use agent::{FileId, KnownFile, Owner, Whereabouts};
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// All that is asked.
pub struct Chain {
    /// Checkpoints and config, as of now.
    pub agent: Arc<Whereabouts>,
    /// What a running agent says, where there are no checkpoints to be read.
    running: Option<FollowedFiles>,
    topic: String,
    pub topics: Topics,
    pub documents: Documents,
    pub fates: Fates,
}

impl Chain {
    /// `files`: what is asked about; where no config names inputs, it stands for them.
    pub async fn open(args: &ChainArgs, config: ConfigFile, files: &[PathBuf]) -> anyhow::Result<Self> {
        let folder = status::checkpoints(args.checkpoints.clone(), &config);
        let paths = match config.agent.inputs.is_empty() {
            true => files.iter().map(|file| escaped(file)).collect::<Result<_, _>>()?,
            false => Vec::new(),
        };
        let flags = AgentFlags { paths, checkpoints: Some(folder.clone()), ..AgentFlags::default() };
        let only_named = !flags.paths.is_empty();
        let mut checked = checked(&config.agent, config.host_name.clone(), flags)?;
        if only_named && is_of_up(&folder) {
            up::traces::keep_together(&mut checked);
        }
        let topic = checked.topic.clone();
        let whereabouts = Whereabouts::read(checked).context("read what the agent knows")?;
        let running = match whereabouts.knows_files() {
            true => None,
            false => status::running(args.status_listen, &config).await.ok().map(|(_, files)| files),
        };
        // Where a config names inputs, an agent that has never run has read nothing.
        if only_named && running.is_none() && !folder.is_dir() {
            return Err(Failure::new(
                format!("no agent answers, and there are no checkpoints in {folder:?}"),
                "name the agent's --checkpoints DIR (of `sluice up`: its data directory and /agent), or its --status-listen",
            )
            .into());
        }
        Ok(Self {
            agent: Arc::new(whereabouts),
            running,
            topic,
            topics: Topics::new(args, &config)?,
            fates: Fates::new(config.worker.clone()),
            documents: Documents::new(Server::new(&args.place, config)?),
        })
    }

    /// Whose the content of `path` is.
    pub fn owner(&self, path: &Path) -> anyhow::Result<Owner> {
        let owner = self.agent.owner(path).map_err(|error| {
            let hint = "name the file where the line is now; a rotation may have given it another name";
            Failure::new(format!("read {path:?}: {error}"), hint)
        })?;
        match (&owner, &self.running) {
            (Owner::Known(_), _) | (_, None) => Ok(owner),
            (_, Some(running)) => Ok(self.followed(running, path).map_or(owner, Owner::Known)),
        }
    }

    /// The file as the running agent tells of it. It does not say which partition the lines are in.
    fn followed(&self, running: &FollowedFiles, path: &Path) -> Option<KnownFile> {
        let path = std::path::absolute(path).ok()?;
        let file = running.files.iter().find(|file| Path::new(&file.path) == path)?;
        let id = u64::from_str_radix(&file.id, 16).ok()?;
        Some(KnownFile {
            id: FileId(id),
            path,
            topic: self.topic.clone(),
            partition: None,
            acknowledged: file.acknowledged,
            in_flight: Vec::new(),
            gaps: Vec::new(),
            is_copy: false,
        })
    }
}

/// Whether these are the checkpoints of a `sluice up`, which has the broker's data beside them: of files that are only named
/// it makes other records than an agent on its own.
fn is_of_up(checkpoints: &Path) -> bool {
    checkpoints.parent().is_some_and(|data| data.join("broker").is_dir())
}

/// A path as a pattern that means only itself.
fn escaped(path: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let path = absolute.to_str().ok_or_else(|| {
        Failure::new(format!("the name {path:?} is not UTF-8"), "give agent.inputs in sluice.yaml a glob that means it")
    })?;
    Ok(path.replace(['[', ']', '{', '}', '*'], "?"))
}
