//! The acknowledged positions on disk: a snapshot of the agent's state, and the journal of what happened since.

mod positions;
mod records;
mod state;
mod store;

pub use positions::{Positions, Written};
pub use records::Records;
pub use state::State;
pub use store::{OpenError, Store};
