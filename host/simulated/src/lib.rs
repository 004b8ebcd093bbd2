//! A machine with containers, in memory: the real host runs on it as on any other, and everything can go wrong at any step.
//!
//! `duress plugin test` tries components on it (the crate `duress-conformance`), and the simulation in `host/cli/tests/sim` whole campaigns.

mod arrangement;
mod container;
mod conversation;
mod daemon;
mod engine;
mod filesystem;
mod lifecycle;
mod network;
mod networking;
mod programs;
mod resources;
mod script;
mod stacks;
mod tasks;
mod world;

pub use container::{Container, Task};
pub use engine::SimulatedEngine;
pub use script::{Answer, Script};
pub use world::{End, Machine, Stack, Troubles, World};
