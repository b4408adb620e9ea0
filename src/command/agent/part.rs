//! A running agent that takes over a changed config.

use super::{AgentFlags, checked, drain, start};
use crate::command::renew::{Answer, Changed, Renewal, Request};
use crate::status::Shown;
use agent::{Agent, Config, Stream};
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A running agent, and what it was told.
pub struct Part {
    pub agent: Agent,
    pub in_force: Config,
    pub flags: AgentFlags,
    /// How long acknowledgements are waited for when it ends.
    pub drain: Duration,
}

impl Part {
    /// Takes over what has changed, and tells who asked.
    ///
    /// # Errors
    /// Neither the new config nor the one before can be started.
    pub async fn renew(
        self,
        request: Request,
        renewal: &mut Renewal,
        seen: &watch::Sender<Shown>,
    ) -> anyhow::Result<Self> {
        let take_over = async |part: Self, changed: &Changed, answer: &mut Answer| match changed.of_agent.is_empty() {
            true => Ok(part),
            false => part.take_over(changed, answer, seen).await,
        };
        renewal.carry_out(request, self, take_over).await
    }

    async fn take_over(
        self,
        changed: &Changed,
        answer: &mut Answer,
        seen: &watch::Sender<Shown>,
    ) -> anyhow::Result<Self> {
        let section = &changed.config.agent;
        let new = checked(section, changed.config.host_name.clone(), self.flags.clone());
        let new = match new.map_err(|failure| failure.to_string()).and_then(|new| handed_over(&self.in_force, new)) {
            Ok(new) => new,
            Err(reason) => {
                answer.refused = Some(reason);
                return Ok(self);
            }
        };
        let Self { agent, in_force, flags, drain: before } = self;
        let (agent, registry, refused) = again(agent, before, new.clone(), &in_force).await?;
        seen.send_replace(shown(&agent, registry));
        match refused {
            Some(reason) => {
                answer.refused = Some(reason);
                Ok(Self { agent, in_force, flags, drain: before })
            }
            None => {
                answer.taken_over.extend(changed.of_agent.lines.iter().cloned());
                Ok(Self { agent, in_force: new, flags, drain: drain(section) })
            }
        }
    }
}

/// What the status port shows of an agent on its own.
pub fn shown(agent: &Agent, registry: Registry) -> Shown {
    Shown { registries: vec![Arc::new(registry)], observer: Some(agent.observer()) }
}

/// `new`, when it can follow on `before` in the same process.
///
/// # Errors
/// A sentence that says why not.
pub fn handed_over(before: &Config, mut new: Config) -> Result<Config, String> {
    new.once = before.once;
    let reads_stdin = |config: &Config| config.inputs.iter().any(|input| input.stream == Some(Stream::Stdin));
    match reads_stdin(before) || reads_stdin(&new) {
        // What was read of it and is not written down yet would be lost.
        true => Err("standard input cannot be handed over; start the agent again".to_owned()),
        false => Ok(new),
    }
}

/// Stops an agent and starts one as `new` says, or, where that fails, as before; with the reason in that case.
///
/// # Errors
/// The one before cannot be started again either.
pub async fn again(
    agent: Agent,
    drain: Duration,
    new: Config,
    before: &Config,
) -> anyhow::Result<(Agent, Registry, Option<String>)> {
    agent.stop(drain).await;
    let mut registry = Registry::default();
    match start(new, &mut registry).await {
        Ok(agent) => Ok((agent, registry, None)),
        Err(error) => {
            let mut registry = Registry::default();
            let agent = start(before.clone(), &mut registry).await?;
            Ok((agent, registry, Some(format!("{error:#}"))))
        }
    }
}
