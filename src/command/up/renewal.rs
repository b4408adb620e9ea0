//! How the parts of `up` take over a changed config.

use super::{Parts, worker_section};
use crate::command::agent;
use crate::command::renew::{Answer, Changed, Renewal, Request};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Parts {
    /// Takes over what has changed in the config, and tells who asked.
    ///
    /// # Errors
    /// A part can be started neither as the new config says nor as before.
    pub async fn renew(self, request: Request, renewal: &mut Renewal) -> anyhow::Result<Self> {
        let take_over = async |mut parts: Self, changed: &Changed, answer: &mut Answer| {
            if !changed.of_agent.is_empty() || !changed.of_worker.is_empty() {
                parts = parts.take_over(changed, answer).await?;
                parts.show();
            }
            Ok(parts)
        };
        renewal.carry_out(request, self, take_over).await
    }

    async fn take_over(mut self, changed: &Changed, answer: &mut Answer) -> anyhow::Result<Self> {
        let told = self.named.agent_config(&changed.config).map_err(|failure| failure.to_string());
        let told = told.and_then(|(new, topics)| Ok((agent::handed_over(&self.agent_config, new)?, topics)));
        let (new, topics) = match told {
            // What lies in a topic that no input names any more is delivered all the same.
            Ok((new, topics)) => (new, self.topics.iter().cloned().chain(topics).collect::<BTreeSet<_>>()),
            Err(reason) => {
                answer.refused = Some(reason);
                return Ok(self);
            }
        };
        if !changed.of_agent.is_empty() {
            let again = agent::again(self.agent, self.drain, new.clone(), &self.agent_config);
            let (agent, registry, refused) = again.await?;
            self = Self { agent, agent_registry: Arc::new(registry), ..self };
            answer.refused = refused;
            if answer.refused.is_some() {
                return Ok(self);
            }
            self.agent_config = new;
            self.drain = agent::drain(&changed.config.agent);
            answer.taken_over.extend(changed.of_agent.lines.iter().cloned());
        }
        let topics = Vec::from_iter(topics);
        let section = worker_section(&changed.config, &topics);
        if section != self.section || !changed.of_worker.is_empty() {
            let (worker, refused) = self.worker.again(section.clone(), &self.section, &self.told).await?;
            self = Self { worker, ..self };
            answer.refused = refused;
            if answer.refused.is_none() {
                (self.section, self.topics) = (section, topics);
                answer.taken_over.extend(changed.of_worker.lines.iter().cloned());
            }
        }
        Ok(self)
    }
}
