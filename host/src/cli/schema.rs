//! `duress schema`.

use std::process::ExitCode;

use clap::Subcommand;
use duress::plugin::{PluginManifest, SubjectManifest};
use duress::simulated::Script;
use duress::yaml;

use super::Done;
use super::style::print_line;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// The campaign file
    Campaign,
    /// `plugin.yaml`, the manifest of a component
    Plugin,
    /// `subject.yaml`, a system under test
    Subject,
    /// `conformance.yaml`, what `duress plugin test` tries a plugin on
    Conformance,
}

pub(super) fn main(verb: Verb) -> Done {
    let schema = match verb {
        Verb::Campaign => duress::campaign::json_schema(),
        Verb::Plugin => yaml::schema_of::<PluginManifest>(),
        Verb::Subject => yaml::schema_of::<SubjectManifest>(),
        Verb::Conformance => yaml::schema_of::<Script>(),
    };
    print_line!("{schema:#}");
    Ok(ExitCode::SUCCESS)
}
