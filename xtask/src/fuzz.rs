//! libFuzzer on what the random tests try too, for as long as somebody likes.

use anyhow::{Context as _, Result};

use crate::sh::Sh;
use crate::workspace;

/// Where the fuzzer's crate is.
const CRATE: &str = "tests/fuzz/libfuzzer";
/// What it tries, each with a folder of inputs that are right.
const TARGETS: [(&str, Option<&str>); 5] = [
    ("campaign", Some("campaigns")),
    ("manifest", Some("subjects")),
    ("component", None),
    ("cache", None),
    ("metadata", None),
];

/// Each target for so many seconds; whether none found anything.
pub(crate) fn run(seconds: u64) -> Result<bool> {
    if !Sh::new("cargo").args(["fuzz", "--version"]).works() {
        Sh::new("cargo")
            .args(["install", "--locked", "cargo-fuzz"])
            .run()
            .context("install cargo-fuzz")?;
    }
    let time = format!("-max_total_time={seconds}");
    let mut sound = true;
    for (target, inputs) in TARGETS {
        let found = format!("{CRATE}/corpus/{target}");
        std::fs::create_dir_all(workspace::root().join(&found)).context("make its folder")?;
        // Without a sanitizer it needs no unstable compiler; its dev profile is one that is built in minutes.
        sound &= Sh::new("cargo")
            .args(["fuzz", "run", "--dev", "--sanitizer", "none"])
            .args(["--target-dir", "target/fuzz", "--fuzz-dir"])
            .args([CRATE, target, &found])
            .args(inputs)
            .args(["--", &time, "-print_final_stats=1"])
            .succeeds()?;
    }
    Ok(sound)
}
