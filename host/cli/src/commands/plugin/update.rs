//! `duress plugin update`.

use std::process::ExitCode;

use clap::Args;
use duress_model::Error;
use duress_plugin::{LockFile, Source};

use crate::Done;
use crate::context::Context;
use crate::plugins::Change;
use crate::plugins::brought::bring;
use crate::plugins::grant::{grant, unknown};
use crate::ui::print::{print_line, say};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Plugin name
    name: String,
    #[command(flatten)]
    change: Change,
}

pub(crate) async fn main(context: &Context, arguments: &Arguments) -> Done {
    let Arguments { name, change } = arguments;
    let root = change.root.find()?;
    let lock = LockFile::read(&root)?;
    let locked = lock.plugins.get(name).ok_or_else(|| unknown(name, &root))?;
    let source = match locked.source.parse()? {
        // A relative source lies beneath the root, and joining an absolute one gives that.
        Source::Path(path) => Source::Path(root.join(path)),
        elsewhere => elsewhere,
    };
    let brought = bring(&source, &root).await?;
    let found = context.runtime()?.examine(&brought.folder).await?;
    let manifest = &found.manifest;
    if manifest.name != *name {
        return Err(Error::input(format!(
            "{source} is now the plugin `{}`, and was `{name}`",
            manifest.name
        ))
        .hint(format!(
            "add it by its new name: duress plugin add {source}; and remove the old: duress plugin remove {name}"
        ))
        .into());
    }
    let differences = locked.differences(manifest, &found.digest);
    if differences.is_empty() && locked.version == manifest.version {
        print_line!("{name} is unchanged since it was granted.");
        return Ok(ExitCode::SUCCESS);
    }
    for line in &differences {
        say!("changed: {line}");
    }
    grant(
        context,
        &root,
        &brought,
        change.yes,
        locked.digest.is_none(),
    )
    .await
}
