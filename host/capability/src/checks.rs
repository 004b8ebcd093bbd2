//! `checks`: probes that compare a value with the one before the change.

use serde_json::json;
use wasmtime::component::Resource;

use super::bindings::duress::plugin::changes::{Change, Program};
use super::bindings::duress::plugin::checks::{Host, HostCheck};
use super::bindings::duress::plugin::types::Request;
use super::{Ctx, GuestError};
use duress_journal::change::Probe;
use duress_journal::comparison::{Comparison, Condition, Watched};

type Made = wasmtime::Result<Resource<Comparison>>;
type Done = wasmtime::Result<()>;

impl Host for Ctx {
    async fn apply(
        &mut self,
        change: Change,
        check: Resource<Comparison>,
    ) -> wasmtime::Result<Result<String, GuestError>> {
        let check = self.table.get(&check)?.clone();
        let arguments = json!({
            "container": change.container, "summary": change.summary, "check": check.value.to_string(),
        });
        self.audited("checks.apply", arguments, |scope| async move {
            scope.apply_change(change, Some(check)).await
        })
        .await
    }
}

impl HostCheck for Ctx {
    async fn output_of(&mut self, program: Program) -> Made {
        self.watch(Watched::Output(program.into()))
    }

    async fn exit_code_of(&mut self, program: Program) -> Made {
        self.watch(Watched::ExitCode(program.into()))
    }

    async fn body_of(&mut self, request: Request) -> Made {
        self.watch(Watched::Body(request.into()))
    }

    async fn at(&mut self, check: Resource<Comparison>, pointer: String) -> Done {
        self.adjust(&check, |check| check.pointer = Some(pointer))
    }

    async fn rises_by(&mut self, check: Resource<Comparison>, least: f64) -> Done {
        self.adjust(&check, |check| check.condition = Condition::RisesBy(least))
    }

    async fn falls_by(&mut self, check: Resource<Comparison>, least: f64) -> Done {
        self.adjust(&check, |check| check.condition = Condition::FallsBy(least))
    }

    async fn is_above(&mut self, check: Resource<Comparison>, limit: f64) -> Done {
        self.adjust(&check, |check| check.condition = Condition::Above(limit))
    }

    async fn is_below(&mut self, check: Resource<Comparison>, limit: f64) -> Done {
        self.adjust(&check, |check| check.condition = Condition::Below(limit))
    }

    async fn back_within(&mut self, check: Resource<Comparison>, tolerance: f64) -> Done {
        self.adjust(&check, |check| check.tolerance = Some(tolerance))
    }

    async fn drop(&mut self, check: Resource<Comparison>) -> Done {
        self.table.delete(check)?;
        Ok(())
    }
}

impl Ctx {
    fn watch(&mut self, value: Watched) -> Made {
        self.count()?;
        let check = Comparison {
            value,
            pointer: None,
            condition: Condition::Differs,
            tolerance: None,
            before: None,
        };
        Ok(self.table.push(check)?)
    }

    fn adjust(
        &mut self,
        check: &Resource<Comparison>,
        adjust: impl FnOnce(&mut Comparison),
    ) -> Done {
        self.count()?;
        adjust(self.table.get_mut(check)?);
        Ok(())
    }
}

/// A probe, a comparison, or both of them.
pub(super) fn joined(probe: Option<Probe>, check: Option<Comparison>) -> Option<Probe> {
    match (probe, check.map(Probe::Compare)) {
        (Some(probe), Some(check)) => Some(Probe::All(vec![probe, check])),
        (probe, check) => probe.or(check),
    }
}
