//! What the person at the terminal sees: each step when it begins, how long it usually takes, and how long it took.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
static DONE: Mutex<Vec<(String, Duration)>> = Mutex::new(Vec::new());

/// Starts the clock that every line shows.
pub(crate) fn start() {
    LazyLock::force(&BEGAN);
}

/// Prints a line, with the time since the start before it.
pub(crate) fn say(what: &str) {
    let seconds = BEGAN.elapsed().as_secs();
    println!("[{:2}:{:02}] {what}", seconds / 60, seconds % 60);
}

/// Runs a step that takes a while. `usually` is its duration on two cores, for a person who wonders whether it hangs.
pub(crate) fn step<T>(what: &str, usually: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    say(&format!("{what} (usually {usually})"));
    let began = Instant::now();
    let result = run().with_context(|| format!("failed: {what}"))?;
    let took = began.elapsed();
    say(&format!("{what}: done after {} s", took.as_secs()));
    DONE.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push((what.to_owned(), took));
    Ok(result)
}

/// Prints every step and how long it took, in the order in which they ended.
pub(crate) fn summary() {
    let done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    println!();
    for (what, took) in done.iter() {
        println!("{:>6} s  {what}", took.as_secs());
    }
    println!("{:>6} s  in all", BEGAN.elapsed().as_secs());
}
