//! `duress fault`.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use duress_model::{Error, FaultType, Result};
use duress_plugin::{BuiltIn, Catalog, Plugin};
use serde_json::Value;

use crate::Done;
use crate::context::Context;
use crate::ui::print::{self, print_line, say};
use crate::ui::style;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the faults of all plugins, of one plugin, or those for a subject: its own and the general ones
    List {
        /// Subject or plugin name
        name: Option<String>,
    },
}

pub(crate) async fn main(context: &Context, verb: Verb) -> Done {
    let Verb::List { name } = verb;
    let catalog = context.catalog(None)?;
    let mut exit = ExitCode::SUCCESS;
    let plugins = match name {
        // A plugin that brings a subject often has its name.
        Some(name) if catalog.has_subject(&name) => faults_for(&catalog, &name).await?,
        Some(name) if catalog.plugin_names().contains(&name) || BuiltIn::named(&name).is_some() => {
            vec![catalog.plugin(&name).await?]
        }
        Some(name) => faults_for(&catalog, &name).await?,
        None => {
            let mut plugins = Vec::new();
            for name in catalog.plugin_names() {
                match catalog.plugin(&name).await {
                    Ok(plugin) => plugins.push(plugin),
                    // One that was not granted hides none of the others.
                    Err(error) => {
                        tell_left_out(&name, &error);
                        exit = ExitCode::from(2);
                    }
                }
            }
            plugins
        }
    };
    let faults: Vec<&FaultType> = plugins
        .iter()
        .flat_map(|plugin| plugin.faults.iter().map(AsRef::as_ref))
        .collect();
    if context.json {
        print::json(&faults);
        return Ok(exit);
    }
    for fault in faults {
        let name = style::GOOD.paint(format_args!("{}:{}", fault.plugin, fault.name));
        print_line!("{name}  {}", fault.summary);
        for (parameter, schema) in fault.parameters["properties"]
            .as_object()
            .into_iter()
            .flatten()
        {
            print_line!("    {parameter}  {}", described(schema));
        }
        if !fault.requires.is_empty() {
            print_line!(
                "    {}",
                style::FAINT.paint(format_args!("needs {}", fault.requires.join(", ")))
            );
        }
    }
    Ok(exit)
}

/// Says that a plugin's faults are missing from the list, and what would list them.
fn tell_left_out(name: &str, error: &Error) {
    say!(
        "{} the faults of plugin `{name}` are not listed: {error}",
        style::WARN.paint("warning:")
    );
    for hint in error.hints() {
        print::hint(hint);
    }
}

/// The subject's plugin, and those for any subject.
async fn faults_for(catalog: &Catalog, subject: &str) -> Result<Vec<Arc<Plugin>>> {
    let own = Arc::clone(&catalog.subject(subject).await?.plugin);
    let mut plugins = vec![own];
    plugins.extend(catalog.general_plugins(&[subject]).await.0);
    Ok(plugins)
}

/// A parameter's sentence, range and default.
fn described(schema: &Value) -> String {
    let text = |key: &str| schema.get(key).map(Value::to_string);
    let mut facts = Vec::new();
    match (text("minimum"), text("maximum")) {
        (Some(least), Some(most)) => facts.push(format!("{least} to {most}")),
        (Some(least), None) => facts.push(format!("at least {least}")),
        (None, Some(most)) => facts.push(format!("at most {most}")),
        (None, None) => {}
    }
    if let Some(default) = text("default") {
        facts.push(format!("default {default}"));
    }
    let sentence = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if facts.is_empty() {
        sentence.to_owned()
    } else {
        format!("{sentence} [{}]", facts.join(", "))
    }
}
