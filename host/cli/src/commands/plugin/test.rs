//! `duress plugin test`: the conformance kit's report.

use std::process::ExitCode;

use duress_conformance::Report;
use duress_model::Error;
use duress_plugin::Plugin;
use duress_simulated::Script;
use serde_json::json;

use crate::Done;
use crate::context::Context;
use crate::plugins::Named;
use crate::ui::print::{self, print_line, say};
use crate::ui::style;

/// The file of the author's own, beside `plugin.yaml`.
const SCRIPT: &str = "conformance.yaml";

pub(crate) async fn main(context: &Context, plugin: &Named) -> Done {
    let brought = plugin.find(context).await?;
    let folder = &brought.folder;
    let found = context.runtime()?.examine(folder).await?;
    let path = folder.join(SCRIPT);
    let script = match path.is_file() {
        true => duress_yaml::load::<Script>(&path)?.0,
        false => Script::default(),
    };
    // It has a clock of its own, and so a thread of its own.
    let tested = tokio::task::spawn_blocking(move || {
        let report = duress_conformance::test(&found, &script)?;
        Ok::<_, Error>((found, report))
    });
    let (found, report) = tested
        .await
        .map_err(|error| Error::failed(format!("the test broke off: {error}")))??;
    if context.json {
        print::json(&json!({
            "plugin": found.manifest.name, "digest": found.digest, "passed": report.passed(), "report": report,
        }));
    } else {
        if context.verbose > 0 {
            say!("Log of all cases:");
            for line in &report.log {
                say!("  {line}");
            }
        }
        print(&found, &report);
    }
    Ok(ExitCode::from(if report.passed() { 0 } else { 1 }))
}

fn print(found: &Plugin, report: &Report) {
    for (what, checks) in report.parts() {
        let cases: usize = checks.iter().map(|check| check.cases).sum();
        let number = checks.len();
        let problems: Vec<_> = checks.iter().filter(|one| one.problem.is_some()).collect();
        let mark = match problems.is_empty() {
            true => style::GOOD.paint("ok  "),
            false => style::ERROR.paint("FAIL"),
        };
        print_line!("{mark} {what}: {number} checks, {cases} cases");
        for check in problems {
            print_line!("     {}", check.name);
            print_line!("       {}", check.problem.as_deref().unwrap_or_default());
        }
    }
    let failed = report
        .checks()
        .filter(|check| check.problem.is_some())
        .count();
    let cases: usize = report.checks().map(|check| check.cases).sum();
    let name = &found.manifest.name;
    print_line!();
    if failed == 0 {
        print_line!("{name} conforms: {cases} cases.");
        return;
    }
    print_line!("{name} does not conform: {failed} of its checks failed, in {cases} cases.");
    if !report.unanswered.is_empty() {
        say!(
            "It made requests that nothing answers; {SCRIPT} beside plugin.yaml can answer them (see docs/plugins.md):"
        );
        for asked in report.unanswered.iter().take(10) {
            say!("  - {asked}");
        }
    }
}
