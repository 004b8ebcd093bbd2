//! `duress plugin list`.

use std::path::Path;
use std::process::ExitCode;

use duress_model::Result;
use duress_plugin::{PluginManifest, Runtime};
use serde_json::json;

use crate::Done;
use crate::context::Context;
use crate::ui::print::{self, print_line, say};
use crate::ui::{style, table};

pub(crate) async fn main(context: &Context) -> Done {
    let catalog = context.catalog(None)?;
    let mut rows = table::table(&["plugin", "version", "summary", "granted"], 4);
    let mut all = Vec::new();
    for name in catalog.plugin_names() {
        let built_in = catalog.built_in(&name);
        // Looked at as files: a component that lies there and was granted nothing is not compiled.
        let (directory, examined) = match built_in {
            Some(built_in) => {
                let found = catalog.runtime().examine_built_in(built_in).await;
                let found = found.map(|found| (found.manifest, found.digest));
                (None, found)
            }
            None => {
                let directory = catalog.plugin_directory(&name)?;
                let found = look(&directory);
                (Some(directory), found)
            }
        };
        match examined {
            Ok((manifest, digest)) => {
                let refusal = match built_in {
                    Some(_) => None,
                    None => catalog.grant_of(&name, &manifest, &digest).err(),
                };
                all.push(json!({
                    "name": name, "version": manifest.version, "summary": manifest.summary, "directory": directory,
                    "digest": digest, "permissions": manifest.permissions, "granted": refusal.is_none(),
                    "built_in": built_in.is_some(), "reason": refusal.as_ref().map(ToString::to_string),
                }));
                rows.add_row([
                    name,
                    manifest.version.clone(),
                    manifest.summary.clone(),
                    match (built_in, &refusal) {
                        (Some(_), _) => "built in",
                        (None, None) => "yes",
                        (None, Some(_)) => "no",
                    }
                    .to_owned(),
                ]);
            }
            Err(error) => {
                say!("{} plugin `{name}`: {error}", style::WARN.paint("warning:"));
            }
        }
    }
    if context.json {
        print::json(&all);
    } else {
        print_line!("{}", table::lines(&rows));
    }
    Ok(ExitCode::SUCCESS)
}

/// A plugin's manifest, and the digest of its component.
fn look(folder: &Path) -> Result<(PluginManifest, String)> {
    let (manifest, _) = duress_yaml::load::<PluginManifest>(&folder.join("plugin.yaml"))?;
    let digest = Runtime::digest(&manifest, folder)?;
    Ok((manifest, digest))
}
