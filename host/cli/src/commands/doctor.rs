//! `duress doctor`.

use std::process::ExitCode;

use duress_doctor::FaultFinding;
use duress_engine::Engine;
use serde_json::json;

use crate::Done;
use crate::context::Context;
use crate::ui::print::{self, print_line};
use crate::ui::{style, table};

pub(crate) async fn main(context: &Context) -> Done {
    let engine = context.engine().await;
    let engine = engine.as_ref().map(AsRef::as_ref).map_err(Clone::clone);
    let findings = duress_doctor::examine(engine.clone(), context.database()?).await;
    let faults = match engine {
        Ok(engine) => faults(context, engine).await?,
        Err(_) => Vec::new(),
    };
    if context.json {
        print::json(&json!({ "machine": findings, "faults": faults }));
    } else {
        for finding in &findings {
            let mark = if finding.found {
                style::GOOD.paint("   ok")
            } else {
                style::WARN.paint(" lack")
            };
            print_line!("{mark}  {:<17} {}", finding.name, finding.detail);
            if let Some(remedy) = &finding.remedy {
                print_line!("       needed for {}", finding.needed_for);
                print_line!("       {} {remedy}", style::HINT.paint("hint:"));
            }
        }
        if !faults.is_empty() {
            let mut rows = table::table(&["fault", "works here", "driver", "by"], 4);
            for finding in &faults {
                let driver = finding.driver.map_or("-".to_owned(), |driver| {
                    format!("{driver:?}").to_lowercase()
                });
                let by = finding
                    .lack
                    .clone()
                    .unwrap_or_else(|| finding.by.join(", "));
                let works = if finding.works { "yes" } else { "NO" };
                rows.add_row([&finding.fault, works, &driver, &by]);
            }
            print_line!();
            print_line!("{}", table::lines(&rows));
        }
    }
    // Without these nothing with containers runs; the rest costs single faults.
    let vital = ["container engine", "compose tool"];
    let lacking = findings
        .iter()
        .any(|finding| !finding.found && vital.contains(&finding.name.as_str()));
    Ok(ExitCode::from(if lacking { 3 } else { 0 }))
}

/// Returns every fault of every plugin. A damaged plugin is left aside: `duress fault list` tells what is wrong with it.
async fn faults(context: &Context, engine: &dyn Engine) -> duress_model::Result<Vec<FaultFinding>> {
    let catalog = context.catalog(None)?;
    let info = engine.info().await?;
    let mut findings = Vec::new();
    for name in catalog.plugin_names() {
        let Ok(plugin) = catalog.plugin(&name).await else {
            continue;
        };
        for fault in &plugin.faults {
            findings.push(duress_doctor::examine_fault(fault, &info).await);
        }
    }
    Ok(findings)
}
