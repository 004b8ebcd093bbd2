//! Puts the components that belong to the program into it: see `src/plugin/built_in.rs`.
//!
//! They are WebAssembly and built by `cargo xtask setup`, apart from the host. A host that is built before them compiles all the
//! same, for lints and for the tests that need none, and says at run time what it lacks.

#![allow(
    clippy::print_stdout,
    reason = "that is how a build script speaks to cargo"
)]

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// As in `src/plugin/built_in.rs`.
const COMPONENTS: [&str; 2] = ["compose", "faults"];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    println!("cargo::rerun-if-changed=build.rs");
    for name in COMPONENTS {
        let folder = here.join("../../plugins").join(name);
        let component = folder.join(format!("{name}.wasm"));
        let bytes = match fs::read(&component) {
            Ok(bytes) => {
                watch(&component);
                bytes
            }
            // The folder changes once the component is there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                watch(&folder);
                println!(
                    "cargo::warning=the plugin `{name}` is not built, and this duress will lack it: `cargo xtask setup` builds it"
                );
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        fs::write(out.join(format!("{name}.wasm")), bytes)?;
    }
    Ok(())
}

fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}
