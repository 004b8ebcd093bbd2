//! A subject: it comes up, says how it is, and says so as well when nothing answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::stage::{Stage, Workshop};
use super::{Check, Checks};
use duress_model::Result;
use duress_plugin::CallError;
use duress_simulated::{Container, End, Script, Troubles};

pub(super) async fn test(
    workshop: &Workshop<'_>,
    unanswered: &mut BTreeSet<String>,
) -> Result<Vec<Check>> {
    let mut checks = Checks::default();
    let stage = workshop.empty_stage(&[]).await?;
    let came_up = reset(workshop, &stage).await;
    unanswered.append(&mut stage.world.lock().unanswered);
    let is_up = came_up.is_ok();
    let has_stack = !stage.world.lock().stacks.is_empty();
    checks.note(
        "it comes up",
        "",
        came_up.map_err(|error| error.to_string()),
    );
    if is_up {
        let again = reset(workshop, &stage).await;
        checks.note(
            "it comes up again",
            "",
            again.map_err(|error| error.to_string()),
        );
        let health = health(workshop, &stage).await;
        let well = match health {
            Ok(true) => Ok(()),
            Ok(false) => Err("it is not healthy when it has come up".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        checks.note("it is healthy then", "", well);
        let state = capture(workshop, &stage).await;
        checks.note(
            "it says what state it is in",
            "",
            state.map_err(|error| error.to_string()),
        );
    }

    // Nobody answers any more, and nothing runs.
    stage.world.lock().script = Arc::new(Script::default());
    for stack in stage.world.lock().stacks.values_mut() {
        stack.containers.iter_mut().for_each(Container::end);
    }
    let ill = match health(workshop, &stage).await {
        Ok(true) => Err("it says that it is healthy, and nothing answers it".to_owned()),
        Err(error) => in_order(Err(error)),
        Ok(false) => Ok(()),
    };
    checks.note("it is not healthy when nothing answers", "", ill);
    let state = in_order(capture(workshop, &stage).await);
    checks.note("its state when nothing answers", "", state);
    let stage = workshop.empty_stage(&[]).await?;
    let health = in_order(health(workshop, &stage).await.map(drop));
    checks.note("its health without a stack", "", health);
    if !has_stack {
        return Ok(checks.0);
    }
    stage.world.reboot(Troubles::default(), End::Trouble(1));
    let failed = match reset(workshop, &stage).await {
        // It may have tried again.
        Ok(()) if stage.world.lock().stacks.is_empty() => {
            Err("it says that it came up, and the engine had trouble".to_owned())
        }
        result => in_order(result),
    };
    checks.note("trouble while it comes up", "", failed);
    Ok(checks.0)
}

/// Returning an error conforms; a trap does not.
fn in_order(result: Result<(), CallError>) -> Result<(), String> {
    match result {
        Ok(()) | Err(CallError::Guest { .. }) => Ok(()),
        Err(broken) => Err(broken.to_string()),
    }
}

async fn reset(workshop: &Workshop<'_>, stage: &Stage<'_>) -> Result<(), CallError> {
    let call = workshop
        .plugin
        .component
        .reset(&stage.scope, workshop.limits.reset);
    stage.bounded("subject.reset", call).await
}

async fn health(workshop: &Workshop<'_>, stage: &Stage<'_>) -> Result<bool, CallError> {
    let call = workshop
        .plugin
        .component
        .health(&stage.scope, workshop.limits.health);
    Ok(stage.bounded("subject.health", call).await?.healthy)
}

async fn capture(workshop: &Workshop<'_>, stage: &Stage<'_>) -> Result<(), CallError> {
    let call = workshop
        .plugin
        .component
        .capture_state(&stage.scope, workshop.limits.capture);
    stage.bounded("subject.capture-state", call).await.map(drop)
}
