//! The contract of a container engine, in parts: each trait is one kind of operation, and an engine does them all.

mod arrangements;
mod daemon;
mod files;
mod lifecycle;
mod networking;
mod programs;
mod resources;
mod stacks;
mod tasks;

pub use self::arrangements::Arrangements;
pub use self::daemon::Daemon;
pub use self::files::Files;
pub use self::lifecycle::Lifecycle;
pub use self::networking::Networking;
pub use self::programs::Programs;
pub use self::resources::{Accounts, Resources};
pub use self::stacks::Stacks;
pub use self::tasks::Tasks;

/// A container engine. Whatever does all of its parts is one.
pub trait Engine:
    Daemon
    + Stacks
    + Lifecycle
    + Programs
    + Tasks
    + Networking
    + Arrangements
    + Resources
    + Files
    + std::fmt::Debug
{
}

impl<
    T: Daemon
        + Stacks
        + Lifecycle
        + Programs
        + Tasks
        + Networking
        + Arrangements
        + Resources
        + Files
        + std::fmt::Debug,
> Engine for T
{
}
