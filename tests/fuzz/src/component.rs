//! Components and their compiled form: any bytes are loaded, or refused as somebody's input.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use duress_model::{Error, Kind};
use duress_plugin::{PluginManifest, Runtime};
use tempfile::TempDir;

/// A component of nothing: the preamble alone.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

struct Bench {
    folder: TempDir,
    runtime: Runtime,
}

/// A plugin's folder, and a cache beside it.
static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let manifest =
        "name: fuzz\nversion: 0.1.0\nsummary: s\nlicense: MIT\ncomponent: fuzz.wasm\nwit: 0.1.1\n";
    fs::write(folder.path().join("plugin.yaml"), manifest).unwrap();
    let runtime = Runtime::new(Some(&folder.path().join("cache"))).unwrap();
    Bench { folder, runtime }
});

/// A component's file.
pub fn component(bytes: &[u8]) {
    // Compiled forms of what is tried would only fill the disk.
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new(None).unwrap());
    if let Err(error) = load(&RUNTIME, BENCH.folder.path(), bytes) {
        check_refusal(&error);
    }
}

/// A file of the cache: damaged in any way it is not used, and harms nothing.
pub fn cache(bytes: &[u8]) {
    let Bench { folder, runtime } = &*BENCH;
    let said = |error: Error| {
        check_refusal(&error);
        error.to_string()
    };
    let before = load(runtime, folder.path(), EMPTY).map_err(said);
    for entry in entries(&folder.path().join("cache")) {
        fs::write(entry, bytes).unwrap();
    }
    assert_eq!(before, load(runtime, folder.path(), EMPTY).map_err(said));
}

fn load(runtime: &Runtime, folder: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(folder.join("fuzz.wasm"), bytes).unwrap();
    let (manifest, _) = duress_yaml::load::<PluginManifest>(&folder.join("plugin.yaml"))?;
    runtime.load(&manifest, folder).map(drop)
}

fn check_refusal(error: &Error) {
    assert_eq!(error.kind(), Kind::Input, "{error}");
    assert!(error.to_string().contains("fuzz.wasm"), "{error}");
}

/// Returns every file of a cache.
fn entries(cache: &Path) -> Vec<std::path::PathBuf> {
    let engines = fs::read_dir(cache).unwrap().flatten();
    let files = engines.flat_map(|engine| fs::read_dir(engine.path()).unwrap().flatten());
    files.map(|file| file.path()).collect()
}
