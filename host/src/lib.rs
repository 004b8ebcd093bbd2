//! duress: a chaos-campaign host.
//!
//! Each module is a room with one duty, and calls only rooms below it; `docs/architecture.md` draws the house.
//! No module prints but the command line.

pub mod campaign;
pub mod capability;
pub mod conformance;
pub mod doctor;
pub mod engine;
mod error;
pub mod files;
pub mod http;
pub mod journal;
pub mod network;
pub mod plugin;
pub mod runner;
pub mod simulated;
pub mod store;
pub mod text;
pub mod trial;
pub mod yaml;

pub use error::{Error, Kind, Result};
