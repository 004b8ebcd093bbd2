//! `duress plugin push`: into a registry, with the manifest in the component.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::super::style::print_line;
use super::super::{Done, Global, context, style};
use super::place::Unpacked;
use duress_model::Error;
use duress_plugin::{Source, embed, push};

pub(super) async fn main(global: &Global, folder: &Path, to: &str) -> Done {
    let Source::Registry(reference) = to.parse()? else {
        return Err(
            Error::input(format!("`{to}` is not an address in a registry"))
                .hint("it is oci://HOST/NAME:TAG")
                .into(),
        );
    };
    // Nobody can use what is not in order.
    let found = context::runtime()?.examine(folder).await?;
    if let Some(problem) = found.problems().first() {
        return Err(Error::input(format!("it is not in order: {problem}"))
            .hint("duress plugin check lists everything")
            .into());
    }
    let manifest = &found.plugin.manifest;
    let there = Unpacked::read(folder)?;
    there.must_be(&found.plugin.digest, manifest)?;
    let component = embed(there.component(), &there.text())?;
    let digest = push(&reference, component, &manifest.license).await?;
    if global.json {
        style::print_json(&json!({ "plugin": manifest.name, "pushed": to, "digest": digest }));
    } else {
        print_line!(
            "{} {} is at {to} ({digest})",
            manifest.name,
            manifest.version
        );
    }
    Ok(ExitCode::SUCCESS)
}
