//! The plugins that belong to the program itself, so that any folder has them: the general faults, and the subject that needs nothing
//! but a compose file. They are components like any other, granted what their manifests request because the user who installed duress
//! installed them.
//!
//! A root's own plugin of the same name takes precedence, and needs a grant of its own. `disable_built_in` in a root's lock
//! switches one off.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::manifest::PluginManifest;
use duress_model::{Error, Result};
use duress_yaml::Document;

/// A plugin that belongs to the program.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum BuiltIn {
    /// A subject of which only its compose file is known.
    Compose,
    /// Faults for any subject.
    Faults,
}

impl BuiltIn {
    /// Every one, by name.
    pub const ALL: [Self; 2] = [Self::Compose, Self::Faults];

    /// Returns the name by which subjects and campaigns refer to it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compose => "compose",
            Self::Faults => "faults",
        }
    }

    /// Returns the one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Returns the text of its `plugin.yaml`.
    pub fn manifest_text(self) -> &'static str {
        match self {
            Self::Compose => include_str!("../../../plugins/compose/plugin.yaml"),
            Self::Faults => include_str!("../../../plugins/faults/plugin.yaml"),
        }
    }

    /// Returns the text of its `conformance.yaml`.
    pub fn conformance_text(self) -> &'static str {
        match self {
            Self::Compose => include_str!("../../../plugins/compose/conformance.yaml"),
            Self::Faults => include_str!("../../../plugins/faults/conformance.yaml"),
        }
    }

    /// Returns its manifest.
    ///
    /// # Errors
    /// `Input`, which a test rules out.
    pub fn manifest(self) -> Result<PluginManifest> {
        let name = format!("the built-in plugin `{}`", self.name());
        let document = Document::parse(name, self.manifest_text())?;
        let (manifest, problems) = document.interpret();
        manifest.ok_or_else(|| document.invalid(problems).into())
    }

    /// Returns its component.
    ///
    /// # Errors
    /// `Environment` where this program was compiled before its components.
    pub fn component(self) -> Result<&'static [u8]> {
        let bytes: &[u8] = match self {
            Self::Compose => include_bytes!(concat!(env!("OUT_DIR"), "/compose.wasm")),
            Self::Faults => include_bytes!(concat!(env!("OUT_DIR"), "/faults.wasm")),
        };
        if bytes.is_empty() {
            return Err(Error::environment(format!(
                "this duress was compiled without its built-in plugin `{}`",
                self.name()
            ))
            .hint("in the sources of duress: `cargo xtask setup`, then `cargo build` again"));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Runtime};

    /// Fails where the program was compiled before its components: what is installed must hold them.
    #[tokio::test]
    async fn every_built_in_plugin_is_there_and_in_order() {
        let runtime = Runtime::new(None).expect("a runtime");
        for built_in in BuiltIn::ALL {
            let manifest = built_in.manifest().expect("a manifest");
            assert_eq!(manifest.name, built_in.name());
            assert_eq!(BuiltIn::named(built_in.name()), Some(built_in));
            let found = runtime.examine_built_in(built_in).await.expect("examined");
            assert_eq!(found.problems(), [""; 0], "{}", built_in.name());
            let kind = match built_in {
                BuiltIn::Compose => Kind::Subject,
                BuiltIn::Faults => Kind::Chaos,
            };
            assert_eq!(found.kind(), kind);
        }
    }
}
