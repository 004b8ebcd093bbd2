//! `duress plugin inspect`.

use std::process::ExitCode;

use serde_json::json;

use crate::Done;
use crate::context::Context;
use crate::plugins::{Named, grant};
use crate::ui::print::{self, print_line};
use crate::ui::style;

pub(crate) async fn main(context: &Context, plugin: &Named) -> Done {
    let brought = plugin.find(context).await?;
    let found = context.runtime()?.examine(&brought.folder).await?;
    if context.json {
        print::json(&json!({
            "manifest": found.manifest, "kind": found.kind(), "digest": found.digest,
            "imports": found.component.imports(), "faults": found.faults.iter().map(AsRef::as_ref).collect::<Vec<&duress_model::FaultType>>(),
        }));
    } else {
        grant::show(&found);
        print_line!();
        print_line!("imports: {}", found.component.imports().join(", "));
        print_line!("faults:");
        for fault in &found.faults {
            print_line!("  {}  {}", style::GOOD.paint(&fault.name), fault.summary);
        }
    }
    Ok(ExitCode::SUCCESS)
}
