//! `duress plugin push`: into a registry, with the manifest in the component.

use std::process::ExitCode;

use clap::Args;
use duress_model::Error;
use duress_plugin::{Source, embed, push};
use serde_json::json;

use crate::Done;
use crate::context::Context;
use crate::plugins::Named;
use crate::plugins::unpacked::Unpacked;
use crate::ui::print::{self, print_line};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    plugin: Named,
    /// Destination: `oci://HOST/NAME:TAG`
    to: String,
}

pub(crate) async fn main(context: &Context, arguments: &Arguments) -> Done {
    let to = &arguments.to;
    let Source::Registry(reference) = to.parse()? else {
        return Err(
            Error::input(format!("`{to}` is not an address in a registry"))
                .hint("use oci://HOST/NAME:TAG")
                .into(),
        );
    };
    // Nobody could use a plugin that is not valid.
    let brought = arguments.plugin.find(context).await?;
    let folder = &brought.folder;
    let found = context.runtime()?.examine(folder).await?;
    if let Some(problem) = found.problems().first() {
        return Err(Error::input(format!("the plugin is not valid: {problem}"))
            .hint("list every problem: duress plugin check")
            .into());
    }
    let manifest = &found.manifest;
    let there = Unpacked::read(folder)?;
    there.must_be(&found.digest, manifest)?;
    let component = embed(there.component(), &there.text())?;
    let digest = push(&reference, component, &manifest.license).await?;
    if context.json {
        print::json(&json!({ "plugin": manifest.name, "pushed": to, "digest": digest }));
    } else {
        print_line!(
            "{} {} is at {to} ({digest})",
            manifest.name,
            manifest.version
        );
    }
    Ok(ExitCode::SUCCESS)
}
