//! `duress plugin check`.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use crate::Done;
use crate::context::Context;
use crate::plugins::{Named, locate};
use crate::ui::print::{self, print_line};
use crate::ui::{format, style};

pub(crate) async fn main(context: &Context, plugin: &Named) -> Done {
    let brought = plugin.find(context).await?;
    let folder = &brought.folder;
    let found = context.runtime()?.examine(folder).await?;
    let mut problems = found.problems();
    problems.extend(misnamed(folder, &found.manifest.name));
    if context.json {
        print::json(&json!({ "plugin": found.manifest.name, "problems": problems }));
    } else if problems.is_empty() {
        let faults = format::count(found.faults.len(), "fault");
        print_line!("{} is valid: {faults}.", found.manifest.name);
    }
    for problem in problems.iter().filter(|_| !context.json) {
        print_line!("{} {problem}", style::ERROR.paint("problem:"));
    }
    Ok(ExitCode::from(if problems.is_empty() { 0 } else { 2 }))
}

/// Returns whether a plugin's folder beneath `plugins` has another name than the plugin: then the folder's is the one that counts.
fn misnamed(folder: &Path, name: &str) -> Option<String> {
    let folder = locate::absolute(folder).ok()?;
    let is_beneath = folder
        .parent()
        .is_some_and(|parent| parent.ends_with("plugins"));
    let own = folder.file_name()?.to_string_lossy();
    (is_beneath && own != name).then(|| {
        format!("it is called `{name}` in its plugin.yaml, and its folder `{own}`: give both the same name")
    })
}
