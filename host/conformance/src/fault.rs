//! One fault, in every way.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::harness::{Harness, Setup};
use super::values::Schema;
use super::{Check, Checks};
use duress_model::{Choice, FaultType, Result};
use duress_plugin::CallError;
use duress_simulated::{End, Troubles};

/// The most steps of one call at which the engine is given trouble.
const TROUBLES_LIMIT: u64 = 200;

/// What the fault does to which targets, with which parameters.
struct Case<'a> {
    harness: &'a Harness<'a>,
    fault: &'a str,
    parameters: &'a Value,
    targets: &'a [String],
}

pub(super) async fn test(
    harness: &Harness<'_>,
    fault: &FaultType,
    unanswered: &mut BTreeSet<String>,
) -> Result<Vec<Check>> {
    let mut checks = Checks::default();
    let schema = match Schema::new(&fault.parameters) {
        Ok(schema) => schema,
        Err(why) => {
            checks.note(
                "its schema",
                "",
                Err(format!("it is not JSON Schema: {why}")),
            );
            return Ok(checks.0);
        }
    };
    check_schema(&schema, &mut checks);
    let services = harness.script.containers.iter();
    let allowed: Vec<String> = services
        .filter(|name| fault.may_hurt(name))
        .cloned()
        .collect();
    let Some(first) = allowed.first() else {
        let why = format!(
            "it may hurt {} alone, and none of these is among `containers` of conformance.yaml",
            fault.services.join(", ")
        );
        checks.note("injected and cleaned up", "", Err(why));
        return Ok(checks.0);
    };
    let one = std::slice::from_ref(first);
    // A fault that picks is given all that it may take.
    let usual = match fault.choice {
        Choice::ByHost => one,
        Choice::ByFault => &allowed[..],
    };
    let own = harness.script.parameters.get(&fault.name);
    let mut is_first = true;
    for parameters in &schema.sets(own.map_or(&[], Vec::as_slice)) {
        let case = Case {
            harness,
            fault: &fault.name,
            parameters,
            targets: usual,
        };
        if !case.check_parameters(&mut checks).await {
            continue;
        }
        // What its author says, or the defaults, must work.
        let returns = case.round_trips(is_first, &mut checks, unanswered).await?;
        let was_first = std::mem::take(&mut is_first);
        if !returns {
            // Each further call might use up as much time again.
            break;
        }
        if was_first {
            case.in_trouble(&mut checks).await?;
            case.rubbish(&schema, &mut checks).await?;
            if allowed.len() > 1 && usual.len() == 1 {
                let all = Case {
                    targets: &allowed,
                    ..case
                };
                all.round_trips(false, &mut checks, unanswered).await?;
            }
        }
    }
    if is_first {
        let why = "there are no parameters to try it with: it takes neither its schema's defaults nor its limits; put some that it takes \
                   under `parameters` in conformance.yaml";
        checks.note("injected and cleaned up", "", Err(why.to_owned()));
    }
    Ok(checks.0)
}

fn check_schema(schema: &Schema<'_>, checks: &mut Checks) {
    let defaults = schema.defaults();
    let fit = match schema.accepts(&defaults) {
        true => Ok(()),
        false => Err(format!(
            "{defaults}: its own defaults do not fit it; a parameter that must be given needs a default, `examples` or limits"
        )),
    };
    checks.note("its schema takes its defaults", "", fit);
    for rubbish in schema.rubbish() {
        let refused = match schema.accepts(&rubbish) {
            false => Ok(()),
            true => Err("it fits the schema: say what fits (`type`, `enum`), and no `additionalProperties: true`".to_owned()),
        };
        checks.note("its schema refuses rubbish", &rubbish.to_string(), refused);
    }
}

/// A call that gave no answer of its own: it trapped, or it was ended.
fn broke(error: &CallError) -> bool {
    !matches!(error, CallError::Guest { .. })
}

impl<'a> Case<'a> {
    fn shown(&self) -> String {
        match self.targets {
            [_] => self.parameters.to_string(),
            several => format!("{} on {}", self.parameters, several.join(", ")),
        }
    }

    /// Returns whether the plugin takes the parameters: the host would not inject what it does not.
    async fn check_parameters(&self, checks: &mut Checks) -> bool {
        let Harness { plugin, limits, .. } = self.harness;
        let found = plugin
            .component
            .check_parameters(self.fault, self.parameters, limits)
            .await;
        let (result, takes) = match found {
            Ok(problems) => (Ok(()), problems.is_empty()),
            Err(error) => (Err(error.to_string()), false),
        };
        checks.note("parameters are checked", &self.shown(), result);
        takes
    }

    async fn setup(&self) -> Result<Setup<'a>> {
        self.harness.setup(self.targets).await
    }

    async fn inject(&self, setup: &Setup<'_>) -> Result<Value, CallError> {
        setup.inject(self.fault, self.parameters).await
    }

    /// Injected, and reverted in every way. With parameters at their limits it may say that it cannot. Whether the calls return.
    async fn round_trips(
        &self,
        must: bool,
        checks: &mut Checks,
        unanswered: &mut BTreeSet<String>,
    ) -> Result<bool> {
        let shown = self.shown();
        let setup = self.setup().await?;
        let injected = self.inject(&setup).await;
        unanswered.append(&mut setup.world.lock().unanswered);
        let metadata = match injected {
            Ok(metadata) => metadata,
            Err(error) => {
                let name = "injected and cleaned up";
                checks.note("nothing is left of what failed", &shown, setup.end().await);
                if must || broke(&error) {
                    checks.note(name, &shown, Err(error.to_string()));
                }
                return Ok(!matches!(error, CallError::TimedOut { .. }));
            }
        };
        let result = round_trip(&setup, &metadata).await?;
        checks.note("injected and cleaned up", &shown, result);
        let again = setup
            .cleanup(&metadata)
            .await
            .map_err(|error| error.to_string());
        checks.note(
            "cleaned up twice",
            &shown,
            again.and_then(|()| setup.check_whole()),
        );
        unanswered.append(&mut setup.world.lock().unanswered);

        for way in [
            Way::AnotherProcess,
            Way::Restarted,
            Way::Gone,
            Way::HostAlone,
        ] {
            let mut setup = self.setup().await?;
            let Ok(metadata) = self.inject(&setup).await else {
                let why = "it was injected the first time, and not the second".to_owned();
                checks.note(way.name(), &shown, Err(why));
                continue;
            };
            way.happen(&mut setup);
            let cleaned = match way {
                Way::HostAlone => Ok(()),
                _ => setup
                    .cleanup(&metadata)
                    .await
                    .map_err(|error| error.to_string()),
            };
            let result = match cleaned {
                Ok(()) if way != Way::HostAlone && setup.unsettled().await? > 0 => {
                    Err("cleanup reported success but left changes applied".to_owned())
                }
                Ok(()) => setup.end().await,
                failed => failed,
            };
            checks.note(way.name(), &shown, result);
        }
        Ok(true)
    }

    /// The engine has trouble at each step of `inject`, and at each of `cleanup`; and what is optional is not there.
    async fn in_trouble(&self, checks: &mut Checks) -> Result<()> {
        let setup = self.setup().await?;
        let before = setup.world.steps();
        let Ok(metadata) = self.inject(&setup).await else {
            return Ok(());
        };
        let injected = setup.world.steps() - before;
        let middle = setup.world.steps();
        // That it succeeds was seen.
        let _ = setup.cleanup(&metadata).await;
        let cleaned = setup.world.steps() - middle;

        for step in 1..=injected.min(TROUBLES_LIMIT) {
            let shown = format!("{}, trouble at step {step}", self.shown());
            let setup = self.setup().await?;
            setup.world.reboot(Troubles::default(), End::Trouble(step));
            let result = self.in_and_out(&setup).await;
            checks.note("trouble while it is injected", &shown, result);
        }
        for step in 1..=cleaned.min(TROUBLES_LIMIT) {
            let shown = format!("{}, trouble at step {step}", self.shown());
            let setup = self.setup().await?;
            let Ok(metadata) = self.inject(&setup).await else {
                continue;
            };
            setup.world.reboot(Troubles::default(), End::Trouble(step));
            let first = setup.cleanup(&metadata).await;
            let result = match first {
                Err(error) if broke(&error) => Err(error.to_string()),
                _ => setup
                    .cleanup(&metadata)
                    .await
                    .map_err(|error| format!("the second cleanup, without trouble: {error}")),
            };
            let whole = setup.end().await;
            checks.note("trouble while it is cleaned up", &shown, result.and(whole));
        }

        let setup = self.setup().await?;
        setup.world.lock().bare = true;
        let result = self.in_and_out(&setup).await;
        checks.note("`host.has` says no to everything", &self.shown(), result);
        Ok(())
    }

    /// Injects it, clean up if that succeeded, end the trial. That it cannot be injected is not a problem, if it says so.
    async fn in_and_out(&self, setup: &Setup<'_>) -> Result<(), String> {
        let result = match self.inject(setup).await {
            Ok(metadata) => setup
                .cleanup(&metadata)
                .await
                .map_err(|error| error.to_string()),
            Err(error) if broke(&error) => Err(error.to_string()),
            Err(_) => Ok(()),
        };
        let whole = setup.end().await;
        result.and(whole)
    }

    /// What no host of today sends is refused by a value, not by a trap.
    async fn rubbish(&self, schema: &Schema<'_>, checks: &mut Checks) -> Result<()> {
        let name = "rubbish is refused in good order";
        let in_order = |result: Result<(), CallError>| match result {
            Err(error) if broke(&error) => Err(error.to_string()),
            _ => Ok(()),
        };
        for metadata in [
            json!({}),
            json!({ "changes": ["no such change"] }),
            json!({ "changes": 7 }),
        ] {
            let setup = self.setup().await?;
            let result = in_order(setup.cleanup(&metadata).await);
            checks.note(
                name,
                &format!("cleanup of {metadata}"),
                result.and(setup.end().await),
            );
        }
        let setup = self.setup().await?;
        let unknown = setup.inject("no_such_fault", self.parameters).await;
        let result = match unknown {
            Ok(_) => Err("it injects a fault that it does not list".to_owned()),
            Err(error) => in_order(Err(error)),
        };
        checks.note(
            name,
            "a fault without a name",
            result.and(setup.end().await),
        );
        for parameters in schema.rubbish() {
            let setup = self.setup().await?;
            let result = in_order(setup.inject(self.fault, &parameters).await.map(drop));
            checks.note(
                name,
                &format!("inject with {parameters}"),
                result.and(setup.end().await),
            );
        }
        Ok(())
    }
}

/// `inject` has succeeded.
async fn round_trip(setup: &Setup<'_>, metadata: &Value) -> Result<Result<(), String>> {
    if setup.changes().await? == 0 {
        return Ok(Err(
            "it says that it was injected, and changed nothing".to_owned()
        ));
    }
    if setup.unsettled().await? == 0 {
        return Ok(Err(
            "it says that it was injected, and had reverted every change before `inject` returned: nothing is in force".to_owned(),
        ));
    }
    let in_force = setup.unsettled().await?;
    if let Err(error) = setup.cleanup(metadata).await {
        return Ok(Err(error.to_string()));
    }
    if setup.unsettled().await? == in_force {
        return Ok(Err(
            "cleanup said that all is well, and reverted nothing: does the metadata hold every change's id?".to_owned(),
        ));
    }
    if setup.unsettled().await? > 0 {
        return Ok(Err(
            "cleanup reported success but left changes applied: does the metadata hold every change's id?".to_owned(),
        ));
    }
    Ok(setup.check_whole())
}

/// What happens between `inject` and `cleanup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The host dies, and another one cleans up.
    AnotherProcess,
    /// The containers restart by themselves.
    Restarted,
    /// The containers are removed by somebody.
    Gone,
    /// Nobody asks the plugin any more.
    HostAlone,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::AnotherProcess => "cleaned up by another process",
            Self::Restarted => "cleaned up after the container restarted",
            Self::Gone => "cleaned up after the container is gone",
            Self::HostAlone => "reverted by the host alone",
        }
    }

    fn happen(self, setup: &mut Setup<'_>) {
        match self {
            Self::AnotherProcess => setup.in_another_process(),
            Self::Restarted => setup.restart_targets(),
            Self::Gone => setup.remove_targets(),
            Self::HostAlone => {}
        }
    }
}
