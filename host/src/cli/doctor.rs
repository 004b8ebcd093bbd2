//! `duress doctor`.

use std::process::ExitCode;

use duress::doctor;

use super::style::{self, print_line};
use super::{Done, Global, context};

pub(super) async fn main(global: &Global) -> Done {
    let engine = context::engine(global).await;
    let findings = doctor::examine(
        engine.as_ref().map(AsRef::as_ref).map_err(Clone::clone),
        &context::database(global)?,
    )
    .await;
    if global.json {
        style::print_json(&findings);
    } else {
        for finding in &findings {
            let mark = if finding.found {
                style::GOOD.paint("   ok")
            } else {
                style::WARN.paint(" lack")
            };
            print_line!("{mark}  {:<17} {}", finding.name, finding.detail);
            if let Some(mend) = &finding.mend {
                print_line!("       needed for {}", finding.needed_for);
                print_line!("       {} {mend}", style::HINT.paint("hint:"));
            }
        }
    }
    // Without these nothing with containers runs; the rest costs single faults.
    let vital = ["container engine", "compose tool"];
    let lacking = findings
        .iter()
        .any(|finding| !finding.found && vital.contains(&finding.name.as_str()));
    Ok(ExitCode::from(if lacking { 3 } else { 0 }))
}
