//! End to end: the program and its plugins on real containers, their effects measured from outside.
//!
//! They need a container engine, the components and the images; `cargo xtask test` sees to these first. Without them they fail.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that cannot go on ends with what it saw"
)]

mod attached;
mod cache;
mod confined;
mod conformance;
mod deployment;
mod disk;
mod docker;
mod evidence;
mod experiment;
mod fates;
mod faults;
mod general;
mod guardian;
mod halt;
mod harness;
mod hostile;
mod http;
mod input;
mod journal;
mod languages;
mod load;
mod netem;
mod network;
mod output;
mod plugin;
mod postgres;
mod program;
mod published;
mod reach;
mod recovery;
mod registry;
mod replacing;
mod report;
mod resume;
mod runs;
mod sandbox;
mod scaled;
mod skopeo;
mod steps;
mod stranger;
mod terminal;
mod tikv;
mod wait;
mod workload;
