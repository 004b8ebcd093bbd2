//! Each source against the real thing: Prometheus, HTTP services, containers.
//!
//! They need a container engine, the images and Prometheus; `cargo xtask test` sees to these first. Without them they fail.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that cannot go on ends with what it saw"
)]

mod containers;
mod http;
mod prometheus;
mod promql;
mod service;
mod stack;
mod stranger;
mod trial;
