//! A component as an artifact in a registry: a manifest of one layer, and a configuration that describes the component.
//!
//! It is laid out as the WebAssembly working group of the CNCF has it
//! (<https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>), and so as `wkg` reads and writes it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wit_component::DecodedWasm;

use super::runtime::sha256;
use duress_model::{Error, Result};

/// The manifest's own type.
pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// The type of the one layer.
pub(super) const LAYER_TYPE: &str = "application/wasm";
const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";

/// What an artifact consists of (OCI image specification, "Image Manifest"). Other keys are ignored.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    schema_version: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    config: Descriptor,
    /// Its content, in order.
    pub(super) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
}

/// A blob's type, digest and size (OCI image specification, "Descriptor").
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    /// e.g. `application/wasm`.
    pub(super) media_type: String,
    /// e.g. `sha256:2c26…`.
    pub(super) digest: String,
    /// Its length in bytes, as declared: it may be any number.
    pub(super) size: i64,
}

/// The configuration, which registries show.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    created: Timestamp,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
    component: Interface,
}

/// The names of a component's imports and exports.
#[derive(Debug, Serialize)]
struct Interface {
    exports: Vec<String>,
    imports: Vec<String>,
}

/// An artifact to push.
pub(super) struct Artifact {
    /// The component and the configuration.
    pub(super) blobs: [Vec<u8>; 2],
    /// The manifest that names them.
    pub(super) manifest: Manifest,
}

/// Describes a component as an artifact.
pub(super) fn describe(component: Vec<u8>, license: &str) -> Result<Artifact> {
    let config = Config {
        created: Timestamp::now(),
        architecture: "wasm",
        os: "wasip2",
        layer_digests: [sha256(&component)],
        component: interface(&component)?,
    };
    let config = serde_json::to_vec(&config).map_err(|error| undescribed(error.to_string()))?;
    let license_key = "org.opencontainers.image.licenses".to_owned();
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST_TYPE.to_owned()),
        config: Descriptor::of(&config, CONFIG_TYPE)?,
        layers: vec![Descriptor::of(&component, LAYER_TYPE)?],
        annotations: Some([(license_key, license.to_owned())].into()),
    };
    Ok(Artifact {
        blobs: [component, config],
        manifest,
    })
}

fn undescribed(why: String) -> Error {
    Error::input(format!("describe the component: {why}"))
}

impl Descriptor {
    fn of(blob: &[u8], media_type: &str) -> Result<Self> {
        Ok(Self {
            media_type: media_type.to_owned(),
            digest: sha256(blob),
            size: i64::try_from(blob.len()).map_err(|error| undescribed(error.to_string()))?,
        })
    }
}

fn interface(component: &[u8]) -> Result<Interface> {
    // The decoder takes a core module too, where it finds no interface.
    if !wasmparser::Parser::is_component(component) {
        return Err(undescribed("it is not a component".to_owned()));
    }
    let decoded =
        wit_component::decode(component).map_err(|error| undescribed(format!("{error:#}")))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(undescribed("it is only an interface".to_owned()));
    };
    let world = &resolve.worlds[world];
    let name = |key| resolve.name_world_key(key);
    Ok(Interface {
        exports: world.exports.keys().map(name).collect(),
        imports: world.imports.keys().map(name).collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_manifest_of_another_client_is_read_with_what_it_has_more() {
        let digest = sha256(b"x");
        let text = json!({
            "schemaVersion": 2,
            "artifactType": "application/x",
            "config": { "mediaType": CONFIG_TYPE, "digest": digest, "size": 1 },
            "layers": [{ "mediaType": LAYER_TYPE, "digest": digest, "size": 1, "urls": [] }],
        });
        let manifest: Manifest = serde_json::from_value(text).expect("a manifest");
        assert_eq!(manifest.layers[0].media_type, LAYER_TYPE);
        let index = json!({ "schemaVersion": 2, "manifests": [] });
        assert!(serde_json::from_value::<Manifest>(index).is_err());
    }

    #[test]
    fn what_is_no_component_cannot_be_described() {
        for bytes in [&b"<html>"[..], b"\0asm\x01\0\0\0"] {
            let error = describe(bytes.to_vec(), "MIT").err().expect("an error");
            assert!(
                error.to_string().contains("describe the component"),
                "{error}"
            );
        }
    }
}
