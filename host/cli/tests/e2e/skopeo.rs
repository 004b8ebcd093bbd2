//! Artifacts exchanged with another client of the registry than duress, in the layout that `wkg` writes.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::program::noop;
use crate::registry::{People, Registry};

/// Copies an artifact from or to the registry.
fn copy(from: &str, to: &str) {
    let output = Command::new("skopeo")
        .args(["--insecure-policy", "copy", "--quiet"])
        .args(["--src-tls-verify=false", "--dest-tls-verify=false"])
        .args([from, to])
        .output()
        .expect("`cargo xtask test` installs skopeo");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Writes a blob where skopeo looks for it, and returns its digest.
fn blob(folder: &Path, content: &[u8]) -> String {
    let hex = hex::encode(Sha256::digest(content));
    fs::write(folder.join(&hex), content).unwrap();
    format!("sha256:{hex}")
}

/// Writes a component as an artifact, as `wkg` 0.16 does: with keys that duress does not write, and without annotations.
fn artifact_of_wkg(folder: &Path, component: &[u8]) {
    fs::create_dir(folder).unwrap();
    fs::write(folder.join("version"), "Directory Transport Version: 1.1\n").unwrap();
    let layer = blob(folder, component);
    let interface = json!({ "exports": ["duress:plugin/chaos"], "imports": [], "target": null });
    let config = json!({
        "created": "2026-01-02T03:04:05.123456789Z", "author": null, "architecture": "wasm", "os": "wasip2",
        "layerDigests": [layer], "component": interface,
    });
    let config = config.to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.wasm.config.v0+json", "digest": blob(folder, config.as_bytes()), "size": config.len(),
        },
        "layers": [{ "mediaType": "application/wasm", "digest": layer, "size": component.len() }],
    });
    fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
}

#[test]
fn skopeo_reads_what_duress_pushes_and_duress_what_skopeo_pushes() {
    let registry = Registry::start(false);
    let people = People::new();
    let place = |name: &str| format!("docker://{}/{name}:1", registry.host);
    let pulled = people.program.folder.path().join("pulled");
    let folder = |path: &Path| format!("dir:{}", path.display());
    assert_eq!(people.push(&registry.place("by-duress:1")).code(), 0);
    copy(&place("by-duress"), &folder(&pulled));
    let manifest = json_of(&pulled.join("manifest.json"));
    assert_eq!(
        manifest["mediaType"],
        "application/vnd.oci.image.manifest.v1+json"
    );
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    let [layer, config] = [&manifest["layers"][0], &manifest["config"]];
    assert_eq!(layer["mediaType"], "application/wasm");
    assert_eq!(config["mediaType"], "application/vnd.wasm.config.v0+json");
    let content = |of: &Value| {
        let digest = of["digest"].as_str().unwrap();
        pulled.join(digest.strip_prefix("sha256:").unwrap())
    };
    let component = fs::read(content(layer)).unwrap();
    assert!(
        component.starts_with(&noop()),
        "the component, with the manifest appended"
    );
    let config = json_of(&content(config));
    assert_eq!(config["architecture"], "wasm");
    assert_eq!(config["os"], "wasip2");
    assert_eq!(config["layerDigests"], json!([layer["digest"]]));
    let exports = config["component"]["exports"].to_string();
    assert!(exports.contains("duress:plugin/chaos@"), "{exports}");

    let theirs = people.program.folder.path().join("theirs");
    artifact_of_wkg(&theirs, &component);
    copy(&folder(&theirs), &place("by-skopeo"));
    people.succeeds(&["plugin", "add", &registry.place("by-skopeo:1"), "--yes"]);
    people.runs();
    // A component without a manifest is not a plugin that could be granted anything.
    let bare = people.program.folder.path().join("bare");
    artifact_of_wkg(&bare, &noop());
    copy(&folder(&bare), &place("bare"));
    people
        .run(&["plugin", "add", &registry.place("bare:1"), "--yes"])
        .refuses(&["brings no manifest", "duress plugin push"]);
}
