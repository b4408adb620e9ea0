//! The acknowledged positions on disk: a snapshot of the agent's state, and the journal of what happened since.

mod disk;
mod folder;
mod gaps;
mod positions;
mod records;
mod state;
mod store;
mod work;

pub use disk::{Disk, WriteGate};
pub use gaps::Gap;
pub use positions::{Positions, Written};
pub use records::Records;
pub use state::State;
pub use store::{OpenError, Store};
pub use work::Flush;
