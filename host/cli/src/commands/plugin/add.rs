//! `duress plugin add`.

use clap::Args;

use crate::Done;
use crate::context::Context;
use crate::plugins::Change;
use crate::plugins::brought::bring;
use crate::plugins::grant::grant;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Source: the folder with its `plugin.yaml`, its component's file, a URL of that, or `oci://HOST/NAME:TAG`
    source: String,
    #[command(flatten)]
    change: Change,
    /// Grant it whatever the digest of its component, because it is built here again and again
    #[arg(long)]
    built_here: bool,
}

pub(crate) async fn main(context: &Context, arguments: &Arguments) -> Done {
    let root = arguments.change.root.find()?;
    let brought = bring(&arguments.source.parse()?, &root).await?;
    let Change { yes, .. } = arguments.change;
    grant(context, &root, &brought, yes, arguments.built_here).await
}
