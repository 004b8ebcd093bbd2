//! `duress inject`.

use clap::Args;
use duress_model::HealthGate;

use crate::context::Context;
use crate::flags::InjectFlags;
use crate::options::Guardian;
use crate::{Done, execute};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    flags: InjectFlags,
    /// Refuse plugins whose digests are not in duress.lock
    #[arg(long)]
    locked: bool,
    #[command(flatten)]
    guardian: Guardian,
    /// Inject nothing, and print what would be changed
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn main(context: &Context, arguments: Arguments) -> Done {
    let flags = &arguments.flags;
    let selection = flags.selection()?;
    let mut catalog = context.catalog(None)?.pinned(arguments.locked);
    catalog.add_running(&flags.subject(), selection).await?;
    let mut prepared = duress_runner::prepare(flags.draft(), &catalog, arguments.dry_run).await?;
    for trial in &mut prepared.trials {
        trial.spec.health = HealthGate::Open;
    }
    execute::inject(context, prepared, arguments.guardian).await
}
