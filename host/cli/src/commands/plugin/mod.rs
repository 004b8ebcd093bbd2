//! `duress plugin`: how plugins are created, tested and shared, and what they are granted.

mod add;
mod build;
mod check;
mod fetch;
mod inspect;
mod list;
mod new;
mod push;
mod remove;
mod test;
mod update;

use clap::Subcommand;

use crate::Done;
use crate::context::Context;
use crate::plugins::{Named, Root};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Create a project that builds at once
    New(new::Arguments),
    /// Build a plugin's component from its source
    Build(build::Arguments),
    /// List the plugins that can be found from here, and whether they are granted
    List,
    /// Show what a plugin contains and which permissions it requests
    Inspect(Named),
    /// Find mistakes in a plugin's manifest, component and faults
    Check(Named),
    /// Try every fault on a simulated machine, in every way that can succeed or fail; with -v, print its log
    Test(Named),
    /// Grant a plugin its requested permissions, copying it into `plugins/` if needed
    Add(add::Arguments),
    /// Grant a plugin that has changed the permissions it requests now
    Update(update::Arguments),
    /// Fetch the plugins in `duress.lock` that are missing here, as they were granted
    Fetch(Root),
    /// Push a plugin to a registry, from which others can add it
    Push(push::Arguments),
    /// Withdraw a plugin's permissions, and remove its copy
    Remove(remove::Arguments),
}

pub(crate) async fn main(context: &Context, verb: Verb) -> Done {
    match verb {
        Verb::New(arguments) => new::main(context, &arguments),
        Verb::Build(arguments) => build::main(context, &arguments).await,
        Verb::List => list::main(context).await,
        Verb::Inspect(plugin) => inspect::main(context, &plugin).await,
        Verb::Check(plugin) => check::main(context, &plugin).await,
        Verb::Test(plugin) => test::main(context, &plugin).await,
        Verb::Add(arguments) => add::main(context, &arguments).await,
        Verb::Update(arguments) => update::main(context, &arguments).await,
        Verb::Fetch(root) => fetch::main(context, &root).await,
        Verb::Push(arguments) => push::main(context, &arguments).await,
        Verb::Remove(arguments) => remove::main(context, &arguments),
    }
}
