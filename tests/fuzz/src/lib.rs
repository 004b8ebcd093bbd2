//! What must hold for any input, as functions of bytes: none may panic. The tests here try them with random inputs on every run;
//! `cargo xtask fuzz` has libFuzzer try them for as long as somebody likes.

#![allow(clippy::unwrap_used, reason = "what cannot be is found by panicking")]

mod campaign;
mod component;
mod metadata;

pub use campaign::{campaign, manifest};
pub use component::{cache, component};
pub use metadata::metadata;

/// Returns the repository.
fn repository() -> &'static std::path::Path {
    std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Returns the one runtime of a thread: what is tried waits for nothing.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(work)
}

#[cfg(test)]
mod tests;
