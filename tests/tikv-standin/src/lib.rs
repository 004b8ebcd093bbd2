//! A stand-in for TiKV's placement driver and its stores: the same flags, PD's HTTP API, and the same behaviour under faults.
//!
//! It stores no keys. What it is faithful in, and what not, is in `README.md` beside it.

pub mod pd;
pub mod server;
pub mod settings;
pub mod size;
pub mod store;
