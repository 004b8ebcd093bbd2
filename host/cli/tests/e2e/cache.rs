//! Compiled components on disk: used when they are sound and this user's alone, made again otherwise.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::program::repository;
use duress_plugin::{Catalog, Runtime};

/// Loads a component through this cache, as every command does.
async fn load(cache: &Path) {
    let runtime = Runtime::new(Some(cache)).unwrap();
    let catalog = Catalog::discover(runtime, vec![repository().join("tests/noop")]);
    assert_eq!(
        catalog.subject("noop").await.unwrap().plugin.faults.len(),
        2
    );
}

/// Returns the one entry of a cache.
fn entry(cache: &Path) -> PathBuf {
    let engines = fs::read_dir(cache)
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let entries = engines.flat_map(|engine| fs::read_dir(engine).unwrap().flatten());
    let mut entries: Vec<_> = entries.map(|entry| entry.path()).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

#[tokio::test]
async fn a_damaged_entry_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    load(&cache).await;
    let path = entry(&cache);
    let sound = fs::read(&path).unwrap();
    for damaged in [
        Vec::new(),
        sound[..sound.len() / 2].to_vec(),
        vec![0; sound.len()],
    ] {
        fs::write(&path, damaged).unwrap();
        load(&cache).await;
        assert_eq!(fs::read(&path).unwrap(), sound);
    }
}

#[tokio::test]
async fn what_others_can_write_is_never_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    load(&cache).await;
    let path = entry(&cache);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    load(&cache).await;
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600,
        "it was made again"
    );

    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(&path, "never read").unwrap();
    load(&cache).await;
    assert_eq!(
        fs::read(&path).unwrap(),
        b"never read",
        "the whole folder is left alone"
    );
}
