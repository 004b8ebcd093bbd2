//! A subject: it comes up, says how it is, and says so as well when nothing answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::harness::{Harness, Setup};
use super::{Check, Checks};
use duress_capability::{OPERATE, Operations};
use duress_model::Result;
use duress_plugin::CallError;
use duress_simulated::{Container, End, Script, Troubles};
use duress_workload::OTHER;

/// How often each operation is made: once for each member of a usual cluster.
const OPERATIONS: u64 = 3;
/// How long one may take. Time is simulated.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn test(
    harness: &Harness<'_>,
    unanswered: &mut BTreeSet<String>,
) -> Result<Vec<Check>> {
    let mut checks = Checks::default();
    let setup = harness.empty_setup(&[]).await?;
    let came_up = reset(harness, &setup).await;
    unanswered.append(&mut setup.world.lock().unanswered);
    let is_up = came_up.is_ok();
    let has_stack = !setup.world.lock().stacks.is_empty();
    checks.note(
        "it comes up",
        "",
        came_up.map_err(|error| error.to_string()),
    );
    if is_up {
        let again = reset(harness, &setup).await;
        checks.note(
            "it comes up again",
            "",
            again.map_err(|error| error.to_string()),
        );
        let health = health(harness, &setup).await;
        let well = match health {
            Ok(true) => Ok(()),
            Ok(false) => Err("it is not healthy when it has come up".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        checks.note("it is healthy then", "", well);
        let state = capture(harness, &setup).await;
        checks.note(
            "it says what state it is in",
            "",
            state.map_err(|error| error.to_string()),
        );
        operations(harness, &setup, &mut checks, true).await?;
    }
    unanswered.append(&mut setup.world.lock().unanswered);

    // Nobody answers any more, and nothing runs.
    setup.world.lock().script = Arc::new(Script::default());
    for stack in setup.world.lock().stacks.values_mut() {
        stack.containers.iter_mut().for_each(Container::end);
    }
    let ill = match health(harness, &setup).await {
        Ok(true) => Err("it says that it is healthy, and nothing answers it".to_owned()),
        Err(error) => in_order(Err(error)),
        Ok(false) => Ok(()),
    };
    checks.note("it is not healthy when nothing answers", "", ill);
    let state = in_order(capture(harness, &setup).await);
    checks.note("its state when nothing answers", "", state);
    operations(harness, &setup, &mut checks, false).await?;
    let setup = harness.empty_setup(&[]).await?;
    let health = in_order(health(harness, &setup).await.map(drop));
    checks.note("its health without a stack", "", health);
    if !has_stack {
        return Ok(checks.0);
    }
    setup.world.reboot(Troubles::default(), End::Trouble(1));
    let failed = match reset(harness, &setup).await {
        // It may have tried again.
        Ok(()) if setup.world.lock().stacks.is_empty() => {
            Err("it says that it came up, and the engine had trouble".to_owned())
        }
        result => in_order(result),
    };
    checks.note("trouble while it comes up", "", failed);
    Ok(checks.0)
}

/// Has each operation of a workload made several times. Where the system is well, each must succeed.
async fn operations(
    harness: &Harness<'_>,
    setup: &Setup<'_>,
    checks: &mut Checks,
    is_well: bool,
) -> Result<()> {
    const LIST: &str = "it lists the operations of a workload";
    let plugin = &harness.plugin.component;
    let limits = &harness.limits;
    let settings = &setup.scope.settings;
    let list = plugin.operations(settings, limits).await;
    let again = plugin.operations(settings, limits).await;
    let list = match (list, again) {
        (Ok(list), Ok(again)) if list == again => list,
        (Ok(_), Ok(_)) => {
            checks.note(LIST, "", Err("it lists others at the second call".into()));
            return Ok(());
        }
        (Err(error), _) | (_, Err(error)) => {
            checks.note(LIST, "", Err(error.to_string()));
            return Ok(());
        }
    };
    if list.is_empty() {
        return Ok(());
    }
    checks.note(LIST, "", Ok(()));
    let (shared, scope) = Operations::new(&setup.scope, 1)?;
    for operation in &list {
        for number in 0..OPERATIONS {
            let made = plugin.operate(&shared, &scope, &operation.name, (number, number), LIMIT);
            let made = setup.bounded(OPERATE, made).await;
            let result = match made {
                Err(broken) => Err(broken.to_string()),
                Ok(Err(failure)) if failure.kind() == OTHER => Err(format!(
                    "its failure has a kind that is not 1 to 32 lower-case letters, digits and `_`: {}",
                    failure.detail()
                )),
                Ok(Err(failure)) if is_well => Err(format!(
                    "it fails where the system is well: {}: {}",
                    failure.kind(),
                    failure.detail()
                )),
                Ok(_) => Ok(()),
            };
            let name = match is_well {
                true => "operations of a workload",
                false => "operations when nothing answers",
            };
            checks.note(name, &operation.name, result);
        }
    }
    Ok(())
}

/// Returning an error conforms; a trap does not.
fn in_order(result: Result<(), CallError>) -> Result<(), String> {
    match result {
        Ok(()) | Err(CallError::Guest { .. }) => Ok(()),
        Err(broken) => Err(broken.to_string()),
    }
}

async fn reset(harness: &Harness<'_>, setup: &Setup<'_>) -> Result<(), CallError> {
    let call = harness
        .plugin
        .component
        .reset(&setup.scope, harness.limits.reset);
    setup.bounded("subject.reset", call).await
}

async fn health(harness: &Harness<'_>, setup: &Setup<'_>) -> Result<bool, CallError> {
    let call = harness
        .plugin
        .component
        .health(&setup.scope, harness.limits.health);
    Ok(setup.bounded("subject.health", call).await?.healthy)
}

async fn capture(harness: &Harness<'_>, setup: &Setup<'_>) -> Result<(), CallError> {
    let call = harness
        .plugin
        .component
        .capture_state(&setup.scope, harness.limits.capture);
    setup.bounded("subject.capture-state", call).await.map(drop)
}
