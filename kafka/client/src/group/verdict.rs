//! What a member does after a call that failed, by the rules of Kafka's Java client.

use kafka_wire::protocol::ResponseError;

use super::event::GroupError;
use super::membership::Membership;
use crate::code::ErrorCode;
use crate::error::{ClientError, chain};

/// Why the member stops what it does.
pub(super) enum Interrupt {
    /// The group rebalances.
    Rejoin,
    /// The coordinator does not know this member or its generation any more: the partitions are gone.
    Lost {
        forget_member_id: bool,
    },
    Failed(GroupError),
}

/// What to do after an error code.
pub(super) enum Verdict {
    /// Ask the same again a little later.
    Again,
    Interrupt(Interrupt),
}

impl Membership {
    /// A call failed without an answer: remembers why, unless it can never succeed.
    pub fn note(&mut self, error: ClientError) -> Result<(), Interrupt> {
        if !error.is_retriable() {
            return Err(Interrupt::Failed(GroupError::Client(error)));
        }
        self.table.set_problem(Some(chain(&error)));
        Ok(())
    }

    /// What Kafka's Java client does after this error code of a coordinator.
    pub fn judge(&mut self, api: &'static str, code: ErrorCode) -> Verdict {
        match code.kind() {
            ResponseError::CoordinatorNotAvailable | ResponseError::NotCoordinator | ResponseError::RequestTimedOut => {
                self.client.forget_coordinator(&self.config.group);
                self.table.set_problem(Some(format!("{api}: coordinator answered {code}")));
                Verdict::Again
            }
            ResponseError::CoordinatorLoadInProgress
            | ResponseError::UnstableOffsetCommit
            | ResponseError::UnknownTopicOrPartition => Verdict::Again,
            ResponseError::RebalanceInProgress => {
                self.rejoin_reason = "group is rebalancing";
                Verdict::Interrupt(Interrupt::Rejoin)
            }
            ResponseError::IllegalGeneration => Verdict::Interrupt(Interrupt::Lost { forget_member_id: false }),
            ResponseError::UnknownMemberId => Verdict::Interrupt(Interrupt::Lost { forget_member_id: true }),
            ResponseError::FencedInstanceId => {
                let instance_id = self.config.instance_id.clone().unwrap_or_default();
                Verdict::Interrupt(Interrupt::Failed(GroupError::Fenced { instance_id }))
            }
            _ if code.is_retriable() => Verdict::Again,
            _ => Verdict::Interrupt(Interrupt::Failed(GroupError::Refused { api, code })),
        }
    }
}
