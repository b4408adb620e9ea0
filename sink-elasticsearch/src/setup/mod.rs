//! Set-up of a cluster: an index template, a lifecycle policy, and objects for Kibana. What somebody has changed is left alone.
//!
//! First everything that is there is looked at, which makes a [`Plan`]; applying it writes what is missing or ours and
//! outdated. Doing it again changes nothing.

mod features;
mod fields;
mod first;
mod kibana;
mod lifecycle;
mod mark;
mod options;
mod plan;
mod server;
mod template;

pub use first::SetUpFirst;
pub use kibana::saved_objects;
pub use options::{Options, OptionsError, Retention};
pub use plan::{Plan, SetUpError, State, Step};
pub use server::{Product, Server};
