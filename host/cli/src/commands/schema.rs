//! `duress schema`.

use std::process::ExitCode;

use clap::Subcommand;
use duress_plugin::{PluginManifest, SubjectManifest};
use duress_simulated::Script;

use crate::Done;
use crate::ui::print::print_line;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Print the schema of a campaign file
    Campaign,
    /// Print the schema of `plugin.yaml`, the manifest of a component
    Plugin,
    /// Print the schema of `subject.yaml`, a system under test
    Subject,
    /// Print the schema of `conformance.yaml`, the script of `duress plugin test`
    Conformance,
}

pub(crate) fn main(verb: Verb) -> Done {
    let schema = match verb {
        Verb::Campaign => duress_campaign::json_schema(),
        Verb::Plugin => duress_yaml::schema_of::<PluginManifest>(),
        Verb::Subject => duress_yaml::schema_of::<SubjectManifest>(),
        Verb::Conformance => duress_yaml::schema_of::<Script>(),
    };
    print_line!("{schema:#}");
    Ok(ExitCode::SUCCESS)
}
