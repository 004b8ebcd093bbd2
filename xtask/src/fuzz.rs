//! libFuzzer on what the random tests try too, for as long as somebody has time.

use anyhow::{Context as _, Result};
use xshell::cmd;

use crate::sh::{CmdExt as _, shell};
use crate::workspace;

/// Where the fuzzer's crate is.
const CRATE: &str = "tests/fuzz/libfuzzer";
/// What it tries, each with a folder of inputs that are valid.
const TARGETS: [(&str, Option<&str>); 5] = [
    ("campaign", Some("campaigns")),
    ("manifest", Some("subjects")),
    ("component", None),
    ("cache", None),
    ("metadata", None),
];

/// Runs each target for so many seconds. Returns whether none found anything.
pub(crate) fn run(seconds: u64) -> Result<bool> {
    let sh = shell()?;
    if !cmd!(sh, "cargo fuzz --version").works() {
        cmd!(sh, "cargo install --locked cargo-fuzz")
            .show()
            .context("install cargo-fuzz")?;
    }
    let time = format!("-max_total_time={seconds}");
    let mut is_sound = true;
    for (target, inputs) in TARGETS {
        let found = format!("{CRATE}/corpus/{target}");
        std::fs::create_dir_all(workspace::root().join(&found)).context("create its folder")?;
        // Without a sanitizer it needs no unstable compiler; the dev profile is built in minutes.
        is_sound &= cmd!(
            sh,
            "cargo fuzz run --dev --sanitizer none --target-dir target/fuzz --fuzz-dir {CRATE} {target} {found} {inputs...} -- {time} -print_final_stats=1"
        )
        .succeeds()?;
    }
    Ok(is_sound)
}
